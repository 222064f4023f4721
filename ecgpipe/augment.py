"""Views on batches, on the device, each sample its own draw; no function edits its input.

A view is a list of steps, `noise` or `{name: noise, amplitude: 0.05}`, applied in order.
"""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from ecgpipe import settings

Signals = Float[Tensor, "batch lead time"]


def noise(signal: Signals, *, generator: Generator, amplitude: float = 0.01) -> Signals:
    """Add white noise of the given standard deviation, in millivolts."""
    drawn = torch.randn(signal.shape, generator=generator, device=signal.device)
    return signal + amplitude * drawn


def gain(signal: Signals, *, generator: Generator, low: float = 0.5, high: float = 2.0) -> Signals:
    """Scale every lead by a factor drawn evenly on a logarithmic scale."""
    drawn = torch.rand((*signal.shape[:2], 1), generator=generator, device=signal.device)
    return signal * low * (high / low) ** drawn


def time_out(
    signal: Signals, *, generator: Generator, low: float = 0.2, high: float = 0.4
) -> Signals:
    """Silence all leads for a random share of the time, in one stretch."""
    share, place = torch.rand((2, len(signal), 1, 1), generator=generator, device=signal.device)
    length = (low + (high - low) * share) * signal.shape[-1]
    start = place * (signal.shape[-1] - length)
    time = torch.arange(signal.shape[-1], device=signal.device)
    return signal * ((time < start) | (time >= start + length))


def lead_mask(signal: Signals, *, generator: Generator, share: float = 0.25) -> Signals:
    """Silence each lead with the given probability."""
    drawn = torch.rand((*signal.shape[:2], 1), generator=generator, device=signal.device)
    return signal * (drawn >= share)


STEPS: dict[str, Callable[..., Signals]] = {
    step.__name__: step for step in (noise, gain, time_out, lead_mask)
}


def make_view(signal: Signals, steps: tuple[Any, ...], generator: Generator) -> Signals:
    """Apply the steps of a view in order."""
    for step in steps:
        name, values = settings.plugin({"name": step} if isinstance(step, str) else step, "view")
        if name not in STEPS:
            raise ValueError(f"no view step {name!r}; there are: {', '.join(sorted(STEPS))}")
        known = inspect.signature(STEPS[name]).parameters.keys() - {"signal", "generator"}
        if unknown := sorted(values.keys() - known):
            raise ValueError(f"view step {name}: no {', '.join(unknown)}; it knows {sorted(known)}")
        signal = STEPS[name](signal, generator=generator, **values)
    return signal


def disturb(
    signal: Float[Tensor, "record lead time"],
    condition: settings.Condition,
    leads: tuple[str, ...],
    generator: Generator,
) -> Float[Tensor, "record lead time"]:
    """Disturb whole signals as a condition says: noise, leads swapped, gain, leads lost."""
    if condition.noise is not None:
        signal = add_noise(signal, condition, generator)
    named = {*condition.missing, *(lead for pair in condition.swapped for lead in pair)}
    if unknown := sorted(named - set(leads)):
        raise ValueError(f"condition: no lead {', '.join(unknown)}; there are: {', '.join(leads)}")
    order = list(range(len(leads)))
    for one, other in condition.swapped:
        i, j = leads.index(one), leads.index(other)
        order[i], order[j] = order[j], order[i]
    signal = signal[:, order] * condition.gain
    for lead in condition.missing:
        signal[:, leads.index(lead)] = 0
    return signal


def add_noise(
    signal: Float[Tensor, "record lead time"],
    condition: settings.Condition,
    generator: Generator,
) -> Float[Tensor, "record lead time"]:
    """Add noise scaled so that each record has exactly the condition's signal-to-noise ratio.

    Powers are means over leads and time, without each lead's own mean.
    """
    if condition.noise != "white" or condition.snr is None:
        raise ValueError(
            f"noise {condition.noise!r} at {condition.snr} dB; there is: white, with an snr"
        )
    drawn = torch.randn(signal.shape, generator=generator, device=signal.device, dtype=signal.dtype)
    power = signal.var(dim=-1, correction=0).mean(dim=1)
    noise_power = drawn.square().mean(dim=(1, 2))
    scale = (power / noise_power / 10 ** (condition.snr / 10)).sqrt()
    return signal + scale[:, None, None] * drawn
