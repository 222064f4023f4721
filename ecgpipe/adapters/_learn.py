"""What the adapters share: the head learns, and whatever an adapter chooses."""

from collections.abc import Iterable

from torch import nn

from ecgpipe.model import Classifier


def learn_only(model: Classifier, chosen: Iterable[nn.Parameter]) -> None:
    """Freeze everything but the head, if there is one, and the parameters chosen."""
    head = [] if model.head is None else list(model.head.parameters())
    chosen = list(chosen)
    model.requires_grad_(False)
    for parameter in [*chosen, *head]:
        parameter.requires_grad_(True)
