"""Constants and input functions, nothing else."""

import shlex
from functools import cache
from pathlib import Path

import yaml
from snakemake.utils import validate

from ecgpipe import registry, settings

validate(config, "../schemas/study.schema.yaml")

# Raise a stage's number in the commit that changes its results: its jobs, and what follows, rerun.
REVISION = {
    "download": 1,
    "preprocess": 1,
    "split": 1,
    "audit": 1,
    "draw": 1,
    "pretrain": 1,
    "finetune": 1,
    "predict": 1,
    "evaluate": 1,
    "collect": 1,
    "compare": 1,
    "table": 1,
    "figure": 1,
}

STUDY = settings.build(settings.Study, config, "the study's configuration")
RUNS = settings.runs(STUDY)
CONDITIONS = {(run.folder, run.scored_on): run.conditions for run in RUNS}


wildcard_constraints:
    **dict.fromkeys(
        [
            "dataset",
            "source",
            "preparation",
            "shard",
            "pretraining",
            "recipe",
            "task",
            "split",
        ]
        + ["budget", "seed", "scored_on", "study", "table", "figure"],
        r"[^/]+",
    ),
    round=r"\d+",


@cache
def part(kind, name):
    """Read one part of the configuration: `part("tasks", "ptbxl-all")`."""
    path = Path("config", kind, f"{name}.yaml")
    if not path.exists():
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml")))
        raise WorkflowError(f"{path} does not exist; config/{kind} has: {there}")
    return yaml.safe_load(path.read_text())


# Where results lie already, Snakemake would take them for a rule whose input functions fail.
for run in RUNS:
    part("pretraining", run.pretraining), part("recipes", run.recipe)
    part("tasks", run.task), part("tasks", run.scored_on)
    [part("conditions", condition) for condition in run.conditions]


# data ---------------------------------------------------------------------------------------


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
    sources = ["metadata", part("preparations", wildcards.preparation)["source"]]
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


# pretraining --------------------------------------------------------------------------------


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


# runs ---------------------------------------------------------------------------------------


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
    """What finetune is told; not how many rounds there are, so that one more reruns none."""
    recipe = {
        k: v for k, v in part("recipes", wildcards.recipe).items() if k != "rounds"
    }
    revision = {"finetune": REVISION["finetune"]}
    told = {
        "recipe": recipe,
        "task": part("tasks", wildcards.task),
        "revision": revision,
    }
    return settings.canonical(told)


def last_round(wildcards):
    """The checkpoint of a run's last round."""
    rounds = part("recipes", wildcards.recipe).get("rounds", 1)
    return expand(rules.finetune.output.checkpoint, **{**wildcards, "round": rounds})


def shards_scored(wildcards):
    """The records that a run is scored on."""
    datasets = part("tasks", wildcards.scored_on)["datasets"]
    return shards(datasets, part("pretraining", wildcards.pretraining)["preparation"])


def splits_scored(wildcards):
    """The splits of the datasets that a run is scored on."""
    return splits(part("tasks", wildcards.scored_on)["datasets"], wildcards.split)


def predict_json(wildcards):
    """What predict is told: every condition that the study asks of the run."""
    folder = Path(rules.predict.output[0]).parent.parent
    folder = Path(str(folder).format(**wildcards)).relative_to("results")
    conditions = {"clean", *CONDITIONS.get((folder, wildcards.scored_on), ())}
    told = {name: part("conditions", name) or {} for name in sorted(conditions)}
    revision = {"predict": REVISION["predict"]}
    task = part("tasks", wildcards.scored_on)
    return settings.canonical({"task": task, "conditions": told, "revision": revision})


# studies ------------------------------------------------------------------------------------


def rounds_of(run):
    """Every round of a run, from the first."""
    return range(1, part("recipes", run.recipe).get("rounds", 1) + 1)


def of_runs(pattern):
    """One file of every run of the study."""
    return [pattern.format(**vars(run)) for run in RUNS]


def read_by_study(paths):
    """The shards or splits of all datasets that the study trains, validates or scores on."""
    found = {}
    for run in RUNS:
        preparation = part("pretraining", run.pretraining)["preparation"]
        datasets = (
            part("tasks", run.task)["datasets"]
            + part("tasks", run.scored_on)["datasets"]
        )
        datasets += sum(map(datasets_of_pretraining, chain_of(run.pretraining)), [])
        of = run.split if paths is splits else preparation
        found |= dict.fromkeys(paths(list(dict.fromkeys(datasets)), of))
    return list(found)


def predictions_of_study(wildcards):
    """What every run of the study predicted."""
    return of_runs(rules.predict.output[0])


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
        {checkpoint_of(k, run)[0] for run in RUNS for k in chain_of(run.pretraining)}
    )


def shards_of_study(wildcards):
    """Every shard that a run, or a pretraining behind it, reads."""
    return read_by_study(shards)


def reports_of_study(wildcards):
    """What preprocess says of each of those shards."""
    return [str(Path(shard).with_suffix(".json")) for shard in read_by_study(shards)]


def splits_of_study(wildcards):
    """Every split that a run, or a pretraining behind it, relies on."""
    return read_by_study(splits)


def study_json(wildcards):
    """What the stages that see a whole study are told: its runs, not its tables and figures."""
    told = {k: v for k, v in settings.plain(STUDY).items() if k in ("study", "grids")}
    rounds = {run.recipe: part("recipes", run.recipe).get("rounds", 1) for run in RUNS}
    shared = sorted(
        {r.pretraining for r in RUNS if part("pretraining", r.pretraining).get("seeds")}
    )
    chains = {run.pretraining: chain_of(run.pretraining) for run in RUNS}
    told = {"study": told, "rounds": rounds, "shared": shared, "chains": chains}
    return settings.canonical(told)


def needed(kind, name):
    """The files of the study that a table or figure reads, as its `NEEDS` says."""
    needs = registry.load(kind, name).NEEDS
    collected = [
        n for n in ("scores", "comparisons", "costs", "histories") if n in needs
    ]
    files = {n: f"results/{STUDY.study}/{n}.csv" for n in collected}
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
