"""What a data card is made of."""


def shards_described(wildcards):
    """Every shard of a dataset at one preparation."""
    return shards([wildcards.dataset], wildcards.preparation)


def reports_described(wildcards):
    """What preprocess says of each of those shards."""
    return [
        str(Path(shard).with_suffix(".json")) for shard in shards_described(wildcards)
    ]


def cards_of_study(wildcards):
    """The card of every dataset that the study reads, recorded noise included."""
    read = [(dataset, preparation) for dataset, preparation, _ in read_by_study()]
    for name in sorted({name for run in RUNS for name in run.conditions}):
        told = settings.build(settings.Condition, part("conditions", name) or {}, name)
        read += [(told.recorded[0], "noise")] if told.recorded else []
    return [
        rules.describe.output.page.format(dataset=dataset, preparation=preparation)
        for dataset, preparation in dict.fromkeys(read)
    ]
