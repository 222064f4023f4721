"""Biases learn, and the head (BitFit, Ben Zaken et al. 2022)."""

from collections.abc import Iterable
from dataclasses import dataclass

from ecgpipe.adapters._learn import learn_only
from ecgpipe.batches import Labeled
from ecgpipe.model import Classifier


@dataclass(frozen=True)
class Config:
    """There is nothing to choose."""


def attach(model: Classifier, config: Config, labeled: Iterable[Labeled] | None) -> None:
    """Let every bias learn: of norms, which keep following their batches, and of other layers."""
    named = model.backbone.named_parameters()
    kinds = ((name.rpartition(".")[2], parameter) for name, parameter in named)
    learn_only(model, (parameter for kind, parameter in kinds if kind.startswith("bias")))


def merge(model: Classifier) -> None:
    """Leave the model as it is: nothing was added."""
