"""Gradient times input (Shrikumar et al. 2016, arXiv:1605.01713): a first-order share of the logit.

Cheap, and exact for a linear network. High waves are favoured, whatever the network has learnt.
"""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from ecgpipe.attributions._gradient import gradient
from ecgpipe.model import Classifier


@dataclass(frozen=True)
class Config:
    """There is nothing to choose."""


def attribute(
    network: Classifier,
    signal: Float[Tensor, "crop lead time"],
    label: Int[Tensor, " crop"],
    config: Config,
    fs: int,
) -> Float[Tensor, "crop lead time"]:
    """Multiply each sample, in millivolts, with the gradient of the logit by it."""
    return gradient(network, signal, label) * signal
