"""What the rules of `rules/data.smk` read and are told."""


def put_there(wildcards):
    """What describes the user's own recordings: when it changes, they are listed again."""
    plugin = registry.load("datasets", wildcards.dataset)
    if plugin.URL or hasattr(plugin, "make"):
        return []
    return [
        f"resources/{wildcards.dataset}/{f}" for f in plugin.files("metadata", [], [])
    ]


def mirror(wildcards, output):
    """Where to fetch from; as it names the output, Snakemake reruns nothing when it changes."""
    return f"--mirror {shlex.quote(STUDY.mirror)}" if STUDY.mirror else ""


def manifests(wildcards):
    """What describes the records, and what holds the signals that a preparation takes."""
    told = part("preparations", wildcards.preparation)
    preparation = settings.build(settings.Preparation, told, wildcards.preparation)
    plugin = registry.load("datasets", wildcards.dataset)
    sources = ["metadata", preparation.source_among(plugin.SOURCES)]
    return expand(rules.download.output, dataset=wildcards.dataset, source=sources)


@cache
def shard_count(dataset):
    """How many shards a dataset is kept in."""
    return registry.load("datasets", dataset).SHARDS


def shards(datasets, preparation):
    """Every shard of some datasets at one preparation."""
    return [
        f"results/shards/{dataset}/{preparation}/{shard}.h5"
        for dataset in datasets
        for shard in range(shard_count(dataset))
    ]


def splits(datasets, split):
    """The split of each of some datasets, in their order."""
    return expand(rules.split.output, dataset=datasets, split=split)


def preparation_json(wildcards):
    """What preprocess is told."""
    return settings.canonical(part("preparations", wildcards.preparation))


def manifests_of_task(wildcards):
    """The metadata of a task's datasets."""
    datasets = part("tasks", wildcards.task)["datasets"]
    return expand(rules.download.output, dataset=datasets, source="metadata")


def splits_of_task(wildcards):
    """The splits of a task's datasets."""
    return splits(part("tasks", wildcards.task)["datasets"], wildcards.split)


def task_json(wildcards):
    """What draw is told."""
    return settings.canonical({"task": part("tasks", wildcards.task)})
