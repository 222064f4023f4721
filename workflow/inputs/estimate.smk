"""What is read to estimate how pretrainings transfer: those with labels, and who is labeled."""


def labeled_starts():
    """The runs that start from a pretraining with labels."""
    return [run for run in RUNS if part("pretraining", run.pretraining).get("tasks")]


def checkpoints_estimated(wildcards):
    """The pretrainings with labels."""
    return sorted({pretrained(run)[0] for run in labeled_starts()})


def draws_estimated(wildcards):
    """Who is labeled in the runs that start from them."""
    return sorted({rules.draw.output[0].format(**vars(r)) for r in labeled_starts()})


def shards_estimated(wildcards):
    """The records of those runs' tasks."""
    return sorted({shard for run in labeled_starts() for shard in shards_of_run(run)})


def splits_estimated(wildcards):
    """The splits of those runs' tasks."""
    return sorted({path for run in labeled_starts() for path in splits_of_task(run)})


def estimate_json(wildcards):
    """What estimate is told: the study's runs, and where what they start from lies."""
    tasks = {run.task: part("tasks", run.task) for run in labeled_starts()}
    starts = {run.pretraining for run in labeled_starts()}
    named = {name: part("pretraining", name) for name in starts}
    datasets = {name for task in tasks.values() for name in task["datasets"]}
    told = {
        "study": plain_study(),
        "tasks": tasks,
        "preparations": {name: named[name]["preparation"] for name in starts},
        "shared": sorted(name for name in starts if origin_of(name).shared),
        "shards": {name: shard_count(name) for name in datasets},
        "revision": {"estimate": REVISION["estimate"]},
    }
    return settings.canonical(told)
