"""Masked autoencoding (He et al. 2022; for ECG: Na et al. 2024): fill in hidden patches.

The backbone sees the other patches only; a small network fills in the samples of the hidden ones.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from ecgpipe.batches import Pretext
from ecgpipe.model import Classifier
from ecgpipe.objectives._hidden import Filler, draw_hidden, shape_of_patch, take
from ecgpipe.transformer import patches


@dataclass(frozen=True)
class Config:
    """How much is hidden, and what fills it in."""

    share: float = 0.75  # of the patches is hidden
    block: int = 1  # patches hidden side by side, at least
    floor: float = 0.001  # mV; a patch that varies less is not magnified to variance 1
    width: int = 256  # of the network that fills in
    depth: int = 4
    heads: int = 8

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or self.block < 1 or self.floor <= 0:
            raise ValueError(
                f"masked: share {self.share} must lie between 0 and 1, block {self.block} and "
                f"floor {self.floor} above 0"
            )


class Objective(nn.Module):
    """Tell the samples of hidden patches."""

    def __init__(self, model: Classifier, config: Config) -> None:
        super().__init__()
        leads, self.samples = shape_of_patch(model.backbone, "masked")
        self.config, self.backbone = config, model.backbone
        self.decoder = Filler(
            model.backbone.dim, leads * self.samples, config.width, config.depth, config.heads
        )

    def forward(self, batch: Pretext) -> dict[str, Tensor]:
        """Return the loss of one batch."""
        stemmed = self.backbone.stem(batch.signal)
        records, count = stemmed.shape[:2]
        shown, hidden = draw_hidden(
            records, count, self.config.share, self.config.block, batch.generator
        )
        tokens = self.backbone.trunk(take(stemmed, shown))
        target = standardise(take(patches(batch.signal, self.samples), hidden), self.config.floor)
        return {"loss": mse_loss(self.decoder(tokens, shown, hidden).float(), target)}


def standardise(
    patch: Float[Tensor, "batch token sample"], floor: float
) -> Float[Tensor, "batch token sample"]:
    """Bring each patch to mean 0 and, if it varies by more than the floor, to variance 1."""
    variance, mean = torch.var_mean(patch, dim=2, correction=0, keepdim=True)
    return (patch - mean) / (variance + floor**2).sqrt()
