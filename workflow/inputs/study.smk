"""What a whole study reads: the files of all its runs."""


def rounds_of(run):
    """Every round of a run, from the first."""
    return range(1, part("recipes", run.recipe).get("rounds", 1) + 1)


def of_runs(pattern):
    """One file of every run of the study."""
    return [pattern.format(**vars(run)) for run in RUNS]


def trained_on(run):
    """The datasets that a run, or a pretraining behind it, learns from."""
    before = (datasets_of_pretraining(name) for name, _ in lineage_of(run))
    return sum(before, []) + part("tasks", run.task)["datasets"]


@cache
def read_by_study():
    """Dataset, preparation and split of all that is trained, validated or scored on."""
    found = {}
    for run in RUNS:
        preparation = part("pretraining", run.pretraining)["preparation"]
        scored = part("tasks", run.scored_on)["datasets"]
        found |= dict.fromkeys(
            (name, preparation, run.split) for name in trained_on(run)
        )
        found |= dict.fromkeys(
            (name, preparation, split_scored(run)) for name in scored
        )
    return list(found)


def predictions_of_study(wildcards):
    """What every run of the study predicted."""
    return of_runs(rules.predict.output[0])


def own_predictions_of_study(wildcards):
    """What every run predicted on its own task: its thresholds come from there."""
    path = rules.predict.output[0]
    own = (vars(run) | {"scored_on": run.task} for run in RUNS)
    return sorted({path.format(**one) for one in own})


def scores_of_study(wildcards):
    """The scores of every run of the study."""
    return of_runs(rules.evaluate.output[0])


def checkpoints_of_study(wildcards):
    """Every round of every run; costs and histories lie beside."""
    path = rules.finetune.output.checkpoint
    return [path.format(**vars(run), round=k) for run in RUNS for k in rounds_of(run)]


def pretrainings_of_study(wildcards):
    """Every pretraining that a run of the study starts from, chains included."""
    return sorted(
        {path for run in RUNS for path in checkpoints_of(lineage_of(run), run.split)}
    )


def shards_of_study(wildcards):
    """Every shard that a run, or a pretraining behind it, reads."""
    read = dict.fromkeys(
        (name, preparation) for name, preparation, _ in read_by_study()
    )
    return sum((shards([name], preparation) for name, preparation in read), [])


def reports_of_study(wildcards):
    """What preprocess says of each of those shards."""
    return [
        str(Path(shard).with_suffix(".json")) for shard in shards_of_study(wildcards)
    ]


def splits_of_study(wildcards):
    """Every split that a run, or a pretraining behind it, relies on."""
    read = dict.fromkeys((name, split) for name, _, split in read_by_study())
    return sum((splits([name], split) for name, split in read), [])


def plain_study():
    """The runs of the study; what a grid does not ask is not named, so a new key reruns none."""
    plain = settings.plain(STUDY)["grids"]
    asked = [{k: v for k, v in grid.items() if v is not None} for grid in plain]
    return {"study": STUDY.study, "grids": asked}


def study_json(wildcards):
    """What the stages that see a whole study are told: its runs, not its tables and figures."""
    rounds = {run.recipe: part("recipes", run.recipe).get("rounds", 1) for run in RUNS}
    named = {name for run in RUNS for name, _ in lineage_of(run)}
    asked = {name for run in RUNS for name in run.conditions}
    told = {
        "study": plain_study(),
        "rounds": rounds,
        "origins": {name: settings.plain(origin_of(name)) for name in named},
    }
    told["conditions"] = {name: part("conditions", name) or {} for name in asked}
    return settings.canonical(told)


for run in RUNS:
    known = set(trained_on(run)) & set(part("tasks", run.scored_on)["datasets"])
    if part("tasks", run.scored_on).get("external") and known:
        raise WorkflowError(
            f"task {run.scored_on} is external, but {run.arm} learns from {', '.join(known)}"
        )
