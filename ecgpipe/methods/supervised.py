"""Labeled records only: binary cross entropy."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.model import Classifier


@dataclass(frozen=True)
class Config:
    """There is nothing to choose."""


class Method(nn.Module):
    """Mean binary cross entropy over records and labels."""

    uses_unlabeled = False

    def __init__(
        self, model: Classifier, config: Config, teacher: Classifier | None = None
    ) -> None:
        super().__init__()
        self.model = model

    def forward(self, labeled: Labeled, unlabeled: Unlabeled | None) -> dict[str, Tensor]:
        """Return the loss of one batch."""
        loss = binary_cross_entropy_with_logits(self.model(labeled.signal), labeled.target)
        return {"loss": loss, "supervised": loss}
