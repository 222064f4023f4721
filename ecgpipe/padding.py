"""Padding: the end of a signal that is zero in every lead was not recorded.

Shards fill up signals that are shorter than others with zeros, and a crop longer than a recording
brings them along. They say themselves what they are, so no length travels beside a batch: mixtures
are as long as the longer of two signals, and views that add something spare what was silent. What a
view silences up to the end counts as not recorded, and zeros that it moves to the front or amid a
signal count as recorded. Objectives of pretraining that silence stretches pool all tokens.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def recorded(signal: Float[Tensor, "batch channel time"]) -> Int[Tensor, " batch"]:
    """Count the samples up to the last that is not zero in every channel; one at least."""
    loud = (signal != 0).any(dim=1)
    count = torch.arange(1, signal.shape[-1] + 1, device=signal.device)
    return (loud * count).amax(dim=1).clamp(min=1)


def recorded_tokens(
    signal: Float[Tensor, "batch channel time"], tokens: int
) -> Bool[Tensor, "batch tokens"]:
    """Tell which of so many tokens, side by side in time, stand for anything that was recorded."""
    samples = signal.shape[-1]
    stride: float = -(-samples // tokens)
    if (tokens - 1) * stride >= samples:  # they are no strides from the first sample to the last
        stride = samples / tokens
    place = torch.arange(tokens, device=signal.device)
    return place * stride < recorded(signal)[:, None]


def recorded_samples(
    signal: Float[Tensor, "batch channel time"],
) -> Bool[Tensor, "batch 1 time"]:
    """Tell which samples were recorded, in all channels alike."""
    time = torch.arange(signal.shape[-1], device=signal.device)
    return (time < recorded(signal)[:, None])[:, None]


def as_silent(
    noise: Float[Tensor, "batch lead time"], signal: Float[Tensor, "batch lead time"]
) -> Float[Tensor, "batch lead time"]:
    """Silence noise, in place, where a signal was not recorded."""
    return noise.mul_(recorded_samples(signal))
