"""SimCLR (Chen et al. 2020): two views of a signal attract, those of all other signals repel.

The values are those of Mehari & Strodthoff 2022 for 12-lead ECG.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ecgpipe import parallel
from ecgpipe.batches import Pretext
from ecgpipe.model import Classifier
from ecgpipe.objectives._embedding import Embedder, cosines, mlp
from ecgpipe.objectives._views import view


@dataclass(frozen=True)
class Config:
    """How views are made, embedded and compared."""

    views: tuple[Any, ...] = ("local_warp", "time_out")
    crop: float | None = None  # seconds; each view is another crop, else both are of the same one
    hidden: int = 512
    norm: bool = False  # batch norm in the projector
    dim: int = 16
    temperature: float = 0.5

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ValueError(f"simclr: temperature {self.temperature} must be above 0")


class Objective(nn.Module):
    """Find the other view of a signal among all views of the batch."""

    def __init__(self, model: Classifier, config: Config) -> None:
        super().__init__()
        self.config = config
        projector = mlp(2 * model.backbone.dim, config.hidden, config.dim, config.norm)
        self.embedder = Embedder(model.backbone, projector)

    def forward(self, batch: Pretext) -> dict[str, Tensor]:
        """Return the loss of one batch, over all processes."""
        views = [view(batch, self.config.views, self.config.crop) for _ in range(2)]
        one, other = (parallel.gather(self.embedder(signal)) for signal in views)
        return {"loss": nt_xent(one, other, self.config.temperature)}


def nt_xent(
    one: Float[Tensor, "batch dim"], other: Float[Tensor, "batch dim"], temperature: float
) -> Float[Tensor, ""]:
    """Return the normalised, temperature-scaled cross entropy, from both views' side."""
    embeddings = torch.cat([one, other])
    index = torch.arange(len(embeddings), device=one.device)
    logits = cosines(embeddings, embeddings) / temperature
    itself = index == index[:, None]
    return cross_entropy(logits.masked_fill(itself, -torch.inf), index.roll(len(one)))
