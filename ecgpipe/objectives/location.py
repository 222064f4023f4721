"""Relative location: how two crops of a signal lie to each other, and which leads were exchanged.

The first is to a signal what the place of a patch is to a photograph (Doersch et al. 2015): which
of two crops begins first, and how much later the other does. They overlap and begin less than a
heartbeat apart, for a regular rhythm looks the same a beat later; the further apart they may be,
the later their order is learnt. The second is a jigsaw whose pieces are leads: which electrodes
were exchanged, if any, told from one crop (`ecgpipe.conditions`).
"""

from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor, nn
from torch.nn.functional import (
    adaptive_avg_pool1d,
    adaptive_max_pool1d,
    binary_cross_entropy_with_logits,
    cross_entropy,
)

from ecgpipe.batches import Pretext
from ecgpipe.conditions import potentials, swap_electrodes
from ecgpipe.heads import pool
from ecgpipe.model import Classifier
from ecgpipe.objectives._embedding import mlp
from ecgpipe.objectives._guesses import accuracy
from ecgpipe.objectives._views import crops_at

Signals = Float[Tensor, "batch lead time"]


@dataclass(frozen=True)
class Weights:
    """What each part of the loss counts."""

    order: float = 1.0
    distance: float = 1.0
    swap: float = 1.0


@dataclass(frozen=True)
class Config:
    """Which crops are cut, which electrodes are exchanged, and what tells it."""

    crop: float = 2.5  # seconds of each of the two; they lie in the longer crop of the fit
    reach: float = 0.5  # seconds between their beginnings, at most
    bins: int = 4  # of that distance, equally wide
    swaps: tuple[tuple[str, str], ...] = (  # of electrodes; () where a montage has none
        *(("RA", "LA"), ("RA", "LL"), ("LA", "LL")),
        *(("V1", "V2"), ("V3", "V4"), ("V5", "V6")),
    )
    stretches: int = 4  # of a crop, pooled on their own for order and distance
    hidden: int = 512  # width of the layer between two crops and order and distance
    weights: Weights = Weights()

    def __post_init__(self) -> None:
        if min(self.crop, self.reach, self.stretches) <= 0 or self.bins < 2:
            raise ValueError(
                f"location: crop {self.crop}, reach {self.reach} and stretches {self.stretches} "
                f"must be above 0, bins {self.bins} 2 or more"
            )


