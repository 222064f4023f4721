"""From shards to trained models."""


rule pretrain:
    input:
        shards=shards_of_pretraining,
        splits=splits_of_pretraining,
        start=start,
    output:
        checkpoint="results/pretraining/{pretraining}/{split}/{seed}/checkpoint.safetensors",
        history="results/pretraining/{pretraining}/{split}/{seed}/history.csv",
        cost="results/pretraining/{pretraining}/{split}/{seed}/cost.json",
    log:
        "logs/pretrain/{pretraining}/{split}/{seed}.log",
    benchmark:
        "logs/pretrain/{pretraining}/{split}/{seed}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=1,
    params:
        settings=pretraining_json,
    shell:
        "python -m ecgpipe pretrain --settings {params.settings:q} --seed {wildcards.seed} "
        "--shards {input.shards} --splits {input.splits} --start {input.start} "
        "--threads {threads} --processes {resources.gpu} --out {output.checkpoint} &> {log}"


rule finetune:
    input:
        shards=shards_of_run,
        splits=splits_of_task,
        draw=rules.draw.output,
        pretrained=pretrained,
        teacher=teacher,
    output:
        checkpoint="results/runs/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/round-{round}/checkpoint.safetensors",
        adapter="results/runs/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/round-{round}/adapter.safetensors",
        history="results/runs/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/round-{round}/history.csv",
        cost="results/runs/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/round-{round}/cost.json",
    log:
        "logs/finetune/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/round-{round}.log",
    benchmark:
        "logs/finetune/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/round-{round}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=1,
    params:
        settings=run_json,
    shell:
        "python -m ecgpipe finetune --settings {params.settings:q} --seed {wildcards.seed} "
        "--shards {input.shards} --splits {input.splits} --draw {input.draw} "
        "--pretrained {input.pretrained} --teacher {input.teacher} "
        "--threads {threads} --processes {resources.gpu} --out {output.checkpoint} &> {log}"
