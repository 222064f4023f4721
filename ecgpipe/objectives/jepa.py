"""Joint-embedding prediction (Assran et al. 2023; for ECG: Weimann & Conrad 2025).

What an average of the backbone says of hidden patches, having seen them all, is predicted from what
the backbone says of the others. The loss is against targets that move: it may rise while the
backbone gets better, so a fit should be validated at its end alone, or an early state is kept.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from ecgpipe.batches import Pretext
from ecgpipe.model import Classifier
from ecgpipe.objectives._average import start_average
from ecgpipe.objectives._hidden import Filler, draw_hidden, shape_of_patch, take
from ecgpipe.states import follow


@dataclass(frozen=True)
class Config:
    """As published for ViT-S, which draws the share anew for each batch, from 0.75 to 0.85."""

    share: float = 0.8  # of the patches is hidden
    block: int = 10  # patches hidden side by side, at least
    decay: tuple[float, float] = (0.998, 0.9995)  # of the average, at first and at last
    width: int = 192  # of the network that predicts
    depth: int = 8
    heads: int = 6

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or self.block < 1:
            raise ValueError(
                f"jepa: share {self.share} must lie between 0 and 1, block {self.block} above 0"
            )
        if not 0 <= self.decay[0] <= self.decay[1] <= 1:
            raise ValueError(f"jepa: decay {self.decay} must rise, from 0 or more to 1 or less")


class Objective(nn.Module):
    """Predict tokens instead of samples."""

    def __init__(self, model: Classifier, config: Config) -> None:
        super().__init__()
        shape_of_patch(model.backbone, "jepa")
        self.config, self.backbone = config, model.backbone
        self.average = start_average(model.backbone)
        dim = model.backbone.dim
        self.predictor = Filler(dim, dim, config.width, config.depth, config.heads)

    def forward(self, batch: Pretext) -> dict[str, Tensor]:
        """Return the loss of one batch."""
        stemmed = self.backbone.stem(batch.signal)
        records, count = stemmed.shape[:2]
        shown, hidden = draw_hidden(
            records, count, self.config.share, self.config.block, batch.generator
        )
        tokens = self.backbone.trunk(take(stemmed, shown))
        with torch.no_grad():
            target = take(self.average(batch.signal), hidden)
        predicted = self.predictor(tokens, shown, hidden)
        return {"loss": l1_loss(predicted.float(), target.float())}

    def after_step(self, step: int, steps: int) -> None:
        """Let the average follow the backbone, ever more slowly."""
        first, last = self.config.decay
        follow(self.average, self.backbone, first + (last - first) * step / steps)
