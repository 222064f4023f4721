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


def origin_of(name):
    """Where a pretraining comes from."""
    return lineages.origin(part("pretraining", name))


def start(wildcards):
    """The pretraining that this one goes on from, or its members, if any."""
    before = lineages.parents(wildcards.pretraining, int(wildcards.seed), origin_of)
    return checkpoints_of(before, wildcards.split)


def lineage_of(run):
    """The pretraining of a run and all that it stands on, each with its seed."""
    return lineages.lineage(run.pretraining, int(run.seed), origin_of)


def checkpoints_of(trainings, split):
    """The checkpoints of pretrainings with their seeds."""
    path = rules.pretrain.output.checkpoint
    return [path.format(pretraining=k, split=split, seed=seed) for k, seed in trainings]


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
    name, seed = wildcards.pretraining, int(wildcards.seed)
    return checkpoints_of([(name, origin_of(name).seed(seed))], wildcards.split)


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
