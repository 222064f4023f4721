"""Only the head learns, on a frozen backbone (linear probing)."""

from collections.abc import Iterable
from dataclasses import dataclass

from ecgpipe.adapters._learn import learn_only
from ecgpipe.batches import Labeled
from ecgpipe.model import Classifier


@dataclass(frozen=True)
class Config:
    """There is nothing to choose."""


def attach(model: Classifier, config: Config, labeled: Iterable[Labeled] | None) -> None:
    """Let the head learn."""
    learn_only(model, [])


def merge(model: Classifier) -> None:
    """Leave the model as it is: nothing was added."""
