"""Mixed teacher: MixMatch (Berthelot et al. 2019) with guesses of a mean teacher, multi-label.

A method of this name is compared with CE-SSL (Zhou et al. 2024) and ascribed to Zhang et al. 2022
(J-BHI), whose paper tells of low-entropy labels for unlabeled recordings; neither code nor settings
are public. This is our reading of the name: the average of the student's weights says how likely
each label of a weak view is, its probabilities are sharpened, and the student learns from labeled
and unlabeled records mixed with each other. Weights are those of MixMatch and of the mean teacher.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.methods._teacher import Teacher
from ecgpipe.methods._views import given, shown
from ecgpipe.mixing import mixup
from ecgpipe.model import Classifier, statistics_kept


@dataclass(frozen=True)
class Config:
    """Mixing as in MixMatch, averaging as in the mean teacher.

    MixMatch's weight of 75 sets a mean over 10 classes against a cross entropy that is not divided
    by them; here both losses are means over labels.
    """

    weight: float = 7.5  # of the unlabeled loss
    rise: float = 0.22  # share of the steps in which the weight rises
    decay: float = 0.999  # of the average
    temperature: float = 0.5  # below 1 it sharpens
    alpha: float = 0.75  # of the Beta distribution of shares

    def __post_init__(self) -> None:
        if not 0 <= self.rise <= 1 or not 0 <= self.decay < 1:
            raise ValueError(
                f"mixed_teacher: rise {self.rise} is a share, decay {self.decay} lies below 1"
            )
        if self.temperature <= 0 or self.alpha <= 0:
            raise ValueError(
                f"mixed_teacher: temperature {self.temperature} and alpha {self.alpha} must be "
                "positive"
            )


class Method(nn.Module):
    """Losses on labeled and unlabeled records that are mixed with each other."""

    def __init__(
        self, model: Classifier, config: Config, teacher: Classifier | None = None
    ) -> None:
        super().__init__()
        self.model, self.config = model, config
        self.average = Teacher(model, config.rise)

    def forward(self, labeled: Labeled, unlabeled: Unlabeled | None) -> dict[str, Tensor]:
        """Return the loss of one batch."""
        unlabeled = given(unlabeled, "mixed_teacher")
        views, records = shown(unlabeled), len(labeled.signal)
        opinion = self.average(unlabeled.weak).logit(eps=1e-6) / self.config.temperature
        target = torch.cat([labeled.target] + [opinion.sigmoid().to(labeled.target)] * len(views))
        mixed = mixup(Labeled(torch.cat([labeled.signal, *views]), target), alpha=self.config.alpha)
        logit = self.model(mixed.signal[:records])
        supervised = binary_cross_entropy_with_logits(logit, mixed.target[:records])
        with statistics_kept(self.model):
            probability = self.model(mixed.signal[records:]).float().sigmoid()
        taught = mse_loss(probability, mixed.target[records:])
        loss = supervised + self.config.weight * self.average.say * taught
        return {"loss": loss, "supervised": supervised, "taught": taught}

    def after_step(self, step: int, steps: int) -> None:
        """Let the teacher follow, and its say rise."""
        self.average.follow(self.model, self.config.decay, step, steps)
