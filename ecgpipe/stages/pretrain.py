"""Pretrain a backbone on the train patients of a split: minimise one objective."""

import argparse
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Generator, nn

from ecgpipe import fit, inference, model, parallel, provenance, records, registry, states
from ecgpipe.batches import Montage, Pretext
from ecgpipe.cohort import Cohort, Sampler, TaskRows, derive, read_rows, read_task
from ecgpipe.heads import HeadConfig
from ecgpipe.model import Backbone, Classifier
from ecgpipe.settings import Preparation, Pretraining, Task, build, parse, plugin

log = logging.getLogger(__name__)

HELD_OUT = 0.05  # of the train patients, for choosing when to stop


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """State the inputs, the settings and the output."""
    parser.add_argument("--settings", required=True, help="pretraining, its tasks, revision")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--shards", type=Path, nargs="+", required=True)
    parser.add_argument("--splits", type=Path, nargs="+", required=True, help="one a dataset")
    parser.add_argument("--start", type=Path, nargs="?", help="checkpoint to go on from")
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--processes", type=int, default=1, help="one a GPU")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint")


def run(
    *,
    settings: str,
    seed: int,
    shards: list[Path],
    splits: list[Path],
    start: Path | None,
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
    attributes = records.read_attributes(shards[0])

    torch.manual_seed(derive(seed, 0))  # initial weights
    montage = Montage(attributes["fs"], attributes["leads"])
    network, before = build_model(pretraining, rows, montage, start)
    name, values = plugin(pretraining.objective, "objective")
    chosen = registry.load("objectives", name)
    objective = chosen.Objective(network, build(chosen.Config, values, f"objective {name}"))

    sources = records.read_sources(shards)
    inputs = [*splits, *([start] if start else [])]
    identity = provenance.digest(settings, str(seed), json.dumps(sources, sort_keys=True), *inputs)
    work = build_work(objective, network, pretraining, rows, seed, device, identity)
    state = out.with_suffix(".state")
    history, cost = fit.fit(work, pretraining.fit, seed=derive(seed, 1), state=state)
    if parallel.rank() == 0:
        metadata = {
            "backbone": before["backbone"],
            "leads": list(attributes["leads"]),
            "fs": attributes["fs"],
            "preparation": asdict(
                build(Preparation, parse(attributes["preparation"]), str(shards[0]))
            ),
            "pretraining": asdict(pretraining),
            "seen": [*before.get("seen", []), seen(pretraining, rows, cost["steps"])],
            "seed": seed,
            "revision": before.get("revision", {}) | told["revision"],
            "commit": provenance.commit(),
            "versions": provenance.versions(),
            "datasets": before.get("datasets", {}) | sources,
        }
        fit.write_outcome(out, history, cost, work.measure)
        model.save(out, network, metadata)
        states.forget(state)


def training_rows(
    pretraining: Pretraining, tasks: dict[str, Any], shards: list[Path], splits: list[Path]
) -> TaskRows:
    """Read whom the pretraining may learn from: nobody's valid or test part is among them."""
    if pretraining.datasets:
        return read_rows(pretraining.datasets, shards, splits)
    if len(pretraining.tasks) != 1:
        raise ValueError(f"a pretraining learns the labels of one task, got {pretraining.tasks}")
    (name,) = pretraining.tasks
    return read_task(build(Task, tasks[name], f"config/tasks/{name}.yaml"), shards, splits)


def learnt_from(pretraining: Pretraining, rows: TaskRows) -> Bool[np.ndarray, " row"]:
    """Tell which rows may be learnt from: train, and only where a leak is asked for, others."""
    return np.isin(rows.part, pretraining.parts)


def seen(pretraining: Pretraining, rows: TaskRows, steps: int) -> dict[str, Any]:
    """State what a network has seen in one pretraining: enough to tell if a test set is new."""
    if not steps:
        return {"objective": pretraining.objective["name"], "records": 0}
    table = rows.table[learnt_from(pretraining, rows)]
    names = sorted(table["dataset"] + "/" + table["record"])
    return {
        "objective": pretraining.objective["name"],
        "datasets": sorted(set(table["dataset"])),
        "parts": list(pretraining.parts),
        "labels": list(rows.labels),
        "records": len(set(names)),
        "patients": int((table["dataset"] + ":" + table["patient"]).nunique()),
        "digest": provenance.digest(*dict.fromkeys(names)),
    }


def build_model(
    pretraining: Pretraining, rows: TaskRows, montage: Montage, start: Path | None
) -> tuple[Classifier, dict[str, Any]]:
    """Build a new model, or take the one to go on from; return it with what shaped it so far."""
    if start is None:
        assert pretraining.backbone is not None
        backbone = model.build_backbone(pretraining.backbone, len(montage.leads), "pretraining")
        return with_head(backbone, rows, pretraining), {"backbone": pretraining.backbone}
    before, metadata = model.load(start)
    same = before.labels == rows.labels
    model.refuse_other_montage(start, metadata, montage)
    return (before if same else with_head(before.backbone, rows, pretraining)), metadata


def with_head(backbone: Backbone, rows: TaskRows, pretraining: Pretraining) -> Classifier:
    """Put a new head on a backbone, if there are labels."""
    head = build(HeadConfig, pretraining.head, "pretraining: head")
    network = Classifier(backbone, rows.labels, head)
    if network.head is not None:
        train = rows.target[rows.part == "train"]
        network.head.expect(torch.from_numpy(train.mean(axis=0)).float())
    return network


def build_work(
    objective: nn.Module,
    network: Classifier,
    pretraining: Pretraining,
    rows: TaskRows,
    seed: int,
    device: torch.device,
    identity: str,
) -> fit.Work:
    """Put the training part on the device and say how progress is judged."""
    train = learnt_from(pretraining, rows)
    held_out = train.copy()
    share = getattr(objective, "held_out", HELD_OUT)
    held_out[train] = records.hashed_below(rows.table.loc[train, "patient"], share)
    learned = rows.load(train & ~held_out, device, "train")
    judged = rows.load(held_out, device, "held-out train")
    sampler = Sampler(len(learned), pretraining.fit.batch, derive(seed, 2))
    length = learned.samples(pretraining.fit.crop)

    def make_batch(step: int, generator: Generator) -> tuple[Pretext]:
        index = sampler.indices(step).to(device)
        return (pretext(learned, index, length, generator),)

    def name_records(step: int) -> list[str]:
        return list(learned.table["record"].iloc[sampler.indices(step).numpy()])

    work = fit.Work(
        loss=objective,
        model=network,
        make_batch=make_batch,
        name_records=name_records,
        validate=judge(
            objective, judged, pretraining.fit.crop, len(rows.labels), pretraining.fit.mixed
        ),
        measure="valid_auroc" if rows.labels else "valid_loss_negated",
        example=torch.zeros(1, learned.signal.shape[1], length, device=device),
        samples=pretraining.fit.batch,
        identity=identity,
    )
    sample = getattr(objective, "batches", None)
    if sample is not None:
        work = replace(work, **sample(learned, judged, pretraining.fit, derive(seed, 2)))
    return work


def pretext(source: Cohort, index: torch.Tensor, length: int, generator: Generator) -> Pretext:
    """Make one batch of crops."""
    signal = source.random_crops(index, length, generator)
    mine = parallel.share(index)
    target = source.target[mine] if source.target.shape[1] else None
    return Pretext(signal, target, source.patient[mine], mine, source.montage, generator)


def judge(
    objective: nn.Module, judged: Cohort, crop: float, labels: int, mixed: bool
) -> Callable[[nn.Module], float]:
    """Judge by macro AUROC where there are labels, else by the objective's own loss, negated."""
    if labels:
        auroc = registry.load("metrics", "auroc")
        return partial(inference.macro_score, auroc, cohort=judged, seconds=crop, mixed=mixed)

    index = torch.arange(len(judged), device=judged.signal.device)

    @torch.no_grad()
    def negated(network: nn.Module) -> float:
        objective.eval()
        generator = torch.Generator(judged.signal.device).manual_seed(0)
        losses = [
            objective(pretext(judged, some, judged.samples(crop), generator))["loss"]
            for some in index[: len(index) // parallel.size() * parallel.size()].split(256)
        ]
        return -float(np.mean([float(loss) for loss in losses]))

    return negated
