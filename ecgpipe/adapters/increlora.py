"""Low-rank updates that grow where they matter (IncreLoRA, Zhang et al. 2023, arXiv:2308.12043).

Every weight begins with one triplet. In rounds the weights whose updates matter most to the loss
get more, until a budget is spent. Those next in turn learn ahead: gradients reach their P and Q as
if they counted a little, but nothing is added yet.

A weight holds from the start all the triplets it may ever get, so that neither the optimiser nor a
kept state changes shape. In place of a warm-up of their own, as published, singular values next in
turn have gradients too, and are set back to zero: Adam knows their scale when they begin to count.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.parametrize import (
    is_parametrized,
    register_parametrization,
    remove_parametrizations,
)

from ecgpipe import parallel
from ecgpipe.adapter_files import Factors
from ecgpipe.adapters import _triplets
from ecgpipe.adapters._low_rank import Site, sites
from ecgpipe.adapters._triplets import Mask, Triplets
from ecgpipe.batches import Labeled
from ecgpipe.model import Classifier


@dataclass(frozen=True)
class Config:
    """As published for the smallest task, RTE, whose steps are given here as shares of all."""

    rank: int = 8  # at the end, on average over the weights
    most: int = 3  # times the rank that one weight may get
    until: float = 0.4  # share of the training after which the budget is spent
    top: float = 0.125  # share of the weights that grow in a round
    ahead: float = 1e-5  # how much triplets next in turn count in gradients
    memory: float = 0.85  # of the averages that importance is made of
    weight: float = 0.3  # of the penalty on P and Q that are not orthogonal
    biases: bool = False  # of the backbone learn too

    def __post_init__(self) -> None:
        if self.rank < 1 or self.most < 1:
            raise ValueError(f"increlora: rank {self.rank} and most {self.most} must be positive")
        if not (0 < self.until <= 1 and 0 < self.top <= 1):
            raise ValueError(
                f"increlora: until {self.until} and top {self.top} must be shares above 0"
            )

    @property
    def more(self) -> int:
        """Count the triplets that a weight gets in a round."""
        return max(1, self.rank // 2)


class Growing(Triplets):
    """An update whose first triplets count; a layer's weight is parametrized by it."""

    rank: Int[Tensor, " block"]
    seen: Float[Tensor, " block"]
    sensitivity: Float[Tensor, " block"]
    uncertainty: Float[Tensor, " block"]

    def __init__(self, site: Site, config: Config) -> None:
        super().__init__(site, min(config.most * config.rank, site.outputs, site.inputs))
        self.config = config
        self.register_buffer("rank", torch.ones_like(self.singular[:, 0], dtype=torch.int64))
        for name in ("seen", "sensitivity", "uncertainty"):
            self.register_buffer(name, self.singular.new_zeros(site.blocks), name != "seen")

    def first(self, rank: Int[Tensor, " block"]) -> Mask:
        """Mark the first triplets of every block."""
        places = torch.arange(self.singular.shape[1], device=rank.device)
        return (places < rank[:, None]).to(self.singular.dtype)

    def counted(self) -> Mask:
        """Mark the triplets that count and those next in turn: gradients reach these alone."""
        return self.first(self.rank + self.config.more)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the updated weight; in training, note how much the update matters."""
        if not (self.training and torch.is_grad_enabled()):
            up, down = self.factors()
            return weight + (up @ down).view_as(weight)
        counted = self.counted()
        singular = torch.lerp(self.singular.detach(), self.singular, counted)
        ahead = self.config.ahead * (counted - self.first(self.rank))
        update = (self.up * (singular + ahead)[:, None]) @ self.down
        update = update - ((self.up * ahead[:, None]) @ self.down).detach()
        if update.requires_grad:  # not while the head goes first
            self.watch(update)
        return weight + update.view_as(weight)

    def watch(self, update: Float[Tensor, "block outputs inputs"]) -> None:
        """Note the mean of |update * its gradient| of every block when the gradient is known."""
        value = update.detach()

        def note(gradient: Tensor) -> None:
            self.seen += (value * gradient).abs().mean((1, 2))

        update.register_hook(note)


def attach(model: Classifier, config: Config, labeled: Iterable[Labeled] | None) -> None:
    """Give every weight one triplet and room for more; freeze the rest but the head."""
    for site in sites(model):
        register_parametrization(site.layer, "weight", Growing(site, config))
    model.requires_grad_(False)
    for name, parameter in model.named_parameters():
        parts = name.split(".")
        chosen = parts[0] == "head" or "parametrizations" in parts
        chosen |= config.biases and "bias" in parts[-1]
        parameter.requires_grad_(chosen and parts[-1] != "original")


def penalty(model: Classifier) -> Tensor:
    """Return what keeps P and Q orthogonal, as far as they count or are next in turn."""
    found = growing(model)
    return _triplets.penalty(found, found[0].config.weight)


@torch.no_grad()
def after_step(model: Classifier, step: int, steps: int) -> None:
    """Judge the weights; where a round is due, let the most important grow."""
    found = growing(model)
    config = found[0].config
    for update in found:
        update.singular.mul_(update.first(update.rank))
    sizes = [len(update.rank) for update in found]
    seen = parallel.mean(torch.cat([update.seen for update in found])).split(sizes)
    means = [update.sensitivity for update in found]
    _triplets.remember(seen, means, [update.uncertainty for update in found], config.memory)
    torch._foreach_zero_([update.seen for update in found])
    last = min(config.rank * sum(sizes), sum(update.singular.numel() for update in found))
    before, due = (budget(config, n / steps, sum(sizes), last) for n in (step - 1, step))
    if due > before:
        grow(found, due)


@torch.no_grad()
def factors(model: Classifier) -> dict[str, Factors]:
    """Give what `merge` adds, by the names of weights."""
    named = [each for each in model.named_modules() if is_parametrized(each[1], "weight")]
    return {f"{name}.weight": layer.parametrizations.weight[0].merged() for name, layer in named}


@torch.no_grad()
def merge(model: Classifier) -> None:
    """Fold the updates into the weights."""
    for layer in list(model.modules()):
        if is_parametrized(layer, "weight"):
            remove_parametrizations(layer, "weight", leave_parametrized=True)


def describe(model: Classifier) -> dict[str, Any]:
    """State what ranks the weights have come to."""
    return _triplets.describe(model)


def budget(config: Config, done: float, first: int, last: int) -> int:
    """Return how many triplets there may be when a share of the training is done.

    `first` is also the number of weights. Rounds come at equal distances, none at the very start.
    """
    round_of = max(1, round(config.top * first)) * config.more
    rounds = math.ceil((last - first) / round_of)
    past = math.floor(round(done / config.until * (rounds + 1), 6)) - 1
    return min(first + max(past, 0) * round_of, last)


def grow(found: list[Growing], due: int) -> None:
    """Spend the budget on the most important weights (Eq. 5), as many triplets each as published.

    What remains where too few have room left for as many goes to the most important with any room.
    """
    rank = torch.cat([update.rank for update in found])
    whole = torch.cat([torch.full_like(u.rank, u.singular.shape[1]) for u in found])
    score = torch.cat([update.sensitivity * update.uncertainty for update in found])
    order = score.argsort(descending=True, stable=True)
    room = (whole - rank).clamp(max=found[0].config.more)
    given = hand_out(due - rank.sum(), room, order)
    given += hand_out(due - rank.sum() - given.sum(), whole - rank - given, order)
    for update, more in zip(found, given.split([len(u.rank) for u in found]), strict=True):
        update.rank += more


def hand_out(
    amount: Int[Tensor, ""], room: Int[Tensor, " weight"], order: Int[Tensor, " weight"]
) -> Int[Tensor, " weight"]:
    """Fill rooms in an order until the amount is spent."""
    wanted = room[order]
    left = (amount - (wanted.cumsum(0) - wanted)).clamp(min=0)
    return torch.zeros_like(room).index_copy(0, order, torch.minimum(wanted, left))


def growing(model: Classifier) -> list[Growing]:
    """List the updates of a model."""
    return [module for module in model.modules() if isinstance(module, Growing)]
