"""The slow average of a network's weights that some objectives take their targets from."""

import copy
import math
from typing import TypeVar

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

Network = TypeVar("Network", bound=nn.Module)


def start_average(network: Network) -> Network:
    """Copy a network as the start of its own average: nothing in it learns from a loss.

    Its norms remember no batch either: their statistics are averages of the network's, as all else
    (`ecgpipe.states.follow` moves both).
    """
    average = copy.deepcopy(network).requires_grad_(False)
    for module in average.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = 0.0
    return average


def rising_decay(first: float, step: int, steps: int) -> float:
    """Let a decay rise from `first` to 1, where the average stands still (Grill et al. 2020)."""
    return 1 - (1 - first) * (math.cos(math.pi * step / steps) + 1) / 2
