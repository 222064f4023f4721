"""Views that an objective makes of the signals of a batch."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from ecgpipe.augment import make_view
from ecgpipe.batches import Pretext


def view(
    batch: Pretext, steps: tuple[Any, ...], seconds: float | None
) -> Float[Tensor, "batch lead _"]:
    """Make one view: crop each signal anew, if a length is given, and apply the steps."""
    signal = batch.signal
    if seconds is not None:
        length = min(round(seconds * batch.montage.fs), signal.shape[-1])
        signal = random_crops(signal, length, batch.generator)
    return make_view(signal, steps, batch.montage, batch.generator)


def random_crops(
    signal: Float[Tensor, "batch lead time"], length: int, generator: Generator
) -> Float[Tensor, "batch lead length"]:
    """Cut one uniformly placed crop out of each signal."""
    batch, leads, time = signal.shape
    device = signal.device
    start = torch.randint(0, time - length + 1, (batch, 1, 1), generator=generator, device=device)
    places = start + torch.arange(length, device=device)
    return signal.gather(2, places.expand(batch, leads, length))
