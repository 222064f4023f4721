"""Finetune a pretrained model on the labeled records of a draw: one adapter, method, round."""

import argparse
import json
import logging
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ecgpipe import (
    adapter_files,
    fit,
    model,
    outcomes,
    parallel,
    provenance,
    records,
    registry,
    states,
)
from ecgpipe.cohort import derive, read_task
from ecgpipe.feeds import Batches
from ecgpipe.heads import HeadConfig
from ecgpipe.model import Classifier
from ecgpipe.settings import Recipe, Task, build, parse, plugin

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """State the inputs, the settings and the output."""
    parser.add_argument("--settings", required=True, help="recipe, task, revision")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--shards", type=Path, nargs="+", required=True)
    parser.add_argument("--splits", type=Path, nargs="+", required=True, help="one a dataset")
    parser.add_argument("--draw", type=Path, required=True, help="who is labeled")
    parser.add_argument("--pretrained", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, nargs="?", help="the round before, if any")
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--processes", type=int, default=1, help="one a GPU")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint")


def run(
    *,
    settings: str,
    seed: int,
    shards: list[Path],
    splits: list[Path],
    draw: Path,
    pretrained: Path,
    teacher: Path | None,
    threads: int,
    processes: int,
    out: Path,
) -> None:
    """Load, build, fit, save."""
    torch.set_num_threads(threads)
    device = parallel.start(processes)
    told = parse(settings)
    recipe = build(Recipe, told["recipe"], f"recipe of {out.parent}")
    rows = read_task(build(Task, told["task"], f"task of {out.parent}"), shards, splits)
    before = [] if teacher is None else [teacher]
    sources = json.dumps(records.read_sources(shards), sort_keys=True)
    inputs = [draw, pretrained, *before, *splits]
    identity = provenance.digest(settings, str(seed), sources, *inputs)
    batches = Batches(recipe, rows, draw, seed, device)

    torch.manual_seed(derive(seed, 0))  # a new head's weights
    prevalence = batches.labeled.target.mean(dim=0).cpu()
    network, metadata = build_network(pretrained, rows.labels, recipe, prevalence)
    model.refuse_other_montage(pretrained, metadata, batches.labeled.montage)
    teaching = None if teacher is None else model.load(teacher)[0].to(device)
    state = out.with_suffix(".state")
    trials = [
        train(deepcopy(network), replace(recipe, fit=one), batches, teaching, identity, state)
        for one in recipe.fit.trials
    ]
    best = max(trials, key=lambda trial: trial.cost["best_score"])
    cost = best.cost | {"seconds": sum(t.cost["seconds"] for t in trials), "trials": len(trials)}
    if parallel.rank() == 0:
        metadata |= {
            "recipe": asdict(recipe),
            "task": asdict(rows.task),
            "seed": seed,
            "revision": metadata["revision"] | told["revision"],
            "commit": provenance.commit(),
            "versions": provenance.versions(),
            "datasets": metadata["datasets"] | records.read_sources(shards),
        }
        told = metadata | {"adapter": best.told}
        adapter_file = out.with_name("adapter.safetensors")
        adapter_files.save(adapter_file, best.merged, pretrained, best.factors, told)
        cost["adapter_bytes"] = adapter_file.stat().st_size
        outcomes.write(out, best.history, cost, "valid_auroc")
        model.save(out, best.merged, metadata)
        states.forget(state)


def build_network(
    pretrained: Path, labels: tuple[str, ...], recipe: Recipe, prevalence: Tensor
) -> tuple[Classifier, dict[str, Any]]:
    """Load the pretrained model; its head stays where labels and shape are the same.

    What the recipe does not say of the head is as in pretraining; for other labels a head of the
    same shape keeps its hidden layers.
    """
    before, metadata = model.load(pretrained)
    head = build(HeadConfig, asdict(before.head_config) | recipe.head, "recipe: head")
    network = Classifier(before.backbone, labels, head)
    assert network.head is not None
    alike = before.head if before.head_config.same_weights(head) else None
    kept = alike is not None and before.labels == labels
    log.info("the head is %s: %d labels", "kept" if kept else "new", len(labels))
    if kept and alike is not None:
        network.head.load_state_dict(alike.state_dict())
        return network, metadata
    if alike is not None and head.hidden:
        network.head.carry_over(alike)
    network.head.expect(prevalence)
    return network, metadata


class Trial(NamedTuple):
    """What one choice of learning rate and weight decay came to."""

    merged: Classifier
    factors: dict[str, adapter_files.Factors]  # that merging added
    told: dict[str, Any]  # by the adapter, of what it chose
    history: outcomes.History
    cost: dict[str, Any]


def train(
    network: Classifier,
    recipe: Recipe,
    batches: Batches,
    teacher: Classifier | None,
    identity: str,
    state: Path,
) -> Trial:
    """Attach the adapter, fit the method, merge; behind a frozen backbone only the head runs."""
    torch.manual_seed(derive(batches.seed, 5))  # the adapter's first weights
    name, values = plugin(recipe.adapter, "recipe: adapter")
    adapter = registry.load("adapters", name)
    network.to(batches.device)
    adapter.attach(
        network, build(adapter.Config, values, f"adapter {name}"), batches.labeled_only()
    )
    name, values = plugin(recipe.method, "recipe: method")
    chosen = registry.load("methods", name)
    config = build(chosen.Config, values, f"method {name}")
    learner, feed = batches.encoded(network, chosen.Method) or (network, batches)
    method = chosen.Method(learner, config, teacher)
    trial = f"rate-{recipe.fit.rate}-decay-{recipe.fit.weight_decay}"
    work = feed.work(method, learner, provenance.digest(identity, trial))
    history, cost = fit.fit(
        replace(work, hooks=fit.Hooks.of(adapter, network)),
        recipe.fit,
        seed=derive(batches.seed, 1),
        state=state / trial,
    )
    factors = adapter_files.factors_of(adapter, network)
    told = adapter.describe(network) if hasattr(adapter, "describe") else {}
    adapter.merge(network)
    return Trial(network, factors, told, history, cost | feed.cost_of(network))
