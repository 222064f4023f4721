"""One logit of each crop, as in prediction: what attributions explain."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ecgpipe.model import Classifier

SAMPLES = {"cpu": 2**15, "cuda": 2**19}  # of a lead, in one pass that keeps what a gradient needs


def per_pass(length: int, device: torch.device) -> int:
    """Say how many crops of a length go through a network at once."""
    return max(1, SAMPLES[device.type] // length)


@contextmanager
def settled(network: nn.Module) -> Iterator[None]:
    """Let a network work as in prediction, then put every part back into the mode it was in.

    Recurrent layers are in train mode, for cuDNN differentiates them in no other. They work alike
    in both, as long as they drop nothing out between layers.
    """
    modes = [(module, module.training) for module in network.modules()]
    for module, _ in modes:
        module.training = isinstance(module, nn.RNNBase)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def logit(
    network: Classifier, signal: Float[Tensor, "crop lead time"], label: Int[Tensor, " crop"]
) -> Float[Tensor, " crop"]:
    """Return the logit of each crop's own label, in float32."""
    return own(network(signal), label)


def own(logits: Float[Tensor, "crop label"], label: Int[Tensor, " crop"]) -> Float[Tensor, " crop"]:
    """Take each crop's own label of all."""
    return logits.float().gather(1, label[:, None])[:, 0]
