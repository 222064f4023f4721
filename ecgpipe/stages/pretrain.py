"""Pretrain a backbone on the train patients of a split: minimise one objective."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ecgpipe import ensembles, model, outcomes, parallel, provenance, records, states
from ecgpipe.batches import Montage
from ecgpipe.cohort import TaskRows, derive, read_rows, read_task
from ecgpipe.heads import HeadConfig
from ecgpipe.model import Backbone, Classifier
from ecgpipe.pretraining import gather, learnt_from
from ecgpipe.settings import Preparation, Pretraining, Task, build, parse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """State the inputs, the settings and the output."""
    parser.add_argument("--settings", required=True, help="pretraining, its tasks, revision")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--shards", type=Path, nargs="+", required=True)
    parser.add_argument("--splits", type=Path, nargs="+", required=True, help="one a dataset")
    parser.add_argument(
        "--start", type=Path, nargs="*", default=[], help="checkpoint to go on from, or of members"
    )
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--processes", type=int, default=1, help="one a GPU")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint")


def run(
    *,
    settings: str,
    seed: int,
    shards: list[Path],
    splits: list[Path],
    start: list[Path],
    threads: int,
    processes: int,
    out: Path,
) -> None:
    """Load, build, fit, save."""
    torch.set_num_threads(threads)
    device = parallel.start(processes)
    told = parse(settings)
    pretraining = build(Pretraining, told["pretraining"], f"pretraining of {out.parent}")
    rows = training_rows(pretraining, told["tasks"], shards, splits)
    sources = records.read_sources(shards)
    inputs = [*splits, *start]
    identity = provenance.digest(settings, str(seed), json.dumps(sources, sort_keys=True), *inputs)
    material = gather(pretraining, rows, device, identity)

    torch.manual_seed(derive(seed, 0))  # initial weights
    attributes = records.read_attributes(shards[0])
    montage = Montage(attributes["fs"], attributes["leads"])
    network, before = build_model(pretraining, rows, montage, start)
    state = out.with_suffix(".state")
    learnt = material.learn(network, pretraining.objective, pretraining.fit, seed, state)
    if parallel.rank() == 0:
        metadata = learnt.told | {
            "backbone": before["backbone"],
            "leads": list(attributes["leads"]),
            "fs": attributes["fs"],
            "preparation": asdict(
                build(Preparation, parse(attributes["preparation"]), str(shards[0]))
            ),
            "pretraining": asdict(pretraining),
            "seen": [
                *before.get("seen", []),
                *(seen(one, pretraining, rows) for one in learnt.seen),
            ],
            "seed": seed,
            "revision": before.get("revision", {}) | told["revision"],
            "commit": provenance.commit(),
            "versions": provenance.versions(),
            "datasets": before.get("datasets", {}) | sources,
        }
        outcomes.write(out, learnt.history, learnt.cost, learnt.measure)
        model.save(out, learnt.network, metadata)
        states.forget(state)


def training_rows(
    pretraining: Pretraining, tasks: dict[str, Any], shards: list[Path], splits: list[Path]
) -> TaskRows:
    """Read whom the pretraining may learn from: nobody's valid or test part is among them."""
    if pretraining.datasets:
        return read_rows(pretraining.datasets, pretraining.where, shards, splits)
    if len(pretraining.tasks) != 1:
        raise ValueError(f"a pretraining learns the labels of one task, got {pretraining.tasks}")
    (name,) = pretraining.tasks
    return read_task(build(Task, tasks[name], f"config/tasks/{name}.yaml"), shards, splits)


def seen(fitted: dict[str, Any], pretraining: Pretraining, rows: TaskRows) -> dict[str, Any]:
    """State what a network has seen in one fit: enough to tell if a test set is new."""
    if not fitted["steps"]:
        return {"objective": fitted["objective"], "records": 0}
    table = rows.table[learnt_from(pretraining, rows)]
    names = sorted(table["dataset"] + "/" + table["record"])
    return fitted | {
        "datasets": sorted(set(table["dataset"])),
        "parts": list(pretraining.parts),
        "records": len(set(names)),
        "patients": int((table["dataset"] + ":" + table["patient"]).nunique()),
        "digest": provenance.digest(*dict.fromkeys(names)),
    }


def build_model(
    pretraining: Pretraining, rows: TaskRows, montage: Montage, start: list[Path]
) -> tuple[Classifier, dict[str, Any]]:
    """Build a model, take the one to go on from, or put several side by side.

    Returns the model with what shaped it so far.
    """
    if pretraining.members:
        return ensembles.assemble(start, rows.labels, montage)
    if pretraining.backbone is not None:
        backbone = model.build_backbone(pretraining.backbone, len(montage.leads), "pretraining")
        return with_head(backbone, rows, pretraining), {"backbone": pretraining.backbone}
    (path,) = start
    before, metadata = model.load(path)
    same = before.labels == rows.labels
    model.refuse_other_montage(path, metadata, montage)
    return (before if same else with_head(before.backbone, rows, pretraining)), metadata


def with_head(backbone: Backbone, rows: TaskRows, pretraining: Pretraining) -> Classifier:
    """Put a new head on a backbone, if there are labels."""
    head = build(HeadConfig, pretraining.head, "pretraining: head")
    network = Classifier(backbone, rows.labels, head)
    if network.head is not None:
        train = rows.target[rows.part == "train"]
        network.head.expect(torch.from_numpy(train.mean(axis=0)).float())
    return network
