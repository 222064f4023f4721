"""Layers over time for convolutional backbones.

A signal is held as a channels-last map (batch, channel, 1, time), which oneDNN and cuDNN convolve
without reordering it first: half the time of `Conv1d` in training on a CPU (docs/benchmarks.md).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def to_map(signal: Float[Tensor, "batch lead time"]) -> Float[Tensor, "batch lead 1 time"]:
    """Lay a signal out with its leads last in memory."""
    # `clone`, since `contiguous` would leave the strides of a single lead ambiguous; of time before
    # leads, since `vmap` knows no channels-last
    return signal.mT.clone(memory_format=torch.contiguous_format).mT.unsqueeze(2)


def to_tokens(features: Float[Tensor, "batch dim 1 token"]) -> Float[Tensor, "batch token dim"]:
    """View a map as tokens; in memory it already is."""
    return features.squeeze(2).transpose(1, 2)


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Convolve over time without bias, to `time / stride` rounded up."""
    padding = (kernel - 1) // 2
    return nn.Conv2d(inputs, outputs, (1, kernel), (1, stride), (0, padding), bias=False)


def normed(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """Convolve and normalise."""
    return [convolution(inputs, outputs, kernel, stride), nn.BatchNorm2d(outputs)]


def activated(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """Convolve, normalise, rectify."""
    return [*normed(inputs, outputs, kernel, stride), nn.ReLU()]


def initialise(backbone: nn.Module) -> None:
    """Draw the weights of every convolution as He et al. 2015 do."""
    for layer in backbone.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
