"""How many floating-point operations a network takes: what its cost is told in."""

from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from ecgpipe.model import Classifier

aten = torch.ops.aten


def count_operations(model: Classifier, example: Tensor) -> int:
    """Count floating-point operations of one forward pass of the backbone over one crop.

    A multiplication with an addition counts as two. Fourier transforms and what is done element by
    element are not counted.
    """
    was_training = model.training
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=UNCOUNTED) as counter:
        model.backbone(example)
    model.train(was_training)
    return counter.get_total_flops()


def _attention(query: tuple, key: tuple, value: tuple, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _recurrent_layer(signal: tuple, from_input: tuple, from_past: tuple, *_: Any, **__: Any) -> int:
    return 2 * signal[0] * signal[1] * (prod(from_input) + prod(from_past))


def _recurrent(signal: tuple, weights: list[tuple], *_: Any, **__: Any) -> int:
    matrices = sum(prod(weight) for weight in weights if len(weight) > 1)
    return 2 * signal[0] * signal[1] * matrices


# what torch's own counter passes over: fused kernels, of one layer on a CPU and of all on a GPU
UNCOUNTED = {
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten.mkldnn_rnn_layer: _recurrent_layer,
    aten._cudnn_rnn: _recurrent,
}
