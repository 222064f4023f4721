"""From a publisher's release to shards, splits and draws."""


rule download:
    input:
        put_there,
    output:
        "resources/{dataset}/{source}.manifest.csv",
    log:
        "logs/download/{dataset}/{source}.log",
    benchmark:
        "logs/download/{dataset}/{source}.tsv"
    conda:
        "../../environment.yml"
    params:
        mirror=mirror,
        revision=REVISION["download"],
    shell:
        "python -m ecgpipe download --dataset {wildcards.dataset} --source {wildcards.source} "
        "{params.mirror} --lock config/locks/{wildcards.dataset}.csv --out {output} &> {log}"


rule preprocess:
    input:
        manifests,
    output:
        shard="results/shards/{dataset}/{preparation}/{shard}.h5",
        report="results/shards/{dataset}/{preparation}/{shard}.json",
    log:
        "logs/preprocess/{dataset}/{preparation}/{shard}.log",
    benchmark:
        "logs/preprocess/{dataset}/{preparation}/{shard}.tsv"
    conda:
        "../../environment.yml"
    params:
        settings=preparation_json,
        revision=REVISION["preprocess"],
    shell:
        "python -m ecgpipe preprocess --settings {params.settings:q} "
        "--dataset {wildcards.dataset} --preparation {wildcards.preparation} "
        "--shard {wildcards.shard} --manifests {input} "
        "--report {output.report} --out {output.shard} &> {log}"


rule split:
    input:
        "resources/{dataset}/metadata.manifest.csv",
    output:
        "results/splits/{dataset}/{split}.csv",
    log:
        "logs/split/{dataset}/{split}.log",
    benchmark:
        "logs/split/{dataset}/{split}.tsv"
    conda:
        "../../environment.yml"
    params:
        revision=REVISION["split"],
    shell:
        "python -m ecgpipe split --dataset {wildcards.dataset} --split {wildcards.split} "
        "--manifest {input} --out {output} &> {log}"


rule audit:
    input:
        shards=shards_of_study,
        reports=reports_of_study,
        splits=splits_of_study,
    output:
        leaks="results/{study}/leaks.csv",
        datasets="results/{study}/datasets.csv",
    log:
        "logs/audit/{study}.log",
    benchmark:
        "logs/audit/{study}.tsv"
    conda:
        "../../environment.yml"
    params:
        revision=REVISION["audit"],
    shell:
        "python -m ecgpipe audit --shards {input.shards} --splits {input.splits} "
        "--reports {input.reports} --datasets {output.datasets} "
        "--out {output.leaks} &> {log}"


rule draw:
    input:
        manifests=manifests_of_task,
        splits=splits_of_task,
    output:
        "results/draws/{task}/{split}/{budget}/{seed}.csv",
    log:
        "logs/draw/{task}/{split}/{budget}/{seed}.log",
    benchmark:
        "logs/draw/{task}/{split}/{budget}/{seed}.tsv"
    conda:
        "../../environment.yml"
    params:
        settings=task_json,
        revision=REVISION["draw"],
    shell:
        "python -m ecgpipe draw --settings {params.settings:q} --manifests {input.manifests} "
        "--splits {input.splits} --budget {wildcards.budget} --seed {wildcards.seed} "
        "--out {output} &> {log}"
