"""Mixing the records of a labeled batch with each other: signals, and targets by the same shares.

A share is one number for the whole batch and stays on the host, so that nothing waits for the
device: it follows from the seed that a generator was last given. Partners are drawn on the device.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Generator, Tensor

from ecgpipe import settings
from ecgpipe.batches import Labeled


@dataclass(frozen=True)
class Mix:
    """How a recipe mixes; the larger alpha, the more even are the shares."""

    name: str  # cutmix or mixup
    alpha: float = 0.75  # both of the Beta distribution of shares

    def __post_init__(self) -> None:
        if self.name not in MIXES:
            raise ValueError(f"no mix {self.name!r}; there are: {', '.join(sorted(MIXES))}")
        if self.alpha <= 0:
            raise ValueError(f"mix {self.name}: alpha {self.alpha} must be positive")


def mix(labeled: Labeled, config: dict[str, Any], generator: Generator) -> Labeled:
    """Mix a batch as a recipe says: `{name: cutmix, alpha: 0.75}`."""
    chosen = settings.build(Mix, config, "recipe: mix")
    return MIXES[chosen.name](labeled, alpha=chosen.alpha, generator=generator)


def cutmix(labeled: Labeled, *, alpha: float = 0.75, generator: Generator | None = None) -> Labeled:
    """Replace one box of leads and time, the same in all records, by that of a partner.

    Yun et al. 2019 with leads for rows (Zhou et al. 2024): a record keeps the share of its target
    that is left of its signal. Without a generator, torch's own says what is drawn.
    """
    _, all_leads, samples = labeled.signal.shape
    leads, time = box(all_leads, samples, alpha, _host(generator))
    partner = _partners(labeled, generator)
    signal = labeled.signal.clone()
    signal[:, leads, time] = labeled.signal[:, leads, time][partner]
    taken = (leads.stop - leads.start) * (time.stop - time.start) / (all_leads * samples)
    return Labeled(signal, labeled.target.lerp(labeled.target[partner], taken))


def mixup(labeled: Labeled, *, alpha: float = 0.75, generator: Generator | None = None) -> Labeled:
    """Add a partner to each record, both weighted (Zhang et al. 2018).

    A record keeps the larger share, so it stays mostly what it was (Berthelot et al. 2019). Without
    a generator, torch's own says what is drawn.
    """
    share = _host(generator).beta(alpha, alpha)
    partner, given = _partners(labeled, generator), min(share, 1 - share)
    return Labeled(
        labeled.signal.lerp(labeled.signal[partner], given),
        labeled.target.lerp(labeled.target[partner], given),
    )


MIXES = {"cutmix": cutmix, "mixup": mixup}


def box(leads: int, samples: int, alpha: float, random: np.random.Generator) -> tuple[slice, slice]:
    """Draw a box of leads and samples, around any of them; what is outside is cut off.

    With a share drawn from Beta(alpha, alpha), its sides are sqrt(1 - share) of those of a signal.
    """
    side = math.sqrt(1 - random.beta(alpha, alpha))
    return _stretch(leads, side, random), _stretch(samples, side, random)


def _stretch(whole: int, side: float, random: np.random.Generator) -> slice:
    """Place a stretch of a share of the whole."""
    centre, half = int(random.integers(whole)), int(whole * side) // 2
    return slice(max(centre - half, 0), min(centre + half, whole))


def _partners(labeled: Labeled, generator: Generator | None) -> Int[Tensor, " batch"]:
    """Draw a partner for each record of a batch: all of them, in another order."""
    device = labeled.signal.device
    return torch.randperm(len(labeled.signal), generator=generator, device=device)


def _host(generator: Generator | None) -> np.random.Generator:
    """Make a generator on the host of the seed that another was last given."""
    seed = torch.initial_seed() if generator is None else generator.initial_seed()
    return np.random.default_rng(seed)
