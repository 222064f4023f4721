"""From scores to tables and figures."""


rule table:
    input:
        scores=rules.collect.output.scores,
        comparisons=rules.compare.output,
        costs=rules.collect.output.costs,
        histories=rules.collect.output.histories,
    output:
        csv=report(
            "results/{study}/tables/{table}.csv",
            caption="../report/table.rst",
            category="Tables",
        ),
        tex="results/{study}/tables/{table}.tex",
        md="results/{study}/tables/{table}.md",
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
        "--costs {input.costs} --histories {input.histories} --out {output.csv} &> {log}"


rule figure:
    input:
        scores=rules.collect.output.scores,
        comparisons=rules.compare.output,
        costs=rules.collect.output.costs,
        histories=rules.collect.output.histories,
        shards=records_shown,
    output:
        pdf="results/{study}/figures/{figure}.pdf",
        png=report(
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
        "--out {output.pdf} &> {log}"
