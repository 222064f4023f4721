"""What a table or figure reads."""


def needed(kind, name):
    """The files of the study that a table or figure reads, as its `NEEDS` says."""
    needs = registry.load(kind, name).NEEDS
    collected = ("scores", "comparisons", "costs", "histories", "estimates")
    files = {n: f"results/{STUDY.study}/{n}.csv" for n in collected if n in needs}
    if "predictions" in needs:
        files["predictions"] = of_runs(rules.predict.output[0])
    if "records" in needs:
        files["shards"] = shards_of_run(RUNS[0])
    return files


def needed_by_table(wildcards):
    """What a table reads."""
    return needed("tables", wildcards.table)


def needed_by_figure(wildcards):
    """What a figure reads."""
    return needed("figures", wildcards.figure)


def options(wildcards, input):
    """The options that name these files; a stage finds the predictions of all runs itself."""
    return " ".join(f"--{n} {input.get(n)}" for n in input.keys() if n != "predictions")
