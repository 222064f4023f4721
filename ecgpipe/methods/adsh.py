"""Adsh (Guo & Li 2022), multi-label: of every label the same share of opinions teaches.

From the paper: the most common class has a fixed threshold; every other class has the threshold
that selects as large a share of its pseudo-labels. Multi-label: so it is for presence among labels,
and for absence. Where the paper sorts all unlabeled records once an epoch, a running histogram of
confidence follows the batches; thresholds are edges of its bins, 0.001 apart.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.methods._pseudo_labels import BySide, Opinions, see
from ecgpipe.methods._views import given
from ecgpipe.model import Classifier

BINS = 500  # from a confidence of one half to 1


@dataclass(frozen=True)
class Config:
    """The published threshold."""

    threshold: float = 0.95  # of the most common label, on either side
    decay: float = 0.99  # of the histogram, with every batch
    weight: float = 1.0  # of the unlabeled loss

    def __post_init__(self) -> None:
        if not 0.5 <= self.threshold < 1 or not 0 <= self.decay <= 1 or self.weight < 0:
            raise ValueError(
                f"adsh: threshold {self.threshold} must be between 0.5 and 1, decay {self.decay} "
                f"between 0 and 1, weight {self.weight} not negative"
            )


class Method(nn.Module):
    """Supervised loss plus that of strong views where the weak one is among the surest."""

    histogram: Float[Tensor, "side=2 label bin"]

    def __init__(
        self, model: Classifier, config: Config, teacher: Classifier | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.register_buffer("histogram", torch.zeros(2, len(model.labels), BINS))

    def forward(self, labeled: Labeled, unlabeled: Unlabeled | None) -> dict[str, Tensor]:
        """Return the loss of one batch; let the histogram follow."""
        unlabeled = given(unlabeled, "adsh")
        batch = see(self.model, labeled, unlabeled)
        self.histogram.mul_(self.config.decay).add_(count(batch.weak.gathered()))
        threshold = batch.weak.choose(equal_shares(self.histogram, self.config.threshold))
        return batch.terms((batch.weak.confidence >= threshold).float(), self.config.weight)


def count(opinions: Opinions) -> Float[Tensor, "side=2 label bin"]:
    """Count a batch's opinions by side, label and bin of confidence."""
    bins = ((opinions.confidence - 0.5) * 2 * BINS).long().clamp(max=BINS - 1)
    label = torch.arange(bins.shape[1], device=bins.device)
    place = (opinions.present * bins.shape[1] + label) * BINS + bins
    counts = opinions.logit.new_zeros(2 * bins.shape[1] * BINS)
    return counts.index_add_(0, place.flatten(), counts.new_ones(place.numel())).view(2, -1, BINS)


def equal_shares(histogram: Float[Tensor, "side=2 label bin"], threshold: float) -> BySide:
    """Find the thresholds that select the share which the fixed one selects of the most common."""
    above = histogram.flip(-1).cumsum(-1).flip(-1)  # opinions in a bin or a surer one
    size = above[..., 0]
    share = above / size.clamp(min=torch.finfo(size.dtype).tiny)[..., None]
    fixed = share[..., round((threshold - 0.5) * 2 * BINS)]
    followed = fixed.gather(1, size.argmax(dim=1, keepdim=True))
    surest = (share >= followed[..., None]).sum(dim=-1) - 1  # the last bin that selects as many
    return 0.5 + surest.clamp(min=0) / (2 * BINS)
