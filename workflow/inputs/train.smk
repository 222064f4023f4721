"""What trainings read and are told: pretrainings, then runs."""


def datasets_of_pretraining(name):
    """The datasets that a pretraining reads, with or without labels."""
    told = part("pretraining", name)
    named = [part("tasks", task)["datasets"] for task in told.get("tasks", [])]
    return list(dict.fromkeys(sum(named, told.get("datasets", []))))


def shards_of_pretraining(wildcards):
    """What a pretraining learns from."""
    datasets = datasets_of_pretraining(wildcards.pretraining)
    return shards(datasets, part("pretraining", wildcards.pretraining)["preparation"])


def splits_of_pretraining(wildcards):
    """The splits of the datasets that a pretraining reads."""
    return splits(datasets_of_pretraining(wildcards.pretraining), wildcards.split)


def start(wildcards):
    """The pretraining that this one goes on from, if any."""
    before = part("pretraining", wildcards.pretraining).get("start")
    if before is None:
        return []
    return checkpoint_of(before, wildcards)


def chain_of(pretraining):
    """A pretraining and all that it goes on from, the last one first."""
    before = part("pretraining", pretraining).get("start")
    return [pretraining] + (chain_of(before) if before else [])


def checkpoint_of(pretraining, wildcards):
    """The checkpoint of a pretraining for a run's split and seed."""
    seed = 0 if part("pretraining", pretraining).get("seeds") == 1 else wildcards.seed
    path = rules.pretrain.output.checkpoint
    return expand(path, pretraining=pretraining, split=wildcards.split, seed=seed)


def pretraining_json(wildcards):
    """What pretrain is told."""
    told = part("pretraining", wildcards.pretraining)
    tasks = {task: part("tasks", task) for task in told.get("tasks", [])}
    revision = {"pretrain": REVISION["pretrain"]}
    return settings.canonical(
        {"pretraining": told, "tasks": tasks, "revision": revision}
    )


def pretrained(wildcards):
    """Where a run starts from."""
    return checkpoint_of(wildcards.pretraining, wildcards)


def teacher(wildcards):
    """The round before this one, if any."""
    before = int(wildcards.round) - 1
    if not before:
        return []
    return expand(rules.finetune.output.checkpoint, **{**wildcards, "round": before})


def shards_of_run(wildcards):
    """The records of a run's own task."""
    datasets = part("tasks", wildcards.task)["datasets"]
    return shards(datasets, part("pretraining", wildcards.pretraining)["preparation"])


def run_json(wildcards):
    """What finetune is told; not how many rounds there are, so that one more reruns none.

    Nor how its model is adapted to patients, which is done afterwards.
    """
    told = part("recipes", wildcards.recipe)
    recipe = {k: v for k, v in told.items() if k not in ("rounds", "personalize")}
    revision = {"finetune": REVISION["finetune"]}
    told = {
        "recipe": recipe,
        "task": part("tasks", wildcards.task),
        "revision": revision,
    }
    return settings.canonical(told)
