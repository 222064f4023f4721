"""What a run is scored on, and what predict is told."""


def last_round(wildcards):
    """The checkpoint of a run's last round."""
    rounds = part("recipes", wildcards.recipe).get("rounds", 1)
    return expand(rules.finetune.output.checkpoint, **{**wildcards, "round": rounds})


def shards_scored(wildcards):
    """The records that a run is scored on."""
    datasets = part("tasks", wildcards.scored_on)["datasets"]
    return shards(datasets, part("pretraining", wildcards.pretraining)["preparation"])


def recorded_noise(wildcards):
    """The shards of the recorded noise that a condition of the run adds, such as nstdb/em."""
    told = {name: part("conditions", name) or {} for name in conditions_of(wildcards)}
    asked = [settings.build(settings.Condition, told[name], name) for name in told]
    recorded = sorted({each.recorded[0] for each in asked if each.recorded})
    return shards(recorded, "noise")


def splits_scored(wildcards):
    """The splits of the datasets that a run is scored on."""
    return splits(
        part("tasks", wildcards.scored_on)["datasets"], split_scored(wildcards)
    )


def split_scored(run):
    """The split of the records that a run is scored on: all are test where none is trained on."""
    external = part("tasks", run.scored_on).get("external")
    return "external" if external else run.split


def conditions_of(wildcards):
    """The conditions that the study asks of a run; every run is also shown as it is."""
    folder = Path(rules.predict.output[0]).parent.parent
    folder = Path(str(folder).format(**wildcards)).relative_to("results")
    return sorted({"clean", *CONDITIONS.get((folder, wildcards.scored_on), ())})


def predict_json(wildcards):
    """What predict is told: every condition that the study asks of the run."""
    told = {name: part("conditions", name) or {} for name in conditions_of(wildcards)}
    revision = {"predict": REVISION["predict"]}
    task = part("tasks", wildcards.scored_on)
    return settings.canonical({"task": task, "conditions": told, "revision": revision})


def personalize_json(wildcards):
    """What personalize is told."""
    told = {"task": part("tasks", wildcards.scored_on)}
    told["personalize"] = part("recipes", wildcards.recipe)["personalize"]
    told["revision"] = {"personalize": REVISION["personalize"]}
    return settings.canonical(told)


def adapts(run):
    """Whether a run adapts to each patient."""
    return bool(part("recipes", run.recipe).get("personalize"))


# the recipes that do, as a pattern; "(?!)" matches nothing
PERSONAL = "|".join(sorted({run.recipe for run in RUNS if adapts(run)})) or "(?!)"

for run in filter(adapts, RUNS):
    if set(run.conditions) != {"clean"}:
        raise WorkflowError(
            f"recipe {run.recipe} adapts to patients, of clean signals only; leave out conditions"
        )
