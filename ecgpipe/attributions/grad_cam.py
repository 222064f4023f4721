"""Grad-CAM (Selvaraju et al. 2017) on the tokens that the head pools: when, not in which lead.

Tokens have no leads, so all leads get the same, and a token speaks for the time around it.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from ecgpipe.logits import own, settled
from ecgpipe.model import Classifier

OF_TOKENS = True


@dataclass(frozen=True)
class Config:
    """There is nothing to choose."""


@torch.enable_grad()
def attribute(
    network: Classifier,
    signal: Float[Tensor, "crop lead time"],
    label: Int[Tensor, " crop"],
    config: Config,
    fs: int,
) -> Float[Tensor, "crop lead time"]:
    """Weigh features by their mean gradient, rectify, and bring tokens to the signal's rate."""
    assert network.head is not None, "a classifier without labels has no logits"
    if not network.backbone.timed:
        raise ValueError(
            "grad_cam needs tokens that stand for parts of the time, which those of this backbone "
            "do not; explain it by gradient_input, integrated_gradients or occlusion"
        )
    with settled(network):
        with torch.no_grad():
            tokens, recorded = network.backbone.encode(signal)
        tokens = tokens.float().requires_grad_()  # from here back through the head alone
        (slope,) = torch.autograd.grad(own(network.head(tokens, recorded), label).sum(), tokens)
    heat = (slope.mean(dim=1, keepdim=True) * tokens.detach()).sum(dim=2).relu() * recorded
    return interpolate(heat[:, None], signal.shape[-1], mode="linear").expand_as(signal)
