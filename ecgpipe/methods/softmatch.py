"""SoftMatch (Chen et al. 2023), multi-label: the less sure a pseudo-label, the less it weighs.

From the paper: a weight of 1 from the running mean of confidence up, below it a Gaussian of half
the running deviation; confidence is that after the marginal distribution has been aligned, which
leaves pseudo-labels as they are. Multi-label: mean and deviation belong to a side of a label; odds
are aligned to those among labeled records rather than to equal ones; and confidence is always that
in the pseudo-label, even where alignment favours the other side.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ecgpipe import parallel
from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.methods._pseudo_labels import Opinions, RunningMean, see
from ecgpipe.methods._views import given
from ecgpipe.model import Classifier

ODDS = 1e-3  # least probability that odds are taken of
VARIANCE = 1e-6  # least variance of a confidence


@dataclass(frozen=True)
class Config:
    """As published."""

    decay: float = 0.999  # of running means
    width: float = 0.5  # of the Gaussian, in deviations
    weight: float = 1.0  # of the unlabeled loss

    def __post_init__(self) -> None:
        if not 0 <= self.decay <= 1 or self.width <= 0 or self.weight < 0:
            raise ValueError(
                f"softmatch: decay {self.decay} must be between 0 and 1, width {self.width} above "
                f"0, weight {self.weight} not negative"
            )


class Method(nn.Module):
    """Supervised loss plus that of strong views, weighed by how sure the weak one is."""

    def __init__(
        self, model: Classifier, config: Config, teacher: Classifier | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config
        labels = len(model.labels)
        self.prevalence = RunningMean(labels, decay=1.0)  # among labeled records
        self.marginal = RunningMean(labels, decay=config.decay)  # mean probability of weak views
        self.moments = RunningMean(2, 2, labels, decay=config.decay)  # of doubt: first, second

    def forward(self, labeled: Labeled, unlabeled: Unlabeled | None) -> dict[str, Tensor]:
        """Return the loss of one batch; let the running means follow."""
        unlabeled = given(unlabeled, "softmatch")
        batch = see(self.model, labeled, unlabeled)
        self.follow(parallel.gather(labeled.target), batch.weak.gathered())
        return batch.terms(self.weights(batch.weak), self.config.weight)

    def follow(self, target: Float[Tensor, "labeled label"], opinions: Opinions) -> None:
        """Add a batch to the running means; alignment first, as doubt depends on it."""
        self.prevalence.add(target.sum(dim=0), len(target))
        self.marginal.add(opinions.logit.sigmoid().sum(dim=0), len(opinions.logit))
        doubt = self.doubt(opinions)
        powers = [opinions.total(doubt), opinions.total(doubt.square())]
        self.moments.add(torch.stack(powers), opinions.total(torch.ones_like(doubt)))

    def doubt(self, opinions: Opinions) -> Float[Tensor, "batch label"]:
        """Give the aligned probability of the other side: 1 less the confidence, but exact."""
        shift = torch.logit(self.prevalence.mean, ODDS) - torch.logit(self.marginal.mean, ODDS)
        aligned = opinions.logit + shift
        return torch.where(opinions.present, -aligned, aligned).sigmoid()

    def weights(self, opinions: Opinions) -> Float[Tensor, "batch label"]:
        """Weigh every opinion by its doubt in excess of the mean doubt of its side."""
        mean, square = self.moments.mean
        deviation = self.config.width * (square - mean.square()).clamp(min=VARIANCE).sqrt()
        excess = (self.doubt(opinions) - opinions.choose(mean)).clamp(min=0)
        return torch.exp(-(excess / opinions.choose(deviation)).square() / 2)
