"""Supervised pretraining: binary cross entropy against the labels of the tasks named."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ecgpipe.batches import Pretext
from ecgpipe.model import Classifier


@dataclass(frozen=True)
class Config:
    """There is nothing to choose."""


class Objective(nn.Module):
    """Mean binary cross entropy over records and labels."""

    def __init__(self, model: Classifier, config: Config) -> None:
        super().__init__()
        if model.head is None:
            raise ValueError("supervised pretraining needs labels: name `tasks`, not `datasets`")
        self.model = model

    def forward(self, batch: Pretext) -> dict[str, Tensor]:
        """Return the loss of one batch."""
        assert batch.target is not None, "tasks were named, so there are targets"
        return {"loss": binary_cross_entropy_with_logits(self.model(batch.signal), batch.target)}
