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
    recorded: Float[Tensor, "channel long"] | None = None,
) -> Float[Tensor, "record lead time"]:
    """Disturb whole signals as a condition says: noise, leads swapped, gain, leads lost.

    `recorded` is the noise that the condition names, at the sampling frequency of the signals.
    """
    if condition.noise is not None:
        drawn = draw_noise(signal, leads, recorded, generator)
        signal = add_noise(signal, drawn, condition.snr)
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


def draw_noise(
    signal: Float[Tensor, "record lead time"],
    leads: tuple[str, ...],
    recorded: Float[Tensor, "channel long"] | None,
    generator: Generator,
) -> Float[Tensor, "record lead time"]:
    """Draw noise for every lead: white, or pieces of a recording of noise.

    Each lead has its own piece of any channel, but those that a recorder computes from I and II.
    """
    shape, device = signal.shape, signal.device
    if recorded is None:
        return torch.randn(shape, generator=generator, device=device, dtype=signal.dtype)
    if recorded.shape[-1] < shape[-1]:
        raise ValueError(
            f"recorded noise of {recorded.shape[-1]} samples is shorter than a signal, {shape[-1]}"
        )
    pieces = recorded.unfold(-1, shape[-1], 1)  # (channel, start, time), no copy
    channel, start = (
        torch.randint(0, count, shape[:2], generator=generator, device=device)
        for count in pieces.shape[:2]
    )
    return derive_leads(pieces[channel, start], leads)


def derive_leads(
    noise: Float[Tensor, "record lead time"], leads: tuple[str, ...]
) -> Float[Tensor, "record lead time"]:
    """Compute III and the augmented leads from I and II, as every recorder does (Einthoven)."""
    if not {"I", "II"} <= set(leads):
        return noise
    one, two = noise[:, leads.index("I")], noise[:, leads.index("II")]
    derived = {
        "III": two - one,
        "aVR": -(one + two) / 2,
        "aVL": one - two / 2,
        "aVF": two - one / 2,
    }
    return torch.stack([derived.get(lead, noise[:, i]) for i, lead in enumerate(leads)], dim=1)


def add_noise(
    signal: Float[Tensor, "record lead time"],
    noise: Float[Tensor, "record lead time"],
    snr: float | None,
) -> Float[Tensor, "record lead time"]:
    """Scale noise so that each record has exactly this signal-to-noise ratio in dB, and add it.

    Powers are means over leads and time, without each lead's own mean.
    """
    if snr is None:
        raise ValueError("noise without an snr; a condition states both")
    power = signal.var(dim=-1, correction=0).mean(dim=1)
    noise_power = noise.var(dim=-1, correction=0).mean(dim=1)
    scale = (power / noise_power / 10 ** (snr / 10)).sqrt()
    return signal + scale[:, None, None] * noise
