"""From signals to embeddings, and how alike embeddings are."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from ecgpipe.model import Backbone


class Embedder(nn.Module):
    """A backbone, its tokens pooled by maximum and mean, and a projector."""

    def __init__(self, backbone: Backbone, projector: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.projector = projector

    def forward(self, signal: Float[Tensor, "batch lead time"]) -> Float[Tensor, "batch dim"]:
        """Embed each signal."""
        tokens = self.backbone(signal)
        return self.projector(torch.cat([tokens.amax(dim=1), tokens.mean(dim=1)], dim=1))


def mlp(inputs: int, hidden: int, outputs: int, norm: bool) -> nn.Sequential:
    """Build a perceptron with one hidden layer, whose bias a batch norm makes superfluous."""
    norms = [nn.BatchNorm1d(hidden)] if norm else []
    first = nn.Linear(inputs, hidden, bias=not norm)
    return nn.Sequential(first, *norms, nn.ReLU(), nn.Linear(hidden, outputs))


def cosines(
    one: Float[Tensor, "left dim"], other: Float[Tensor, "right dim"]
) -> Float[Tensor, "left right"]:
    """Return the cosine of every pair, in float32 whatever the precision around it."""
    with torch.autocast(one.device.type, enabled=False):
        return normalize(one.float(), dim=1) @ normalize(other.float(), dim=1).T
