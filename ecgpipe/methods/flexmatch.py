"""FlexMatch (Zhang et al. 2021), multi-label: thresholds rise with what has been learnt.

From the paper: the learning status is a count of the unlabeled records whose last sure pseudo-label
was of a class, divided by the largest such count or, at first, by that of the records not yet sure;
x / (2 - x) makes a threshold of it. Multi-label: each side of each label is a class. The paper
assumes classes to be equally common, which presence and absence are not: a count is divided by what
the labeled records lead one to expect. Thresholds start from one half, the confidence that every
opinion has, where the paper's start from 0.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ecgpipe import parallel
from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.methods._pseudo_labels import ABSENT, PRESENT, BySide, Opinions, RunningMean, see
from ecgpipe.methods._views import given
from ecgpipe.model import Classifier

UNSURE = -1  # so far


@dataclass(frozen=True)
class Config:
    """As published, but for the memory."""

    threshold: float = 0.95  # of what is learnt best
    weight: float = 1.0  # of the unlabeled loss
    memory: int = 1 << 17  # unlabeled records, at least as many as there are; a byte a label

    def __post_init__(self) -> None:
        if self.threshold < 0.5 or self.weight < 0 or self.memory < 1:
            raise ValueError(
                f"flexmatch: threshold {self.threshold} must be 0.5 or more, weight {self.weight} "
                f"not negative, memory {self.memory} 1 or more"
            )


class Method(nn.Module):
    """Supervised loss plus that of strong views where the weak one is sure enough for its label."""

    last: Int[Tensor, "record label"]

    def __init__(
        self, model: Classifier, config: Config, teacher: Classifier | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.prevalence = RunningMean(len(model.labels), decay=1.0)
        memory = torch.full((config.memory, len(model.labels)), UNSURE, dtype=torch.int8)
        self.register_buffer("last", memory)

    def forward(self, labeled: Labeled, unlabeled: Unlabeled | None) -> dict[str, Tensor]:
        """Return the loss of one batch; remember what it was sure of."""
        unlabeled = given(unlabeled, "flexmatch")
        batch = see(self.model, labeled, unlabeled)
        target = parallel.gather(labeled.target)
        self.prevalence.add(target.sum(dim=0), len(target))
        threshold = batch.weak.choose(self.thresholds(unlabeled.of_total))
        self.remember(parallel.gather(unlabeled.index), batch.weak.gathered())
        return batch.terms((batch.weak.confidence >= threshold).float(), self.config.weight)

    def thresholds(self, records: int) -> BySide:
        """Set the thresholds of both sides of each label by how much of it has been learnt."""
        if records > len(self.last):
            raise ValueError(
                f"flexmatch remembers {len(self.last)} unlabeled records and there are {records}: "
                f"set the method's `memory` to {records} or more"
            )
        last = self.last[:records]
        sure = torch.stack([(last == side).float().sum(dim=0) for side in (ABSENT, PRESENT)])
        return curriculum(sure, self.prevalence.mean, records, self.config.threshold)

    def remember(self, index: Int[Tensor, " batch"], opinions: Opinions) -> None:
        """Keep the pseudo-labels that reach the fixed threshold; the others stay as they were."""
        sure = opinions.confidence >= self.config.threshold
        self.last[index] = torch.where(sure, opinions.present.to(torch.int8), self.last[index])


def curriculum(
    sure: BySide, prevalence: Float[Tensor, " label"], records: int, threshold: float
) -> BySide:
    """Turn counts of sure records into thresholds between one half and that of the best learnt."""
    expected = records * torch.stack([1 - prevalence, prevalence])
    found = (sure / expected.clamp(min=1)).clamp(max=1)  # rarely there are more than expected
    unsure = 1 - sure.sum() / (records * sure.shape[1])
    status = found / torch.maximum(found.max(), unsure)
    return 0.5 + (threshold - 0.5) * status / (2 - status)
