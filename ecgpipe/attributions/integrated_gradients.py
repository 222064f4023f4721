"""Integrated gradients (Sundararajan et al. 2017): the gradient all the way from a baseline.

The relevance of a crop adds up to the difference of its logit from that of the baseline. Here that
is each lead's median over what was recorded: a flat line at the height the lead is at rest, as long
as the recording. From zero, what an amplifier adds to a whole recording would be shared out among
its samples.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ecgpipe.attributions._gradient import gradient
from ecgpipe.model import Classifier
from ecgpipe.padding import as_silent


@dataclass(frozen=True)
class Config:
    """More steps add up more exactly."""

    steps: int = 16  # between baseline and signal

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"integrated_gradients: steps {self.steps} must be positive")


def attribute(
    network: Classifier,
    signal: Float[Tensor, "crop lead time"],
    label: Int[Tensor, " crop"],
    config: Config,
    fs: int,
) -> Float[Tensor, "crop lead time"]:
    """Average the gradient in the middle of each step, times the whole way."""
    baseline = flat(signal)
    way = signal - baseline
    total = torch.zeros_like(signal)
    for step in range(config.steps):
        total += gradient(network, baseline + (step + 0.5) / config.steps * way, label)
    return way * total / config.steps


def flat(signal: Float[Tensor, "crop lead time"]) -> Float[Tensor, "crop lead time"]:
    """Draw each lead's median; padding stays silent."""
    level = as_silent(torch.ones_like(signal), signal)
    known = signal.masked_fill(level == 0, torch.nan)
    return level.mul_(known.nanmedian(dim=-1, keepdim=True).values)
