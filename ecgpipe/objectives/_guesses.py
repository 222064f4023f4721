"""How often a guess is right."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def accuracy(
    logits: Float[Tensor, "batch answer"], answer: Int[Tensor, " batch"]
) -> Float[Tensor, ""]:
    """Return the share of records whose answer has the highest logit."""
    return (logits.argmax(dim=1) == answer).to(torch.float32).mean()
