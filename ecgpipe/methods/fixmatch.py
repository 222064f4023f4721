"""FixMatch (Sohn et al. 2020), multi-label: what a weak view shows surely, the strong view learns.

From the paper: hard pseudo-labels, one fixed threshold, and the mean over the whole batch, in which
unsure entries count as 0. Multi-label: sure absence teaches as sure presence does, entry by entry.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.methods._pseudo_labels import see
from ecgpipe.methods._views import given
from ecgpipe.model import Classifier


@dataclass(frozen=True)
class Config:
    """As published."""

    threshold: float = 0.95  # how sure of presence, or of absence, an opinion must be; 1.1: never
    weight: float = 1.0  # of the unlabeled loss

    def __post_init__(self) -> None:
        if self.threshold < 0.5 or self.weight < 0:
            raise ValueError(
                f"fixmatch: threshold {self.threshold} must be 0.5 or more, weight {self.weight} "
                "not negative"
            )


class Method(nn.Module):
    """Supervised loss plus that of strong views where the weak one is sure."""

    def __init__(
        self, model: Classifier, config: Config, teacher: Classifier | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config

    def forward(self, labeled: Labeled, unlabeled: Unlabeled | None) -> dict[str, Tensor]:
        """Return the loss of one batch."""
        unlabeled = given(unlabeled, "fixmatch")
        batch = see(self.model, labeled, unlabeled)
        sure = batch.weak.confidence >= self.config.threshold
        return batch.terms(sure.float(), self.config.weight)
