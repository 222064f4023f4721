"""Views on batches, on the device, each sample its own draw; no function edits its input.

A view is a list of steps, `noise` or `{name: noise, amplitude: 0.05}`, applied in order. Ranges
that are not given are those of Mehari & Strodthoff 2022 (doi 10.1016/j.compbiomed.2021.105114).
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn.functional import pad

from ecgpipe import noises, settings, warps
from ecgpipe.batches import Montage

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


def lead_mask(signal: Signals, *, generator: Generator, share: float = 0.25) -> Signals:
    """Silence each lead with the given probability."""
    return signal * (_uniform(signal, generator, *signal.shape[:2], 1) >= share)


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


def noise(signal: Signals, *, generator: Generator, amplitude: float = 0.005) -> Signals:
    """Add white noise of the given standard deviation, in millivolts, to each lead on its own."""
    drawn = torch.randn(signal.shape, generator=generator, device=signal.device)
    return drawn.mul_(amplitude).to(signal).add_(signal)


def baseline_wander(
    signal: Signals, *, generator: Generator, montage: Montage, amplitude: float = 0.1
) -> Signals:
    """Add slow drift of up to 0.5 Hz; its 50 tones are of up to `amplitude` millivolts."""
    return _disturbed(signal, "baseline_wander", montage, generator, amplitude)


def power_line(
    signal: Signals, *, generator: Generator, montage: Montage, amplitude: float = 0.2
) -> Signals:
    """Add mains of 50 or 60 Hz and its harmonics below half of `fs`, up to `amplitude` millivolts.

    Signals of 100 Hz and below hold no mains; they are refused.
    """
    return _disturbed(signal, "power_line", montage, generator, amplitude)


def muscle(
    signal: Signals, *, generator: Generator, montage: Montage, amplitude: float = 0.5
) -> Signals:
    """Add bursts of muscle noise of a standard deviation of up to `amplitude` millivolts."""
    return _disturbed(signal, "muscle", montage, generator, amplitude)


def baseline_shift(
    signal: Signals, *, generator: Generator, montage: Montage, amplitude: float = 1.0
) -> Signals:
    """Lift stretches of some 3 s to other levels, of about `amplitude` millivolts at most."""
    return _disturbed(signal, "baseline_shift", montage, generator, amplitude)


STEPS: dict[str, Callable[..., Signals]] = {
    step.__name__: step
    for step in (
        *(resized_crop, local_warp, time_warp, time_out, lead_mask, gain, negation, blur, noise),
        *(baseline_wander, power_line, muscle, baseline_shift),
    )
}


def make_view(
    signal: Signals, steps: tuple[Any, ...], montage: Montage, generator: Generator
) -> Signals:
    """Apply the steps of a view in order; a step that asks for the montage is told it.

    Steps compute in the signals' own precision, also where a loss is computed in less.
    """
    with torch.autocast(signal.device.type, enabled=False):
        for step in steps:
            name, values = settings.plugin(
                {"name": step} if isinstance(step, str) else step, "view"
            )
            signal = _find(name, values, montage)(signal, generator=generator)
    return signal


def _find(name: str, values: dict[str, Any], montage: Montage) -> Callable[..., Signals]:
    """Find a step by its name; its values are checked, and the montage is among them if asked."""
    if name not in STEPS:
        raise ValueError(f"no view step {name!r}; there are: {', '.join(sorted(STEPS))}")
    asked = inspect.signature(STEPS[name]).parameters.keys()
    known = asked - {"signal", "generator", "montage"}
    if unknown := sorted(values.keys() - known):
        raise ValueError(f"view step {name}: no {', '.join(unknown)}; it knows {sorted(known)}")
    told = {"montage": montage} if "montage" in asked else {}
    return partial(STEPS[name], **told, **values)


def _disturbed(
    signal: Signals, kind: str, montage: Montage, generator: Generator, largest: float
) -> Signals:
    """Add noise of a kind, of a size that each record draws evenly below the largest."""
    drawn = noises.draw(kind, *_size(signal), montage, generator)
    size = largest * _uniform(signal, generator, len(signal), 1, 1)
    return drawn.mul_(size).to(signal).add_(signal)


def _uniform(signal: Signals, generator: Generator, *shape: int) -> Float[Tensor, "..."]:
    """Draw numbers from 0 to 1 on the device of the signals."""
    return torch.rand(shape, generator=generator, device=signal.device)


def _size(signal: Signals) -> tuple[int, int]:
    """Count records and samples."""
    return len(signal), signal.shape[-1]
