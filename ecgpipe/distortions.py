"""What the steps of a view do to signals other than adding noise: to their time, leads, sizes.

Each record has its own draw, on the device, and no function edits its input.
"""

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn.functional import pad

from ecgpipe import warps

Signals = Float[Tensor, "batch lead time"]

BLUR = (0.1, 0.2, 0.4, 0.2, 0.1)


def resized_crop(
    signal: Signals, *, generator: Generator, low: float = 0.5, high: float = 1.0
) -> Signals:
    """Stretch a crop of a random share of the time over all of it."""
    return warps.read(signal, warps.stretch(*_size(signal), low, high, generator))


def local_warp(
    signal: Signals, *, generator: Generator, low: float = 0.5, high: float = 1.0
) -> Signals:
    """Spread a crop of a random share of the time over all of it, here more and there less."""
    return warps.read(signal, warps.scatter(*_size(signal), low, high, generator))


def time_warp(signal: Signals, *, generator: Generator, least: float = 10.0) -> Signals:
    """Play the signal at a speed that walks at random; the larger `least`, the steadier."""
    return warps.read(signal, warps.walk(*_size(signal), least, generator))


def time_flip(signal: Signals, *, generator: Generator, share: float = 0.5) -> Signals:
    """Play all leads of a record backwards, with the given probability."""
    time = torch.arange(signal.shape[-1], device=signal.device)
    turned = _uniform(signal, generator, len(signal), 1, 1) < share
    return signal.gather(2, torch.where(turned, time.flip(0), time).expand_as(signal))


def permute(signal: Signals, *, generator: Generator, pieces: int = 20) -> Signals:
    """Cut the time into equal pieces and exchange them, all leads of a record alike.

    Any order is equally likely, the old one too. Where the samples cannot be shared evenly, some
    pieces are longer by one. (Um et al. 2017, doi 10.1145/3136755.3136817)
    """
    samples = signal.shape[-1]
    if not 2 <= pieces <= samples:
        raise ValueError(f"permute: {pieces} pieces of {samples} samples; expected 2 or more")
    rank = _uniform(signal, generator, len(signal), pieces).argsort(dim=1)
    piece = torch.arange(samples, device=signal.device) * pieces // samples
    place = rank[:, piece].argsort(dim=1, stable=True)
    return signal.gather(2, place[:, None].expand_as(signal))


def time_out(
    signal: Signals, *, generator: Generator, low: float = 0.2, high: float = 0.4
) -> Signals:
    """Silence all leads for a random share of the time, in one stretch."""
    if not 0 <= low <= high <= 1:
        raise ValueError(f"a share between {low} and {high}: expected 0 <= low <= high <= 1")
    share, place = _uniform(signal, generator, 2, len(signal), 1, 1)
    length = ((low + (high - low) * share) * signal.shape[-1]).floor()
    start = (place * (signal.shape[-1] - length + 1)).floor()
    time = torch.arange(signal.shape[-1], device=signal.device)
    return signal * ((time < start) | (time >= start + length))


def burst(signal: Signals, *, generator: Generator, high: float = 1.0) -> Signals:
    """Silence each lead on its own for up to a share of the time, in one stretch.

    First half of its length is drawn evenly, then its place. Published is a share of 1, by which
    half of a lead is lost on average, and one draw for all records of a batch (Zhou et al. 2024).
    """
    if not 0 < high <= 1:
        raise ValueError(f"burst: a share of up to {high}; expected 0 < high <= 1")
    samples = signal.shape[-1]
    length, place = _uniform(signal, generator, 2, *signal.shape[:2], 1)
    half = (length * (high * samples // 2)).floor()
    centre = half + (place * (samples - 2 * half)).floor()
    time = torch.arange(samples, device=signal.device)
    return signal * ((time < centre - half) | (time >= centre + half))


def lead_mask(signal: Signals, *, generator: Generator, share: float = 0.25) -> Signals:
    """Silence each lead with the given probability."""
    return signal * (_uniform(signal, generator, *signal.shape[:2], 1) >= share)


def lead_shuffle(signal: Signals, *, generator: Generator) -> Signals:
    """Give each lead the place of another, in every record another order."""
    order = _uniform(signal, generator, *signal.shape[:2]).argsort(dim=1)
    return signal.gather(1, order[..., None].expand_as(signal))


def scale(signal: Signals, *, generator: Generator, low: float = 0.5, high: float = 2.0) -> Signals:
    """Scale all leads of a record by one factor, drawn evenly on a logarithmic scale."""
    return signal * low * (high / low) ** _uniform(signal, generator, len(signal), 1, 1)


def gain(signal: Signals, *, generator: Generator, low: float = 0.5, high: float = 2.0) -> Signals:
    """Scale every lead by a factor drawn evenly on a logarithmic scale."""
    return signal * low * (high / low) ** _uniform(signal, generator, *signal.shape[:2], 1)


def negation(signal: Signals, *, generator: Generator, share: float = 0.5) -> Signals:
    """Turn all leads of a record upside down, with the given probability."""
    return signal * (1 - 2 * (_uniform(signal, generator, len(signal), 1, 1) < share).to(signal))


def blur(signal: Signals, *, generator: Generator, share: float = 0.5) -> Signals:
    """Smooth a record over five samples, with the given probability; beyond its ends it goes on."""
    around = pad(signal, (2, 2), mode="replicate")
    smooth = torch.zeros_like(signal)
    for shift, weight in enumerate(BLUR):
        smooth.add_(around[..., shift : shift + signal.shape[-1]], alpha=weight)
    return smooth.lerp_(
        signal, (_uniform(signal, generator, len(signal), 1, 1) >= share).to(signal)
    )


STEPS = (
    *(resized_crop, local_warp, time_warp, time_flip, permute, time_out, burst),
    *(lead_mask, lead_shuffle, scale, gain, negation, blur),
)


def _uniform(signal: Signals, generator: Generator, *shape: int) -> Float[Tensor, "..."]:
    """Draw numbers from 0 to 1 on the device of the signals."""
    return torch.rand(shape, generator=generator, device=signal.device)


def _size(signal: Signals) -> tuple[int, int]:
    """Count records and samples."""
    return len(signal), signal.shape[-1]
