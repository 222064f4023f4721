"""From scores to tables and figures."""


rule table:
    input:
        scores=rules.collect.output.scores,
        comparisons=rules.compare.output,
        costs=rules.collect.output.costs,
        histories=rules.collect.output.histories,
    output:
        report(
            "results/{study}/tables/{table}.csv",
            caption="../report/table.rst",
            category="Tables",
        ),
        "results/{study}/tables/{table}.tex",
        "results/{study}/tables/{table}.md",
    log:
        "logs/table/{study}/{table}.log",
    benchmark:
        "logs/table/{study}/{table}.tsv"
    conda:
        "../../environment.yml"
    params:
        settings=study_json,
        revision=REVISION["table"],
    shell:
        "python -m ecgpipe table --table {wildcards.table} --settings {params.settings:q} "
        "--results results --scores {input.scores} --comparisons {input.comparisons} "
        "--costs {input.costs} --histories {input.histories} --out {output[0]} &> {log}"


rule figure:
    input:
        scores=rules.collect.output.scores,
        comparisons=rules.compare.output,
        costs=rules.collect.output.costs,
        histories=rules.collect.output.histories,
        shards=records_shown,
    output:
        "results/{study}/figures/{figure}.pdf",
        report(
            "results/{study}/figures/{figure}.png",
            caption="../report/figure.rst",
            category="Figures",
        ),
    log:
        "logs/figure/{study}/{figure}.log",
    benchmark:
        "logs/figure/{study}/{figure}.tsv"
    conda:
        "../../environment.yml"
    params:
        settings=study_json,
        revision=REVISION["figure"],
    shell:
        "python -m ecgpipe figure --figure {wildcards.figure} --settings {params.settings:q} "
        "--results results --scores {input.scores} --comparisons {input.comparisons} "
        "--costs {input.costs} --histories {input.histories} --shards {input.shards} "
        "--out {output[0]} &> {log}"
