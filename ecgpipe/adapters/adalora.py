"""Low-rank updates that lose their least important triplets (AdaLoRA, Zhang et al. 2023).

All weights share one budget of triplets, which falls over the training. What is cut is a singular
value, whose gradient may bring it back until the budget has settled. The importance of a triplet
that comes after an update takes its weights from after, its gradients from before it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ecgpipe.adapter_files import Factors
from ecgpipe.adapters import _triplets
from ecgpipe.adapters._low_rank import (
    Site,
    attach_updates,
    merge_updates,
    merged_factors,
    updates,
)
from ecgpipe.adapters._triplets import Mask, Triplets
from ecgpipe.batches import Labeled
from ecgpipe.model import Classifier


@dataclass(frozen=True)
class Config:
    """As published for the smallest task, RTE, whose steps are given here as shares of all."""

    rank: int = 8  # at the end, on average over the weights
    start: float = 1.5  # times as many triplets at first
    warmup: float = 0.15  # share of the training before the budget falls
    settle: float = 0.45  # share of the training after it has fallen
    every: int = 1  # steps between two cuts
    memory: float = 0.85  # of the averages that importance is made of
    weight: float = 0.3  # of the penalty on P and Q that are not orthogonal
    biases: bool = False  # of the backbone learn too

    def __post_init__(self) -> None:
        if self.rank < 1 or self.start < 1 or self.every < 1:
            raise ValueError(
                f"adalora: rank {self.rank}, start {self.start} and every {self.every} must be at "
                "least 1"
            )
        if min(self.warmup, self.settle) < 0 or self.warmup + self.settle >= 1:
            raise ValueError(
                f"adalora: warmup {self.warmup} and settle {self.settle} must be shares that leave "
                "a part of the training between them"
            )


class Cut(Triplets):
    """An update that knows how important its triplets have been."""

    def __init__(self, site: Site, config: Config) -> None:
        super().__init__(site, math.ceil(config.start * config.rank))
        self.config = config
        for name, factor in list(self.named_parameters()):
            self.register_buffer(f"{name}_sensitivity", torch.zeros_like(factor))
            self.register_buffer(f"{name}_uncertainty", torch.zeros_like(factor))

    def score(self, name: str) -> Tensor:
        """Return how important each entry of a factor has been (Eq. 11)."""
        return self.get_buffer(f"{name}_sensitivity") * self.get_buffer(f"{name}_uncertainty")

    def importance(self) -> Mask:
        """Return how important each triplet has been (Eq. 7)."""
        return self.score("singular") + self.score("up").mean(1) + self.score("down").mean(2)


def attach(model: Classifier, config: Config, labeled: Iterable[Labeled] | None) -> None:
    """Give every weight triplets; freeze the rest but the head."""
    attach_updates(model, lambda site: Cut(site, config), biases=config.biases)


def penalty(model: Classifier) -> Tensor:
    """Return what keeps P and Q orthogonal."""
    found = cuts(model)
    return _triplets.penalty(found, found[0].config.weight)


def after_step(model: Classifier, step: int, steps: int) -> None:
    """Judge the triplets and cut those beyond the budget; once it has settled, always the same."""
    found = cuts(model)
    config = found[0].config
    settled = step >= (1 - config.settle) * steps
    if not settled:
        judge(found, config.memory)
    if settled or step % config.every == 0:
        first = sum(update.singular.numel() for update in found)
        last = config.rank * sum(len(update.singular) for update in found)
        cut(found, budget(config, step / steps, first, last))


def factors(model: Classifier) -> dict[str, Factors]:
    """Give what `merge` adds, by the names of weights."""
    return merged_factors(model)


def merge(model: Classifier) -> None:
    """Fold what is left into the weights."""
    merge_updates(model)


def describe(model: Classifier) -> dict[str, Any]:
    """State what ranks the weights have come to."""
    return _triplets.describe(model)


def budget(config: Config, done: float, first: int, last: int) -> int:
    """Return how many triplets there may be when a share of the training is done (Eq. 12).

    The cube falls from 1 to 0, as in the authors' code.
    """
    left = (1 - config.settle - done) / (1 - config.settle - config.warmup)
    return round(last + (first - last) * min(max(left, 0.0), 1.0) ** 3)


@torch.no_grad()
def judge(found: list[Cut], memory: float) -> None:
    """Remember how much the loss would change without each entry (Eq. 8)."""
    named = [(update, *each) for update in found for each in update.named_parameters()]
    named = [each for each in named if each[2].grad is not None]
    if not named:  # the backbone is held, the head goes first
        return
    gradients: list[Tensor] = [factor.grad for *_, factor in named]  # type: ignore[misc]
    seen = torch._foreach_mul([factor for *_, factor in named], gradients)
    torch._foreach_abs_(seen)
    means = [update.get_buffer(f"{name}_sensitivity") for update, name, _ in named]
    spreads = [update.get_buffer(f"{name}_uncertainty") for update, name, _ in named]
    _triplets.remember(seen, means, spreads, memory)


@torch.no_grad()
def cut(found: list[Cut], keep: int) -> None:
    """Set the singular values of all but the most important triplets to zero (Eq. 6)."""
    importance = torch.cat([update.importance().flatten() for update in found])
    best = importance.argsort(descending=True, stable=True)[:keep]
    kept = torch.zeros_like(importance).index_fill(0, best, 1.0)
    sizes = [update.singular.numel() for update in found]
    for update, mask in zip(found, kept.split(sizes), strict=True):
        update.singular.mul_(mask.view_as(update.singular))


def cuts(model: Classifier) -> list[Cut]:
    """List the updates of a model."""
    return [update for update in updates(model).values() if isinstance(update, Cut)]
