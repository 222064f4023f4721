"""Leaky rectifiers (Maas et al. 2013) that keep little for their backward pass.

The framework's keeps what comes in, though the norm in front keeps a map of that size already, and
the layer behind keeps what comes out. Signs are all that is needed, and no sign is changed: what
comes out will do where a layer behind keeps it anyway, elsewhere a byte an entry.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

SLOPE = 0.01  # below zero


class LeakyReLU(nn.Module):
    """A leaky rectifier in front of a layer that learns."""

    def forward(self, signal: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Rectify; keep what comes out."""
        return _Rectify.apply(signal)


def rectify_and_add(
    signal: Float[Tensor, "*shape"], other: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Rectify one and add the other; keep signs."""
    return _RectifyAndAdd.apply(signal, other)


class _Rectify(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(signal: Tensor) -> Tensor:
        return leaky_relu(signal, SLOPE)

    @staticmethod
    def setup_context(context: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        context.save_for_backward(output)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        (rectified,) = context.saved_tensors
        return torch.ops.aten.leaky_relu_backward(gradient, rectified, SLOPE, True)


class _RectifyAndAdd(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(signal: Tensor, other: Tensor) -> Tensor:
        return leaky_relu(signal, SLOPE).add_(other)

    @staticmethod
    def setup_context(context: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        context.save_for_backward(inputs[0] > 0)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        positive = context.saved_tensors[0].to(gradient.dtype)  # `where` takes six times as long
        return torch.ops.aten.leaky_relu_backward(gradient, positive, SLOPE, True), gradient
