"""The study, the parts of its configuration, and what may stand in a path."""

import shlex
from functools import cache
from pathlib import Path

import yaml
from snakemake.utils import validate

from ecgpipe import lineages, registry, settings, studies

validate(config, "../schemas/study.schema.yaml")

# Raise a stage's number in the commit that changes its results: its jobs, and what follows, rerun.
REVISION = {
    "download": 1,
    "preprocess": 4,
    "describe": 1,
    "split": 1,
    "audit": 2,
    "delineate": 1,
    "draw": 1,
    "pretrain": 3,
    "finetune": 3,
    "predict": 7,
    "personalize": 2,
    "evaluate": 2,
    "estimate": 1,
    "explain": 2,
    "collect": 3,
    "compare": 2,
    "table": 5,
    "figure": 7,
}

STUDY = settings.build(studies.Study, config, "the study's configuration")
RUNS = studies.runs(STUDY)
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
    if part("tasks", run.task).get("external"):
        raise WorkflowError(f"task {run.task} is external: name it in scored_on only")
