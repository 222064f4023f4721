"""From scores to tables and figures."""


rule table:
    input:
        unpack(needed_by_table),
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
        inputs=options,
        settings=study_json,
        revision=REVISION["table"],
    shell:
        "python -m ecgpipe table --table {wildcards.table} --settings {params.settings:q} "
        "--results results {params.inputs} --out {output.csv} &> {log}"


rule figure:
    input:
        unpack(needed_by_figure),
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
        inputs=options,
        settings=study_json,
        revision=REVISION["figure"],
    shell:
        "python -m ecgpipe figure --figure {wildcards.figure} --settings {params.settings:q} "
        "--results results {params.inputs} --out {output.pdf} &> {log}"