class Objective(nn.Module):
    """Tell order and distance of two crops, and which electrodes were exchanged."""

    def __init__(self, model: Classifier, config: Config) -> None:
        super().__init__()
        self.config, self.backbone = config, model.backbone
        dim = 2 * model.backbone.dim  # maximum and mean
        self.of_pair = mlp(2 * config.stretches * dim, config.hidden, 1 + config.bins, norm=False)
        self.of_one = nn.Linear(dim, 1 + len(config.swaps)) if config.swaps else None

    def forward(self, batch: Pretext) -> dict[str, Tensor]:
        """Return the loss of one batch, that of each part, and how often each is told."""
        signal, swap = self.exchange(batch)
        start, later, distance = self.locate(batch)
        length = round(self.config.crop * batch.montage.fs)
        crops = torch.cat([crops_at(signal, first, length) for first in start])
        tokens = self.backbone(crops)
        one, other = pool_stretches(tokens, self.config.stretches).chunk(2)
        is_later, is_distance = self.compare(one, other)
        terms = {
            "order": binary_cross_entropy_with_logits(is_later, later.float()),
            "order_accuracy": ((is_later > 0) == later).float().mean(),
            "distance": cross_entropy(is_distance, distance),
            "distance_accuracy": accuracy(is_distance, distance),
        }
        if self.of_one is not None:
            of_one, both = self.of_one(pool(tokens)).float(), swap.repeat(2)
            terms["swap"] = cross_entropy(of_one, both)
            terms["swap_accuracy"] = accuracy(of_one, both)
        parts = [w * terms[part] for part, w in vars(self.config.weights).items() if part in terms]
        return {"loss": torch.stack(parts).sum(), **terms}

    def compare(
        self, one: Float[Tensor, "batch pooled"], other: Float[Tensor, "batch pooled"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch bin"]]:
        """Tell by logits if the one is the later, and how far apart they are.

        Exchanged, they are as far apart, in the other order.
        """
        there = self.of_pair(torch.cat([one, other], dim=1)).float()
        back = self.of_pair(torch.cat([other, one], dim=1)).float()
        return there[:, 0] - back[:, 0], there[:, 1:] + back[:, 1:]

    def exchange(self, batch: Pretext) -> tuple[Signals, Int[Tensor, " batch"]]:
        """Exchange electrodes of each record as drawn; say which, from 1 on (0: none)."""
        signal, swaps = batch.signal, self.config.swaps
        size, device = (len(signal),), signal.device
        drawn = torch.randint(1 + len(swaps), size, generator=batch.generator, device=device)
        if not swaps:
            return signal, drawn
        matrix = matrices(batch.montage.leads, swaps, device).to(signal.dtype)
        with torch.autocast(device.type, enabled=False):
            return matrix[drawn] @ signal, drawn

    def locate(
        self, batch: Pretext
    ) -> tuple[Int[Tensor, "2 batch"], Bool[Tensor, " batch"], Int[Tensor, " batch"]]:
        """Draw where two crops start, whether the first is the later one, the bin of distance."""
        crop, reach = (round(s * batch.montage.fs) for s in (self.config.crop, self.config.reach))
        (records, _, samples), bins = batch.signal.shape, self.config.bins
        if not bins <= reach <= samples - crop:
            raise ValueError(
                f"location: two crops of {crop} samples, up to {reach} apart, in a signal of "
                f"{samples}; set a longer `crop` of the fit, or a shorter `crop` or `reach` of the "
                f"objective; a reach is of {bins} samples or more, as many as `bins`"
            )
        return place(records, samples - crop, reach, bins, batch.generator)


def place(
    batch: int, room: int, reach: int, bins: int, generator: Generator
) -> tuple[Int[Tensor, "2 batch"], Bool[Tensor, " batch"], Int[Tensor, " batch"]]:
    """Draw two starts in 0 ... `room`, from 1 to `reach` apart, every distance equally likely.

    Return them, whether the first is the later one, and the distance's bin.
    """

    def draw(below: int) -> Int[Tensor, " batch"]:
        return torch.randint(below, (batch,), generator=generator, device=generator.device)

    apart = 1 + draw(reach)
    early = draw(room) * (room - apart + 1) // room  # drawn in together: even to within one sample
    later = draw(2) == 1
    starts = torch.stack([early + apart * later, early + apart * ~later])
    return starts, later, (apart - 1) * bins // reach


def pool_stretches(
    tokens: Float[Tensor, "batch token dim"], stretches: int
) -> Float[Tensor, "batch pooled"]:
    """Pool tokens by maximum and mean in each of some equal stretches of time."""
    time_last = tokens.float().mT
    highest = adaptive_max_pool1d(time_last, stretches)
    return torch.cat([highest, adaptive_avg_pool1d(time_last, stretches)], dim=1).flatten(1)


@cache
def matrices(
    leads: tuple[str, ...], swaps: tuple[tuple[str, str], ...], device: torch.device
) -> Float[Tensor, "swap lead lead"]:
    """Say what the leads show of themselves after no exchange, and after each of these."""
    known = potentials(leads)
    if unknown := sorted({electrode for pair in swaps for electrode in pair} - set(known)):
        raise ValueError(
            f"location: no electrode {', '.join(unknown)}; the leads {', '.join(leads)} tell of "
            f"{', '.join(known) or 'none'}; set `swaps` of the objective to pairs of these, or []"
        )
    pairs: list[tuple[tuple[str, str], ...]] = [(), *((swap,) for swap in swaps)]
    return torch.stack([swap_electrodes(leads, pair) for pair in pairs]).to(device)
