"""Self-training with a noisy student (Xie et al. 2020), multi-label.

The model of the round before, frozen, gives every label of a weak view a probability; the student
learns it, soft, from a strong view. In round 1 there is no teacher and this is supervised learning.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.model import Classifier, statistics_kept


@dataclass(frozen=True)
class Config:
    """The published student weighs labeled and unlabeled records alike."""

    weight: float = 1.0  # of the unlabeled loss


class Method(nn.Module):
    """Supervised loss plus the teacher's opinion on unlabeled records."""

    def __init__(
        self, model: Classifier, config: Config, teacher: Classifier | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.uses_unlabeled = teacher is not None
        self.teacher = None if teacher is None else teacher.requires_grad_(False)

    def forward(self, labeled: Labeled, unlabeled: Unlabeled | None) -> dict[str, Tensor]:
        """Return the loss of one batch; without a teacher it is the supervised one."""
        supervised = binary_cross_entropy_with_logits(self.model(labeled.signal), labeled.target)
        if self.teacher is None:
            return {"loss": supervised, "supervised": supervised}
        if unlabeled is None:
            raise ValueError("self_training needs unlabeled views: give the recipe `views: weak`")
        with torch.no_grad():
            opinion = self.teacher.eval()(unlabeled.weak).sigmoid()
        with statistics_kept(self.model):  # those of strong views are not those of test signals
            student = [
                binary_cross_entropy_with_logits(self.model(view), opinion)
                for view in unlabeled.strong
            ]
        taught = torch.stack(student).mean()
        loss = supervised + self.config.weight * taught
        return {"loss": loss, "supervised": supervised, "taught": taught}
