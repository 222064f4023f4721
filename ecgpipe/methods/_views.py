"""What methods ask of unlabeled records."""

from jaxtyping import Float
from torch import Tensor

from ecgpipe.batches import Unlabeled


def given(unlabeled: Unlabeled | None, method: str) -> Unlabeled:
    """Return the views, or say how a recipe makes them."""
    if unlabeled is None:
        raise ValueError(f"{method} needs unlabeled records: give the recipe `views: weak`")
    return unlabeled


def shown(unlabeled: Unlabeled) -> list[Float[Tensor, "batch lead time"]]:
    """List what a student sees: the strong views, or the weak one where there are none."""
    return unlabeled.strong or [unlabeled.weak]
