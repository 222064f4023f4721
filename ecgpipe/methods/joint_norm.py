"""Semi-supervised batch normalisation (CE-SSL, Zhou et al. 2024).

Unlabeled records, as weak views, pass the stem together with the labeled ones and so have their say
in the statistics that its batch norms normalise with and remember. Behind the stem there are only
labeled records, and the supervised loss on them is the whole loss: no pseudo-labels, no further
passes. Its gradient reaches the unlabeled half through the common statistics, as published;
`joint_norm_detached` leaves that out.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.methods._joint import both, refuse_still_norms, supervise
from ecgpipe.model import Classifier


@dataclass(frozen=True)
class Config:
    """There is nothing to choose; how many unlabeled records there are is the fit's."""


class Method(nn.Module):
    """Binary cross entropy of labeled records, normalised together with unlabeled ones."""

    def __init__(
        self, model: Classifier, config: Config, teacher: Classifier | None = None
    ) -> None:
        super().__init__()
        refuse_still_norms(model.backbone, "joint_norm")
        self.model = model

    def forward(self, labeled: Labeled, unlabeled: Unlabeled | None) -> dict[str, Tensor]:
        """Return the loss of one batch."""
        stemmed = self.model.backbone.stem(both(labeled, unlabeled, "joint_norm"))
        return supervise(self.model, stemmed[: len(labeled.signal)], labeled)
