"""Transform recognition (Sarkar & Etemad 2020): tell what was done to a signal.

The transforms are steps of a view; each is computed of its own records only. Noise of 15 dB and
time cut in 20 pieces are theirs. Time is warped at a speed that walks at random, theirs of nine
pieces is 1.05 times higher or lower. They scale by a tenth, which nobody tells in millivolts: here
it is by 2 to 4, and by one factor for all leads, since leads that do not fit each other would be
told without a look at the waves. Take crops no longer than the recordings: what fills up a short
one would show what was done to its time.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ecgpipe.augment import make_view
from ecgpipe.batches import Pretext
from ecgpipe.model import Classifier
from ecgpipe.objectives._embedding import Embedder
from ecgpipe.objectives._guesses import accuracy
from ecgpipe.objectives._views import view


@dataclass(frozen=True)
class Config:
    """What is done to signals, besides nothing."""

    steps: tuple[Any, ...] = (  # those of a probability need `share: 1.0`: all are to be told
        {"name": "relative_noise", "snr": 15.0},
        {"name": "scale", "low": 2.0, "high": 4.0},
        {"name": "negation", "share": 1.0},
        {"name": "time_flip", "share": 1.0},
        {"name": "permute", "pieces": 20},
        "time_warp",
    )
    crop: float | None = None  # seconds, cut anew out of the crop of the fit; None: all of it

    def __post_init__(self) -> None:
        if not self.steps:
            raise ValueError("transforms: `steps` names no transform to tell from none")


class Objective(nn.Module):
    """Tell which of the transforms a signal has gone through, or that it has gone through none."""

    def __init__(self, model: Classifier, config: Config) -> None:
        super().__init__()
        self.config = config
        guess = nn.Linear(2 * model.backbone.dim, 1 + len(config.steps))
        self.classifier = Embedder(model.backbone, guess)

    def forward(self, batch: Pretext) -> dict[str, Tensor]:
        """Return the loss of one batch, and how often the transform was told."""
        cut = replace(batch, signal=view(batch, (), self.config.crop))
        signal, label = transform(cut, self.config.steps)
        logits = self.classifier(signal).float()
        return {"loss": cross_entropy(logits, label), "accuracy": accuracy(logits, label)}


def transform(
    batch: Pretext, steps: tuple[Any, ...]
) -> tuple[Float[Tensor, "batch lead time"], Int[Tensor, " batch"]]:
    """Apply to each record one of the steps or none, each to as many; say which, from 1 on.

    Who gets what is drawn by shuffling the records, which come back in that order.
    """
    device = batch.signal.device
    order = torch.rand(len(batch.signal), generator=batch.generator, device=device).argsort()
    dealt = batch.signal[order].tensor_split(1 + len(steps))
    views, labels = [], []
    for label, (some, done) in enumerate(zip(dealt, [(), *((s,) for s in steps)], strict=True)):
        if len(some):  # a few records do not reach all transforms
            views.append(make_view(some, done, batch.montage, batch.generator))
            labels.append(torch.full((len(some),), label, device=device))
    return torch.cat(views), torch.cat(labels)
