"""From shards to data cards."""


rule describe:
    input:
        shards=shards_described,
        reports=reports_described,
        manifests=manifests,
    output:
        page=report(
            "results/cards/{dataset}/{preparation}/card.html",
            caption="../report/card.rst",
            category="Data",
            labels={"dataset": "{dataset}", "preparation": "{preparation}"},
        ),
        numbers="results/cards/{dataset}/{preparation}/card.json",
        figure="results/cards/{dataset}/{preparation}/records.png",
    log:
        "logs/describe/{dataset}/{preparation}.log",
    benchmark:
        "logs/describe/{dataset}/{preparation}.tsv"
    conda:
        "../../environment.yml"
    params:
        revision=REVISION["describe"],
    shell:
        "python -m ecgpipe describe {wildcards.dataset} --shards {input.shards} "
        "--reports {input.reports} --manifests {input.manifests} --out {output.page} &> {log}"
