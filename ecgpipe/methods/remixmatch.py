"""ReMixMatch (Berthelot et al. 2020), multi-label and without its loss on rotated inputs.

What the model says of the weak view of an unlabeled record is a guess, the anchor of all its strong
views. Guesses are aligned: a label that the model gives more often than labeled records have it is
made less likely, in the same proportion of odds. Then they are sharpened. Labeled records, strong
views and the weak one are mixed with each other; one strong view is also learnt as it is.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ecgpipe import parallel
from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.methods._views import given
from ecgpipe.mixing import mixup
from ecgpipe.model import Classifier, statistics_kept

RAREST = 1e-3  # how seldom a label is taken to be, at least: odds must be finite


@dataclass(frozen=True)
class Config:
    """As published; how many strong views there are (8) is the recipe's."""

    weight: float = 1.5  # of the loss on mixed unlabeled records
    anchored: float = 0.5  # weight of the loss on a strong view that is not mixed
    rise: float = 1 / 64  # share of the steps in which both weights rise
    temperature: float = 0.5  # below 1 it sharpens
    alpha: float = 0.75  # of the Beta distribution of shares
    memory: int = 128  # batches over which the frequencies of labels are averaged

    def __post_init__(self) -> None:
        if not 0 <= self.rise <= 1 or self.memory < 1:
            raise ValueError(
                f"remixmatch: rise {self.rise} is a share, memory {self.memory} at least 1"
            )
        if self.temperature <= 0 or self.alpha <= 0:
            raise ValueError(
                f"remixmatch: temperature {self.temperature} and alpha {self.alpha} must be "
                "positive"
            )


class Method(nn.Module):
    """Losses on labeled records and views mixed with each other, and on one view as it is."""

    rise: Tensor
    had: Tensor
    guessed: Tensor

    def __init__(
        self, model: Classifier, config: Config, teacher: Classifier | None = None
    ) -> None:
        super().__init__()
        self.model, self.config = model, config
        self.register_buffer("rise", torch.tensor(0.0 if config.rise else 1.0))
        # how common each label is: among labeled records, and by the model's own guesses
        self.register_buffer("had", torch.full((len(model.labels),), 0.5))
        self.register_buffer("guessed", torch.full((len(model.labels),), 0.5))

    def forward(self, labeled: Labeled, unlabeled: Unlabeled | None) -> dict[str, Tensor]:
        """Return the loss of one batch."""
        unlabeled = given(unlabeled, "remixmatch")
        if not unlabeled.strong:
            raise ValueError("remixmatch needs strong views: give the recipe `views: strong`")
        guess = self.guess(labeled, unlabeled).to(labeled.target)
        views, records = [*unlabeled.strong, unlabeled.weak], len(labeled.signal)
        whole = Labeled(
            torch.cat([labeled.signal, *views]), torch.cat([labeled.target] + [guess] * len(views))
        )
        mixed = mixup(whole, alpha=self.config.alpha)
        logit = self.model(mixed.signal[:records])
        supervised = binary_cross_entropy_with_logits(logit, mixed.target[:records])
        with statistics_kept(self.model):
            logit = self.model(mixed.signal[records:])
            taught = binary_cross_entropy_with_logits(logit, mixed.target[records:])
            anchored = binary_cross_entropy_with_logits(self.model(unlabeled.strong[0]), guess)
        weighed = self.config.weight * taught + self.config.anchored * anchored
        loss = supervised + self.rise * weighed
        return {"loss": loss, "supervised": supervised, "taught": taught, "anchored": anchored}

    @torch.no_grad()
    def guess(self, labeled: Labeled, unlabeled: Unlabeled) -> Float[Tensor, "batch label"]:
        """Return aligned and sharpened probabilities; remember how common the labels were."""
        with statistics_kept(self.model):
            logit = self.model(unlabeled.weak).float()
        aligned = logit + self.had.logit(eps=RAREST) - self.guessed.logit(eps=RAREST)
        means = torch.stack([labeled.target.float().mean(dim=0), logit.sigmoid().mean(dim=0)])
        had, guessed = parallel.mean(means)
        self.had.lerp_(had, 1 / self.config.memory)
        self.guessed.lerp_(guessed, 1 / self.config.memory)
        return (aligned / self.config.temperature).sigmoid()

    def after_step(self, step: int, steps: int) -> None:
        """Let the weights of unlabeled records rise."""
        self.rise.fill_(min(1.0, step / (self.config.rise * steps)) if self.config.rise else 1.0)
