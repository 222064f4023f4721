"""What the adapters share: the head learns, and whatever an adapter chooses."""

from collections.abc import Iterable

from torch import nn

from ecgpipe.model import Classifier


def learn_only(model: Classifier, chosen: Iterable[nn.Parameter]) -> None:
    """Freeze everything but the head and the parameters chosen."""
    assert model.head is not None, "finetuning needs a head"
    chosen = list(chosen)
    model.requires_grad_(False)
    for parameter in [*chosen, *model.head.parameters()]:
        parameter.requires_grad_(True)
