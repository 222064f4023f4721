"""What FixMatch and its kin share: what a weak view shows surely, the strong view has to show.

In multi-label form each label of each record is an entry of its own with two sides, absent and
present, and either can be a pseudo-label. How sure an opinion is, its confidence, is the
probability of its side: one half at least. What adapts to labels is kept by side and label.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ecgpipe import parallel
from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.model import Classifier

ABSENT, PRESENT = 0, 1  # places of the sides in whatever is kept by side

BySide = Float[Tensor, "side=2 label"]


@dataclass(frozen=True)
class Opinions:
    """What a model holds of records: of each label a side, more or less surely."""

    logit: Float[Tensor, "batch label"]

    @property
    def present(self) -> Bool[Tensor, "batch label"]:
        """Tell which side each opinion takes: the pseudo-label."""
        return self.logit >= 0

    @property
    def confidence(self) -> Float[Tensor, "batch label"]:
        """Give the probability of that side."""
        return self.logit.abs().sigmoid()

    def choose(self, values: BySide) -> Float[Tensor, "batch label"]:
        """Take for each opinion the value of its side."""
        return torch.where(self.present, values[PRESENT], values[ABSENT])

    def total(self, values: Float[Tensor, "batch label"]) -> BySide:
        """Add up the values of the opinions on each side of each label."""
        present = values * self.present
        return torch.stack([values - present, present]).sum(dim=1)

    def gathered(self) -> "Opinions":
        """Add the opinions on the other processes' records: what is kept is equal everywhere."""
        return Opinions(parallel.gather(self.logit))


@dataclass(frozen=True)
class Batch:
    """What a model makes of a batch."""

    supervised: Float[Tensor, ""]  # loss
    strong: Float[Tensor, "view batch label"]  # logits
    weak: Opinions

    def terms(self, weight: Float[Tensor, "batch label"], scale: float) -> dict[str, Tensor]:
        """Return the loss: of strong views the mean over entries, each by its own weight."""
        pseudo_label = self.weak.present.to(self.strong.dtype).expand_as(self.strong)
        entries = binary_cross_entropy_with_logits(self.strong, pseudo_label, reduction="none")
        taught = (weight * entries).mean()
        return {
            "loss": self.supervised + scale * taught,
            "supervised": self.supervised,
            "taught": taught,
            "pseudo_labeled": weight.mean(),
        }


def see(model: Classifier, labeled: Labeled, unlabeled: Unlabeled) -> Batch:
    """Pass labeled records and strong views through the model together, then weak views.

    Norms see labeled and strong records as one batch and remember its statistics: those by which a
    labeled record was normalised while it was learnt are those by which it is in tests. Weak views
    leave no trace: they are read without gradient and as in tests, by the statistics remembered
    and without dropout, which makes better teachers (Cai et al. 2021).
    """
    if not unlabeled.strong:
        raise ValueError(
            "pseudo-labels are learnt by strong views: give the recipe `views: strong`"
        )
    signals = [labeled.signal, *unlabeled.strong]
    logits = model(torch.cat(signals)).float().split([len(signal) for signal in signals])
    supervised = binary_cross_entropy_with_logits(logits[0], labeled.target)
    return Batch(supervised, torch.stack(logits[1:]), read(model, unlabeled.weak))


@torch.no_grad()
def read(model: Classifier, signal: Float[Tensor, "batch lead time"]) -> Opinions:
    """Say what the model holds of signals when it does not learn."""
    was_training = model.training
    model.eval()
    logit = model(signal).float()
    model.train(was_training)
    return Opinions(logit)


class RunningMean(nn.Module):
    """Means of entries, of which earlier ones count less with every batch.

    Nothing is assumed before the first: a few thousand steps are too few to forget a start.
    """

    sums: Tensor
    counts: Tensor

    def __init__(self, *shape: int, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("sums", torch.zeros(shape))
        self.register_buffer("counts", torch.zeros(shape))

    def add(self, sums: Tensor, counts: Tensor | int) -> None:
        """Add a batch's sums of entries and how many they are."""
        self.sums.mul_(self.decay).add_(sums)
        self.counts.mul_(self.decay).add_(counts)

    @property
    def mean(self) -> Tensor:
        """The means; zero where there was no entry yet."""
        return self.sums / self.counts.clamp(min=torch.finfo(self.counts.dtype).tiny)
