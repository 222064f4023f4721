"""CMSC of CLOCS (Kiyasseh et al. 2021): segments of one patient attract, those of others repel.

The two halves of a crop are adjacent segments of one recording; other recordings of the same
patient in the batch are alike to them, too.
"""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from ecgpipe import parallel
from ecgpipe.augment import make_view
from ecgpipe.batches import Pretext
from ecgpipe.model import Classifier
from ecgpipe.objectives._embedding import Embedder, cosines


@dataclass(frozen=True)
class Config:
    """How segments are disturbed, embedded and compared."""

    views: tuple[Any, ...] = ()
    dim: int = 128
    temperature: float = 0.1

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ValueError(f"cmsc: temperature {self.temperature} must be above 0")


class Objective(nn.Module):
    """Find the other half, and all halves of the same patient, among those of the batch."""

    def __init__(self, model: Classifier, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedder = Embedder(model.backbone, nn.Linear(2 * model.backbone.dim, config.dim))

    def forward(self, batch: Pretext) -> dict[str, Tensor]:
        """Return the loss of one batch, over all processes."""
        half = batch.signal.shape[-1] // 2
        halves = batch.signal[..., :half], batch.signal[..., half : 2 * half]
        early, late = (
            parallel.gather(
                self.embedder(make_view(signal, self.config.views, batch.montage, batch.generator))
            )
            for signal in halves
        )
        patient = parallel.gather(batch.patient)
        alike = cosines(early, late) / self.config.temperature
        same = patient == patient[:, None]
        return {"loss": (attraction(alike, same) + attraction(alike.T, same)) / 2}


def attraction(
    alike: Float[Tensor, "left right"], same: Bool[Tensor, "left right"]
) -> Float[Tensor, ""]:
    """Return the cross entropy of finding those of the same patient, each weighing alike."""
    share = same / same.sum(dim=1, keepdim=True)
    return -(share * log_softmax(alike, dim=1)).sum(dim=1).mean()
