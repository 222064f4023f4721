"""Every weight learns."""

from collections.abc import Iterable
from dataclasses import dataclass

from ecgpipe.batches import Labeled
from ecgpipe.model import Classifier


@dataclass(frozen=True)
class Config:
    """There is nothing to choose."""


def attach(model: Classifier, config: Config, labeled: Iterable[Labeled] | None) -> None:
    """Let all of the model learn."""
    model.requires_grad_(True)


def merge(model: Classifier) -> None:
    """Leave the model as it is: nothing was added."""
