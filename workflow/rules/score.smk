"""From trained models to predictions, scores and comparisons."""


rule predict:
    input:
        checkpoint=last_round,
        shards=shards_scored,
        splits=splits_scored,
        noise=recorded_noise,
    output:
        "results/runs/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/predictions/{scored_on}.h5",
    log:
        "logs/predict/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/{scored_on}.log",
    benchmark:
        "logs/predict/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/{scored_on}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=1,
    params:
        settings=predict_json,
    shell:
        "python -m ecgpipe predict --settings {params.settings:q} "
        "--checkpoint {input.checkpoint} --shards {input.shards} --splits {input.splits} "
        "--noise {input.noise} --threads {threads} --out {output} &> {log}"


rule personalize:
    input:
        checkpoint=last_round,
        shards=shards_scored,
        splits=splits_scored,
    output:
        "results/runs/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/predictions/{scored_on}.h5",
    log:
        "logs/personalize/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/{scored_on}.log",
    benchmark:
        "logs/personalize/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/{scored_on}.tsv"
    wildcard_constraints:
        recipe=PERSONAL,
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=1,
    params:
        settings=personalize_json,
    shell:
        "python -m ecgpipe personalize --settings {params.settings:q} "
        "--checkpoint {input.checkpoint} --shards {input.shards} --splits {input.splits} "
        "--threads {threads} --out {output} &> {log}"


# for recipes that adapt to each patient
ruleorder: personalize > predict


rule evaluate:
    input:
        scored="results/runs/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/predictions/{scored_on}.h5",
        own="results/runs/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/predictions/{task}.h5",
    output:
        "results/runs/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/scores/{scored_on}.csv",
    log:
        "logs/evaluate/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/{scored_on}.log",
    benchmark:
        "logs/evaluate/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}/{scored_on}.tsv"
    conda:
        "../../environment.yml"
    params:
        metrics=",".join(registry.names("metrics")),
        revision=REVISION["evaluate"],
    shell:
        "python -m ecgpipe evaluate --predictions {input.scored} --own {input.own} --out {output} &> {log}"


rule estimate:
    input:
        checkpoints=checkpoints_estimated,
        draws=draws_estimated,
        shards=shards_estimated,
        splits=splits_estimated,
    output:
        "results/{study}/estimates.csv",
    log:
        "logs/estimate/{study}.log",
    benchmark:
        "logs/estimate/{study}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=1,
    params:
        settings=estimate_json,
    shell:
        "python -m ecgpipe estimate --settings {params.settings:q} --results results "
        "--threads {threads} --out {output} &> {log}"


rule collect:
    input:
        leaks=rules.audit.output.leaks,
        scores=scores_of_study,
        checkpoints=checkpoints_of_study,
        predictions=predictions_of_study,
        pretrainings=pretrainings_of_study,
    output:
        scores="results/{study}/scores.csv",
        costs="results/{study}/costs.csv",
        histories="results/{study}/histories.csv",
    log:
        "logs/collect/{study}.log",
    benchmark:
        "logs/collect/{study}.tsv"
    conda:
        "../../environment.yml"
    params:
        settings=study_json,
        revision=REVISION["collect"],
    shell:
        "python -m ecgpipe collect --settings {params.settings:q} --results results "
        "--costs {output.costs} --histories {output.histories} --out {output.scores} &> {log}"


rule compare:
    input:
        leaks=rules.audit.output.leaks,
        predictions=predictions_of_study,
        own=own_predictions_of_study,
    output:
        "results/{study}/comparisons.csv",
    log:
        "logs/compare/{study}.log",
    benchmark:
        "logs/compare/{study}.tsv"
    conda:
        "../../environment.yml"
    params:
        settings=study_json,
        revision=REVISION["compare"],
    shell:
        "python -m ecgpipe compare --settings {params.settings:q} --results results "
        "--out {output} &> {log}"
