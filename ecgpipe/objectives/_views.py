"""Views that an objective makes of the signals of a batch."""

from typing import Any

import torch
from jaxtyping import Float, Int
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
    places, device = signal.shape[-1] - length + 1, signal.device
    start = torch.randint(0, places, (len(signal),), generator=generator, device=device)
    return crops_at(signal, start, length)


def crops_at(
    signal: Float[Tensor, "batch lead time"], start: Int[Tensor, " batch"], length: int
) -> Float[Tensor, "batch lead length"]:
    """Cut the crop out of each signal that starts at its own sample."""
    places = start[:, None, None] + torch.arange(length, device=signal.device)
    return signal.gather(2, places.expand(*signal.shape[:2], length))
