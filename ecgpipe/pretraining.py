"""One pretraining of a network: whom it learns from, what it minimises, how it is judged."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Generator, nn

from ecgpipe import fit, inference, parallel, records, registry
from ecgpipe.batches import Pretext
from ecgpipe.cohort import Cohort, Sampler, TaskRows, WeightedSampler, derive
from ecgpipe.fit_settings import Fit
from ecgpipe.model import Classifier
from ecgpipe.outcomes import History
from ecgpipe.settings import Pretraining, build, plugin

HELD_OUT = 0.05  # of the train patients, where an objective does not say; to choose when to stop


@dataclass(frozen=True)
class Learnt:
    """What a pretraining came to."""

    network: Classifier
    history: History
    cost: dict[str, Any]
    measure: str  # column of the history by which weights were chosen
    seen: tuple[dict[str, Any], ...]  # `objective`, `steps`, `labels` of each fit that shaped it
    told: dict[str, Any] = field(default_factory=dict)  # what else a checkpoint should say


@dataclass(frozen=True)
class Material:
    """What objectives are given: train patients on the device, and what of a network learns."""

    learned: Cohort
    judged: Cohort  # of other patients
    labels: tuple[str, ...]
    adapter: dict[str, Any]  # its name, and what differs from its defaults
    identity: str  # of settings and inputs, for resuming

    def without_labels(self) -> "Material":
        """Hide the labels from whatever learns."""
        cohorts = (self.learned, self.judged)
        learned, judged = (replace(one, target=one.target[:, :0]) for one in cohorts)
        return replace(self, learned=learned, judged=judged, labels=())

    def learn(
        self, network: Classifier, objective: dict[str, Any], settings: Fit, seed: int, state: Path
    ) -> Learnt:
        """Minimise one objective on a network; first weights come from the global generator."""
        chosen, config = find(objective, "objective")
        if hasattr(chosen, "search"):
            return chosen.search(network, config, self, settings, seed, state)
        adapter, adapts = find(self.adapter, "adapter")
        adapter.attach(network, adapts, None)
        loss = chosen.Objective(network, config)
        work = build_work(loss, network, self, settings, derive(seed, 2))
        work = replace(work, hooks=fit.Hooks.of(adapter, network))
        history, cost = fit.fit(work, settings, seed=derive(seed, 1), state=state)
        adapter.merge(network)
        seen = {"objective": objective["name"], "steps": cost["steps"], "labels": list(self.labels)}
        return Learnt(network, history, cost, work.measure, (seen,))


def find(told: dict[str, Any], kind: str) -> tuple[ModuleType, Any]:
    """Find the plug-in that settings name, and make its `Config` of the rest of them."""
    name, values = plugin(told, f"pretraining: {kind}")
    chosen = registry.load(f"{kind}s", name)
    return chosen, build(chosen.Config, values, f"{kind} {name}")


def learnt_from(pretraining: Pretraining, rows: TaskRows) -> Bool[np.ndarray, " row"]:
    """Tell which rows may be learnt from: train, and only where a leak is asked for, others."""
    return np.isin(rows.part, pretraining.parts)


def gather(
    pretraining: Pretraining, rows: TaskRows, device: torch.device, identity: str
) -> Material:
    """Put the patients that may be learnt from on the device, and apart from them those who judge.

    These are a share of the train patients, or those of valid where that share is 0.
    """
    _, config = find(pretraining.objective, "objective")
    train = learnt_from(pretraining, rows)
    judges = train.copy()
    share = getattr(config, "held_out", HELD_OUT)
    judges[train] = records.hashed_below(rows.table.loc[train, "patient"], share)
    if not share:
        judges = rows.part == "valid"
    learned = rows.load(train & ~judges, device, "train")
    judged = rows.load(judges, device, "held-out train" if share else "valid")
    return Material(learned, judged, rows.labels, pretraining.adapter, identity)


def build_work(
    objective: nn.Module, network: Classifier, material: Material, settings: Fit, seed: int
) -> fit.Work:
    """Say what a fit draws its batches from, and how progress is judged."""
    learned, judged = material.learned, material.judged
    device = learned.signal.device
    sampler = choose_sampler(objective, learned, settings.batch, seed)
    length = learned.samples(settings.crop)

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
        validate=judge(objective, material, settings.crop, settings.mixed),
        measure="valid_auroc" if material.labels else "valid_loss_negated",
        example=torch.ones(1, learned.signal.shape[1], length, device=device),
        samples=settings.batch,
        identity=material.identity,
    )
    sample = getattr(objective, "batches", None)
    return work if sample is None else replace(work, **sample(learned, judged, settings, seed))


def choose_sampler(
    objective: nn.Module, learned: Cohort, batch: int, seed: int
) -> Sampler | WeightedSampler:
    """Draw every record as often as another, or by the weights that the objective gives."""
    weigh = getattr(objective, "draw_weights", None)
    weight = weigh(learned) if weigh else None
    if weight is None:
        return Sampler(len(learned), batch, seed)
    return WeightedSampler(weight, batch, seed)


def pretext(source: Cohort, index: torch.Tensor, length: int, generator: Generator) -> Pretext:
    """Make one batch of crops."""
    signal = source.random_crops(index, length, generator)
    mine = parallel.share(index)
    target = source.target[mine] if source.target.shape[1] else None
    return Pretext(signal, target, source.patient[mine], mine, source.montage, generator)


def judge(
    objective: nn.Module, material: Material, crop: float, mixed: bool
) -> Callable[[nn.Module], float]:
    """Judge by macro AUROC where there are labels, else by the objective's own loss, negated."""
    judged = material.judged
    if material.labels:
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
