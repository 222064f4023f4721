"""From shards to the boundaries of their waves, where nobody marked them."""


rule delineate:
    input:
        rules.preprocess.output.shard,
    output:
        "results/waves/{dataset}/{preparation}/{shard}.h5",
    log:
        "logs/delineate/{dataset}/{preparation}/{shard}.log",
    benchmark:
        "logs/delineate/{dataset}/{preparation}/{shard}.tsv"
    conda:
        "../../environment.yml"
    params:
        revision=REVISION["delineate"],
    shell:
        "python -m ecgpipe delineate --shard {input} --out {output} &> {log}"
