"""Mean teacher (Tarvainen & Valpola 2017), multi-label.

The teacher is an average of the student's weights. From another view of an unlabeled record the
student learns to say what the teacher says of the weak one: the loss is the squared difference of
their probabilities. The teacher gives it without dropout, unlike the published one. What is
validated and kept is the student; `ema` of a fit would keep an average.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.methods._teacher import Teacher
from ecgpipe.methods._views import given, shown
from ecgpipe.model import Classifier, statistics_kept


@dataclass(frozen=True)
class Config:
    """As published for SVHN, where the weight rises in 40,000 of 180,000 steps.

    The published weight of 100 sets a mean over 10 classes against a cross entropy that is not
    divided by them; here both losses are means over labels.
    """

    weight: float = 10.0  # of the unlabeled loss
    rise: float = 0.22  # share of the steps
    decay: tuple[float, float] = (0.99, 0.999)  # of the average: while the weight rises, after it

    def __post_init__(self) -> None:
        if not 0 <= self.rise <= 1 or not all(0 <= decay < 1 for decay in self.decay):
            raise ValueError(
                f"mean_teacher: rise {self.rise} is a share, decay {self.decay} lies below 1"
            )


class Method(nn.Module):
    """Supervised loss plus the squared difference from the teacher."""

    def __init__(
        self, model: Classifier, config: Config, teacher: Classifier | None = None
    ) -> None:
        super().__init__()
        self.model, self.config = model, config
        self.average = Teacher(model, config.rise)

    def forward(self, labeled: Labeled, unlabeled: Unlabeled | None) -> dict[str, Tensor]:
        """Return the loss of one batch."""
        supervised = binary_cross_entropy_with_logits(self.model(labeled.signal), labeled.target)
        unlabeled = given(unlabeled, "mean_teacher")
        opinion = self.average(unlabeled.weak)
        with statistics_kept(self.model):  # those of strong views are not those of test signals
            student = [self.model(view).float().sigmoid() for view in shown(unlabeled)]
        taught = torch.stack([mse_loss(probability, opinion) for probability in student]).mean()
        loss = supervised + self.config.weight * self.average.say * taught
        return {"loss": loss, "supervised": supervised, "taught": taught}

    def after_step(self, step: int, steps: int) -> None:
        """Let the teacher follow, and its say rise."""
        rising = step < self.config.rise * steps
        self.average.follow(self.model, self.config.decay[0 if rising else 1], step, steps)
