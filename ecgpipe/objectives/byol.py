"""BYOL (Grill et al. 2020): predict what an average of the network says of another view.

The values are those of Mehari & Strodthoff 2022 for 12-lead ECG.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from ecgpipe.batches import Pretext
from ecgpipe.model import Classifier
from ecgpipe.objectives._average import rising_decay, start_average
from ecgpipe.objectives._embedding import Embedder, mlp
from ecgpipe.objectives._views import view
from ecgpipe.states import follow


@dataclass(frozen=True)
class Config:
    """How views are made, embedded and predicted."""

    views: tuple[Any, ...] = ("local_warp", "time_out")
    crop: float | None = None  # seconds; each view is another crop, else both are of the same one
    hidden: int = 512  # of projector and predictor
    dim: int = 16
    decay: float = 0.996  # of the average at first; it rises to 1

    def __post_init__(self) -> None:
        if not 0 <= self.decay <= 1:
            raise ValueError(f"byol: decay {self.decay} must lie between 0 and 1")


class Objective(nn.Module):
    """Predict the target's embedding of one view from the other, both ways."""

    def __init__(self, model: Classifier, config: Config) -> None:
        super().__init__()
        self.config = config
        projector = mlp(2 * model.backbone.dim, config.hidden, config.dim, norm=True)
        self.embedder = Embedder(model.backbone, projector)
        self.predictor = mlp(config.dim, config.hidden, config.dim, norm=True)
        self.target = start_average(self.embedder)

    def forward(self, batch: Pretext) -> dict[str, Tensor]:
        """Return the loss of one batch."""
        one, other = (view(batch, self.config.views, self.config.crop) for _ in range(2))
        with torch.no_grad():
            of_one, of_other = self.target(one), self.target(other)
        predicted = self.predictor(self.embedder(one)), self.predictor(self.embedder(other))
        return {"loss": disagreement(predicted[0], of_other) + disagreement(predicted[1], of_one)}

    def after_step(self, step: int, steps: int) -> None:
        """Let the target follow the network: weights, biases, statistics of norms."""
        follow(self.target, self.embedder, rising_decay(self.config.decay, step, steps))


def disagreement(
    predicted: Float[Tensor, "batch dim"], target: Float[Tensor, "batch dim"]
) -> Float[Tensor, ""]:
    """Return minus twice the mean cosine: the squared distance of unit vectors, less 2."""
    return -2 * cosine_similarity(predicted.float(), target.float()).mean()
