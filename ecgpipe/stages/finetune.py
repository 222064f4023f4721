"""Finetune a pretrained model on the labeled records of a draw: one adapter, method, round."""

import argparse
import json
import logging
from copy import deepcopy
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from ecgpipe import fit, inference, model, parallel, provenance, records, registry
from ecgpipe.augment import make_view
from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.cohort import Cohort, Sampler, TaskRows, are_listed, derive, read_task
from ecgpipe.model import Classifier, HeadConfig
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
    teaching = None if teacher is None else model.load(teacher)[0].to(device)
    rates = recipe.fit.rates
    state = out.with_suffix(".state")
    trials = [
        train(deepcopy(network), recipe, rate, batches, teaching, identity, state) for rate in rates
    ]
    best, history, cost = max(trials, key=lambda trial: trial[2]["best_score"])
    cost |= {"seconds": sum(trial[2]["seconds"] for trial in trials), "rates_tried": len(rates)}
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
        fit.write_outcome(out, history, cost, "valid_auroc")
        model.save(out, best, metadata)
        fit.forget(state)


def build_network(
    pretrained: Path, labels: tuple[str, ...], recipe: Recipe, prevalence: Tensor
) -> tuple[Classifier, dict[str, Any]]:
    """Load the pretrained model; its head stays where labels and shape are the same."""
    before, metadata = model.load(pretrained)
    head = build(HeadConfig, recipe.head, "recipe: head")
    network = Classifier(before.backbone, labels, head)
    assert network.head is not None
    kept = before.labels == labels and before.head_config.same_weights(head)
    log.info("the head is %s: %d labels", "kept" if kept else "new", len(labels))
    if kept and before.head is not None:
        network.head.load_state_dict(before.head.state_dict())
    else:
        network.head.expect(prevalence)
    return network, metadata


def train(
    network: Classifier,
    recipe: Recipe,
    rate: float,
    batches: "Batches",
    teacher: Classifier | None,
    identity: str,
    state: Path,
) -> tuple[Classifier, fit.History, dict[str, Any]]:
    """Attach the adapter, fit the method with one learning rate, merge."""
    torch.manual_seed(derive(batches.seed, 5))  # the adapter's first weights
    name, values = plugin(recipe.adapter, "recipe: adapter")
    adapter = registry.load("adapters", name)
    network.to(batches.device)
    adapter.attach(
        network, build(adapter.Config, values, f"adapter {name}"), batches.labeled_only()
    )
    name, values = plugin(recipe.method, "recipe: method")
    chosen = registry.load("methods", name)
    method = chosen.Method(network, build(chosen.Config, values, f"method {name}"), teacher)
    history, cost = fit.fit(
        batches.work(method, network, provenance.digest(identity, str(rate))),
        recipe.fit,
        rate,
        seed=derive(batches.seed, 1),
        state=state / f"rate-{rate}",
    )
    adapter.merge(network)
    return network, history, cost


class Batches:
    """Labeled and unlabeled records on the device, and the views a recipe makes of them."""

    def __init__(
        self, recipe: Recipe, rows: TaskRows, draw: Path, seed: int, device: torch.device
    ) -> None:
        self.recipe, self.seed, self.device = recipe, seed, device
        train = rows.part == "train"
        drawn = train & are_listed(rows.table, draw)
        self.labeled = rows.load(drawn, device, "labeled train")
        self.valid = rows.load(rows.part == "valid", device, "valid")
        self.sampler = Sampler(len(self.labeled), recipe.fit.batch, derive(seed, 2))
        self.length = self.labeled.samples(recipe.fit.crop)
        self.unlabeled: Cohort | None = None
        if recipe.views.keys() & {"weak", "strong"}:
            # with every record labeled, all of them once more stand in for unlabeled ones
            rest = train & ~drawn
            self.unlabeled = rows.load(rest if rest.any() else train, device, "unlabeled train")
            self.unlabeled_sampler = Sampler(
                len(self.unlabeled), recipe.fit.unlabeled, derive(seed, 3)
            )

    def labeled_batch(self, step: int, generator: Generator) -> Labeled:
        """Make the labeled view of a step."""
        index = self.sampler.indices(step).to(self.device)
        signal = self.labeled.random_crops(index, self.length, generator)
        parallel.diverge(generator)
        view = make_view(signal, self.recipe.views.get("labeled", ()), generator)
        return Labeled(view, self.labeled.target[parallel.share(index)])

    def labeled_only(self) -> Any:
        """Yield labeled batches in order, for adapters that look at some before training."""
        step = 0
        while True:
            generator = torch.Generator(self.device).manual_seed(derive(self.seed, 4, step))
            yield self.labeled_batch(step, generator)
            step += 1

    def unlabeled_batch(self, step: int, generator: Generator) -> Unlabeled | None:
        """Make the weak view and the strong one of a step, where the recipe has such."""
        if self.unlabeled is None:
            return None
        index = self.unlabeled_sampler.indices(step).to(self.device)
        signal = self.unlabeled.random_crops(index, self.length, generator)
        parallel.diverge(generator)
        views = self.recipe.views
        return Unlabeled(
            weak=make_view(signal, views.get("weak", ()), generator),
            strong=[make_view(signal, views.get("strong", ()), generator)],
            index=parallel.share(index),
        )

    def make(self, step: int, generator: Generator) -> tuple[Labeled, Unlabeled | None]:
        """Make everything a method sees in one step; each kind of record has its own draws."""
        other = torch.Generator(self.device).manual_seed(derive(generator.initial_seed(), 1))
        return self.labeled_batch(step, generator), self.unlabeled_batch(step, other)

    def make_labeled(self, step: int, generator: Generator) -> tuple[Labeled, None]:
        """Make what a method sees that does not look at unlabeled records."""
        return self.labeled_batch(step, generator), None

    def work(self, method: nn.Module, network: Classifier, identity: str) -> fit.Work:
        """Say what is fitted, and how its progress is judged: by macro AUROC on valid."""

        def name_records(step: int) -> list[str]:
            return list(self.labeled.table["record"].iloc[self.sampler.indices(step).numpy()])

        ignored = self.unlabeled is None or not getattr(method, "uses_unlabeled", True)
        return fit.Work(
            loss=method,
            model=network,
            make_batch=self.make_labeled if ignored else self.make,
            name_records=name_records,
            validate=partial(
                inference.macro_score,
                registry.load("metrics", "auroc"),
                cohort=self.valid,
                seconds=self.recipe.fit.crop,
                mixed=self.recipe.fit.mixed,
            ),
            measure="valid_auroc",
            example=torch.zeros(1, self.labeled.signal.shape[1], self.length, device=self.device),
            samples=self.recipe.fit.batch + (0 if ignored else self.recipe.fit.unlabeled),
            identity=identity,
        )
