"""Supervised pretraining: binary cross entropy against the labels of the tasks named.

Recordings of days give many windows of few patients, most of them of one class. With an `evenness`
above 0, each class of each patient is drawn as often as the power 1 - evenness of its windows: at
0.5 by their square root, as rare classes are in Mahajan et al. 2018, at 1 all of them alike.
"""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float64
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ecgpipe import episodes
from ecgpipe.batches import Pretext
from ecgpipe.cohort import Cohort
from ecgpipe.model import Classifier
from ecgpipe.objectives._views import view


@dataclass(frozen=True)
class Config:
    """How records are seen, and how often: by default as they are, each as often as another."""

    views: tuple[Any, ...] = ()
    evenness: float = 0.0
    held_out: float = 0.05  # of the train patients, who judge; 0: those of valid do instead

    def __post_init__(self) -> None:
        if not 0 <= self.evenness <= 1:
            raise ValueError(f"supervised: evenness {self.evenness} must lie between 0 and 1")
        if not 0 <= self.held_out < 1:
            raise ValueError(f"supervised: held_out {self.held_out}: expected a share below 1")


class Objective(nn.Module):
    """Mean binary cross entropy over records and labels."""

    def __init__(self, model: Classifier, config: Config) -> None:
        super().__init__()
        if model.head is None:
            raise ValueError("supervised pretraining needs labels: name `tasks`, not `datasets`")
        self.model, self.config = model, config

    def forward(self, batch: Pretext) -> dict[str, Tensor]:
        """Return the loss of one batch."""
        assert batch.target is not None, "tasks were named, so there are targets"
        logit = self.model(view(batch, self.config.views, None))
        return {"loss": binary_cross_entropy_with_logits(logit, batch.target)}

    def draw_weights(self, learned: Cohort) -> Float64[Tensor, " record"] | None:
        """Say how often records are drawn, if not all as often."""
        return weigh(learned, self.config.evenness) if self.config.evenness else None


def weigh(learned: Cohort, evenness: float) -> Float64[Tensor, " record"]:
    """Weigh a record the less, the more its patient has of its class (`episodes.classes`)."""
    kind = episodes.classes(learned.target)
    group = learned.patient * (1 + learned.target.shape[1]) + kind
    _, own, count = group.unique(return_inverse=True, return_counts=True)
    return (count.double() ** -evenness)[own].cpu()
