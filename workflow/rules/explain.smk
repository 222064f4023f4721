"""From trained models to where they look."""


rule explain:
    input:
        checkpoint=last_round,
        shards=shards_scored,
        splits=splits_scored,
        waves=waves_scored,
    output:
        csv="results/runs/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/attributions/{scored_on}.csv",
        examples="results/runs/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/attributions/{scored_on}.h5",
    log:
        "logs/explain/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/{scored_on}.log",
    benchmark:
        "logs/explain/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/{scored_on}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=1,
    params:
        settings=explain_json,
    shell:
        "python -m ecgpipe explain --settings {params.settings:q} "
        "--checkpoint {input.checkpoint} --shards {input.shards} --splits {input.splits} "
        "--waves {input.waves} --threads {threads} --out {output.csv} &> {log}"
