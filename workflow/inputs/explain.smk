"""What is read to explain where runs look, and what explain is told."""

from ecgpipe.explanation_settings import Explanation

EXPLANATIONS = {(str(run.folder), run.scored_on): run.explanation for run in RUNS}


def waves_scored(wildcards):
    """The waves of every shard that a run is scored on."""
    return [waves_of(Path(shard)) for shard in shards_scored(wildcards)]


def waves_of(shard):
    """What holds the waves of a shard: itself, where they are known, or what was delineated."""
    dataset, preparation = shard.parts[-3:-1]
    if getattr(registry.load("datasets", dataset), "WAVES", False):
        return str(shard)
    found = rules.delineate.output[0]
    return found.format(dataset=dataset, preparation=preparation, shard=shard.stem)


def explain_json(wildcards):
    """What explain is told."""
    run = "runs/{pretraining}/{recipe}/{task}/{split}/{budget}/{seed}"
    asked = EXPLANATIONS.get((run.format(**wildcards), wildcards.scored_on))
    told = {
        "task": part("tasks", wildcards.scored_on),
        "explanation": part("explanations", asked),
        "revision": {"explain": REVISION["explain"]},
    }
    return settings.canonical(told)


def attributions_of_study(wildcards):
    """Where every run of the study looks that is to be explained."""
    path = rules.explain.output.csv
    return [path.format(**vars(run)) for run in RUNS if run.explanation]


for name in sorted({run.explanation for run in RUNS if run.explanation}):
    settings.build(Explanation, part("explanations", name), f"explanation {name}")
