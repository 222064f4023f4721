"""Scales and shifts of the norms learn, and the head (Frankle et al. 2021)."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from ecgpipe.adapters._learn import learn_only
from ecgpipe.batches import Labeled
from ecgpipe.model import Classifier

NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


@dataclass(frozen=True)
class Config:
    """There is nothing to choose."""


def attach(model: Classifier, config: Config, labeled: Iterable[Labeled] | None) -> None:
    """Let the affine part of every norm learn."""
    norms = [layer for layer in model.backbone.modules() if isinstance(layer, NORMS)]
    learn_only(model, (parameter for norm in norms for parameter in norm.parameters()))


def merge(model: Classifier) -> None:
    """Leave the model as it is: nothing was added."""
