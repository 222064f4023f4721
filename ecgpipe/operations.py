"""How many floating-point operations are done: what costs are told in."""

from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import (
    FlopCounterMode,
    conv_flop_count,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

from ecgpipe.model import Classifier

aten = torch.ops.aten


class Counter(TorchDispatchMode):
    """Counts what is computed within it, backward passes included; what comes out is the same.

    A multiplication with an addition counts as two. Fourier transforms and what is done element by
    element are not counted. Torch's own counter also follows modules through the backward pass, and
    fails where one is given a view of a parameter without gradient.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Compute, and add what it took by the operation's formula."""
        kwargs = kwargs or {}
        formula = FORMULAS.get(func._overloadpacket)
        if formula is None:
            with self:  # it may be made of others that have one
                made = func.decompose(*args, **kwargs)
            if made is not NotImplemented:
                return made
        computed = func(*args, **kwargs)
        if formula is not None:
            self.operations += formula(*args, **kwargs, out_val=computed)
        return computed


def count_operations(model: Classifier, example: Tensor) -> int:
    """Count floating-point operations of one forward pass of the backbone over one crop."""
    was_training = model.training
    model.eval()
    with torch.no_grad(), Counter() as counter:
        model.backbone(example)
    model.train(was_training)
    return counter.operations


def _attention(query: tuple, key: tuple, value: tuple, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward(
    gradient: tuple, query: tuple, key: tuple, value: tuple, *_: Any, **__: Any
) -> int:
    return sdpa_backward_flop_count(gradient, query, key, value)


def _recurrent_layer(signal: tuple, from_input: tuple, from_past: tuple, *_: Any, **__: Any) -> int:
    return 2 * signal[0] * signal[1] * (prod(from_input) + prod(from_past))


def _recurrent_layer_backward(*shapes: Any, **__: Any) -> int:
    """The kernel takes every gradient, wanted or not: of the signal and of the weights."""
    return 2 * _recurrent_layer(*shapes)


def _recurrent(signal: tuple, weights: list[tuple], *_: Any, **__: Any) -> int:
    matrices = sum(prod(weight) for weight in weights if len(weight) > 1)
    return 2 * prod(signal[:-1]) * matrices  # packed, batch and time are one


def _recurrent_backward(signal: tuple, weights: list[tuple], *told: Any, **__: Any) -> int:
    """Through time the kernel always goes; gradients of weights are the last of those asked for."""
    of_weights = told[-1][-1]
    return (1 + of_weights) * _recurrent(signal, weights)


def _convolution_backward(
    gradient: tuple, signal: tuple, weight: tuple, *told: Any, **__: Any
) -> int:
    """Either gradient takes as much as the convolution (torch's own count forgets its groups)."""
    *_, transposed, _, _, (of_signal, of_weight, _) = told
    once = conv_flop_count(list(signal), list(weight), list(gradient), transposed)
    return (of_signal + of_weight) * once


# what torch's own counter passes over, fused kernels (of one layer on a CPU and of all on a GPU),
# or counts otherwise
OWN = {
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    aten.mkldnn_rnn_layer: _recurrent_layer,
    aten.mkldnn_rnn_layer_backward: _recurrent_layer_backward,
    aten._cudnn_rnn: _recurrent,
    aten._cudnn_rnn_backward: _recurrent_backward,
    aten.convolution_backward: _convolution_backward,
}
FORMULAS = FlopCounterMode(display=False, custom_mapping=OWN).flop_registry
