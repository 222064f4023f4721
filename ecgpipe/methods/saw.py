"""SAW (Lai et al. 2022), multi-label: the rarer a sure pseudo-label, the more it weighs.

From the paper: an entry of FixMatch's unlabeled loss weighs by its class, the less the more
pseudo-labels the class has; smoothed, here by effective numbers (Cui et al. 2019), which level off
where there are many. Multi-label: each label has two classes, its sides, whose weights have a mean
of 1; what is never present for sure is hardly taught as absent. The number of pseudo-labels is the
share that a running mean over batches finds, of all unlabeled records.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.methods._pseudo_labels import BySide, RunningMean, see
from ecgpipe.methods._views import given
from ecgpipe.model import Classifier


@dataclass(frozen=True)
class Config:
    """FixMatch's threshold; the base as published for effective numbers."""

    threshold: float = 0.95  # how sure of presence, or of absence, an opinion must be
    base: float = 0.999  # of effective numbers, which are below 1 / (1 - base)
    decay: float = 0.99  # of the shares, with every batch
    weight: float = 1.0  # of the unlabeled loss

    def __post_init__(self) -> None:
        fine = self.threshold >= 0.5 and 0 < self.base < 1 and 0 <= self.decay <= 1
        if not fine or self.weight < 0:
            raise ValueError(
                f"saw: threshold {self.threshold} must be 0.5 or more, base {self.base} and decay "
                f"{self.decay} between 0 and 1, weight {self.weight} not negative"
            )


class Method(nn.Module):
    """Supervised loss plus that of strong views where the weak one is sure, rare sides first."""

    def __init__(
        self, model: Classifier, config: Config, teacher: Classifier | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.shares = RunningMean(2, len(model.labels), decay=config.decay)

    def forward(self, labeled: Labeled, unlabeled: Unlabeled | None) -> dict[str, Tensor]:
        """Return the loss of one batch; let the shares follow."""
        unlabeled = given(unlabeled, "saw")
        batch = see(self.model, labeled, unlabeled)
        everyone = batch.weak.gathered()
        sure = (everyone.confidence >= self.config.threshold).float()
        self.shares.add(everyone.total(sure), len(sure))
        weight = rarity(self.shares.mean * unlabeled.of_total, self.config.base)
        sure = (batch.weak.confidence >= self.config.threshold).float()
        return batch.terms(sure * batch.weak.choose(weight), self.config.weight)


def rarity(number: BySide, base: float) -> BySide:
    """Weigh the sides of each label by inverse effective numbers of records; none counts as one."""
    inverse = (1 - base) / -torch.expm1(number.clamp(min=1) * math.log(base))
    return inverse / inverse.mean(dim=0)
