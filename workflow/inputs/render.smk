"""What a table or figure reads."""


def needed(kind, name):
    """The files of the study that a table or figure reads, as its `NEEDS` says."""
    needs = registry.load(kind, name).NEEDS
    collected = ("scores", "comparisons", "costs", "histories", "estimates")
    files = {n: f"results/{STUDY.study}/{n}.csv" for n in collected if n in needs}
    if "predictions" in needs:
        files["predictions"] = of_runs(rules.predict.output[0])
    if "attributions" in needs:
        files["attributions"] = attributions_of_study({})
    if "records" in needs:
        explained = [run for run in RUNS if run.explanation and "attributions" in needs]
        files["shards"] = shards_scored([*explained, RUNS[0]][0])
    return files


def needed_by_table(wildcards):
    """What a table reads."""
    return needed("tables", wildcards.table)


def needed_by_figure(wildcards):
    """What a figure reads."""
    return needed("figures", wildcards.figure)


def options(wildcards, input):
    """The options that name these files; a stage finds those of all runs itself."""
    told = [n for n in input.keys() if n not in ("predictions", "attributions")]
    return " ".join(f"--{n} {input.get(n)}" for n in told)
