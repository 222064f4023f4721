"""Linear maps and convolutions by `W + up @ down`, that never form the gradient of W.

The product is added to the weight, so that one pass over the signal does. Backward, with
`y = (W + up @ down) x`, the gradients of the factors are `dy (down x)^T` and `(up^T dy) x^T`: two
thin passes, of as many channels as the rank, in place of the gradient of W, which is a third of the
work of training. A layer without factors saves those too, and learns its bias alone (CPUs otherwise
make the gradient of a convolution's weight along with its bias's).
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from ecgpipe.adapter_files import Factors

Convolution = nn.Conv1d | nn.Conv2d


def updated_linear(
    layer: nn.Linear, signal: Float[Tensor, "*batch inputs"], factors: Factors | None
) -> Float[Tensor, "*batch width"]:
    """Apply a linear layer whose weight is updated, block by block of its rows."""
    up, down = factors or (None, None)
    return _Linear.apply(_lowered(signal), layer.weight, layer.bias, up, down)


def updated_convolution(
    layer: Convolution, signal: Float[Tensor, "batch lead *time"], factors: Factors | None
) -> Float[Tensor, "batch channel *point"]:
    """Apply a convolution whose weight is updated; the gradient of grouped weights is formed."""
    up, down = factors or (None, None)
    if layer.groups > 1 or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        return layer._conv_forward(signal, add_product(layer.weight, up, down), layer.bias)
    return _Convolution.apply(_lowered(signal), layer.weight, layer.bias, up, down, layer)


def add_product(weight: Tensor, up: Tensor | None, down: Tensor | None) -> Tensor:
    """Return the updated weight."""
    return weight if up is None or down is None else weight + (up @ down).view_as(weight)


def _lowered(signal: Tensor) -> Tensor:
    """Bring a signal to the precision of autocast, where that is on."""
    device = signal.device.type
    on = torch.is_autocast_enabled(device)
    return signal.to(torch.get_autocast_dtype(device)) if on else signal


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        signal: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        up: Tensor | None,
        down: Tensor | None,
    ) -> Tensor:
        context.save_for_backward(signal, weight, up, down)
        return linear(signal, add_product(weight, up, down).to(signal.dtype), bias)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        signal, weight, up, down = context.saved_tensors
        updated = add_product(weight, up, down).to(signal.dtype)  # once more, rather than kept
        of_signal = gradient @ updated if context.needs_input_grad[0] else None
        rows = gradient.flatten(0, -2)
        of_bias = rows.sum(0) if context.needs_input_grad[2] else None
        if up is None:
            return of_signal, None, of_bias, None, None
        columns = signal.flatten(0, -2)
        blocks = rows.unflatten(1, (len(up), -1)).transpose(0, 1)  # (block, row, output)
        of_up = blocks.mT @ (columns @ down.to(rows.dtype).mT)
        of_down = (blocks @ up.to(rows.dtype)).mT @ columns
        return of_signal, None, of_bias, of_up, of_down


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        signal: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        up: Tensor | None,
        down: Tensor | None,
        layer: Convolution,
    ) -> Tensor:
        context.save_for_backward(signal, weight, up, down)
        context.layer = layer
        updated = add_product(weight, up, down).to(signal.dtype)
        return layer._conv_forward(signal, updated, bias)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        signal, weight, up, down = context.saved_tensors
        layer, needs = context.layer, context.needs_input_grad
        updated = add_product(weight, up, down).to(signal.dtype)
        of_signal = _gradient(layer, gradient, signal, updated, of=0) if needs[0] else None
        points = gradient.flatten(2)
        of_bias = points.sum((0, 2)) if needs[2] else None
        if up is None:
            return of_signal, None, of_bias, None, None, None
        kernel = down.to(gradient.dtype).view(-1, *updated.shape[1:])  # of `rank` channels
        found = layer._conv_forward(signal, kernel, None).flatten(2)
        of_up = torch.einsum("bot,brt->or", points, found)[None]
        back = (up[0].to(gradient.dtype).mT @ points).unflatten(2, gradient.shape[2:])
        of_down = _gradient(layer, back, signal, kernel, of=1).reshape(down.shape)
        return of_signal, None, of_bias, of_up, of_down, None


def _gradient(
    layer: Convolution, gradient: Tensor, signal: Tensor, weight: Tensor, *, of: int
) -> Tensor:
    """Take the gradient of a convolution: of its signal (0) or its weight (1)."""
    geometry = (layer.stride, layer.padding, layer.dilation, False, layer.output_padding, 1)
    mask = [of == 0, of == 1, False]
    return torch.ops.aten.convolution_backward(gradient, signal, weight, None, *geometry, mask)[of]
