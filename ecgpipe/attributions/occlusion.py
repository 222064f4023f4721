"""Occlusion (Zeiler & Fergus 2014): how far the logit falls when a moment is hidden in all leads.

Windows lie side by side; `removal` says what is put in their place. No gradient is asked for.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ecgpipe.model import Classifier
from ecgpipe.removal import drops


@dataclass(frozen=True)
class Config:
    """A window about as long as a QRS complex."""

    seconds: float = 0.1  # of a window

    def __post_init__(self) -> None:
        if self.seconds <= 0:
            raise ValueError(f"occlusion: seconds {self.seconds} must be positive")


def attribute(
    network: Classifier,
    signal: Float[Tensor, "crop lead time"],
    label: Int[Tensor, " crop"],
    config: Config,
    fs: int,
) -> Float[Tensor, "crop lead time"]:
    """Spread the drop of each window evenly over its samples, so that they add up to it."""
    length, time = max(1, round(config.seconds * fs)), signal.shape[-1]
    window = torch.arange(time, device=signal.device) // length
    fall = drops(network, signal, label, window.expand_as(signal), -(-time // length), fs)
    share = fall / (window.bincount() * signal.shape[1])
    return share[:, None, window].expand_as(signal)
