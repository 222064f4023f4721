"""Views on batches, on the device, each sample its own draw; no function edits its input.

A view is a list of steps, `noise` or `{name: noise, amplitude: 0.05}`, applied in order. Ranges
that are not given are those of Mehari & Strodthoff 2022 (doi 10.1016/j.compbiomed.2021.105114).
Here are the steps that add noise and those that choose among others; the rest is in `distortions`.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from ecgpipe import distortions, noises, settings
from ecgpipe.batches import Montage
from ecgpipe.padding import as_silent

Signals = Float[Tensor, "batch lead time"]


def noise(signal: Signals, *, generator: Generator, amplitude: float = 0.005) -> Signals:
    """Add white noise of the given standard deviation, in millivolts, to each lead on its own."""
    drawn = torch.randn(signal.shape, generator=generator, device=signal.device)
    return as_silent(drawn.mul_(amplitude).to(signal), signal).add_(signal)


def relative_noise(
    signal: Signals, *, generator: Generator, montage: Montage, snr: float = 15.0
) -> Signals:
    """Add white noise to each record, at a signal-to-noise ratio in dB over all leads.

    It arises at the electrodes, so leads go on to fit each other; silent ones were not recorded and
    stay silent.
    """
    drawn = noises.draw("white", len(signal), signal.shape[-1], montage, generator).to(signal)
    drawn *= (signal != 0).any(dim=-1, keepdim=True)
    least = torch.finfo(signal.dtype).tiny
    size = (noises.power(signal) / noises.power(drawn).clamp(min=least) / 10 ** (snr / 10)).sqrt()
    return as_silent(drawn.mul_(size[:, None, None]), signal).add_(signal)


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


def one_of(
    signal: Signals, *, generator: Generator, montage: Montage, steps: Sequence[Any]
) -> Signals:
    """Apply one of the steps to each record, any of them equally likely.

    It takes as long as all of them: which records need which step is known to the device alone.
    """
    chosen = torch.randint(len(steps), (len(signal),), generator=generator, device=signal.device)
    made = signal
    for number, step in enumerate(steps):
        made = _where(chosen == number, make_view(signal, (step,), montage, generator), made)
    return made


def some_of(
    signal: Signals,
    *,
    generator: Generator,
    montage: Montage,
    steps: Sequence[Any],
    draws: int = 4,
) -> Signals:
    """Apply to each record the steps that so many draws bring up, each once, in the order given.

    Published are four draws, and an order that is drawn as well (ECGMatch, Zhou et al. 2023).
    """
    size = (draws, len(signal))
    drawn = torch.randint(len(steps), size, generator=generator, device=signal.device)
    for number, step in enumerate(steps):
        changed = make_view(signal, (step,), montage, generator)
        signal = _where((drawn == number).any(dim=0), changed, signal)
    return signal


STEPS: dict[str, Callable[..., Signals]] = {
    step.__name__: step
    for step in (
        *distortions.STEPS,
        *(noise, relative_noise, baseline_wander, power_line, muscle, baseline_shift),
        *(one_of, some_of),
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
    if "steps" in known and not values.get("steps"):
        raise ValueError(f"view step {name}: give it `steps`, a list of those to choose from")
    told = {"montage": montage} if "montage" in asked else {}
    return partial(STEPS[name], **told, **values)


def _disturbed(
    signal: Signals, kind: str, montage: Montage, generator: Generator, largest: float
) -> Signals:
    """Add noise of a kind, of a size that each record draws evenly below the largest."""
    drawn = noises.draw(kind, len(signal), signal.shape[-1], montage, generator)
    size = largest * torch.rand((len(signal), 1, 1), generator=generator, device=signal.device)
    return as_silent(drawn.mul_(size).to(signal), signal).add_(signal)


def _where(taken: Bool[Tensor, " batch"], changed: Signals, signal: Signals) -> Signals:
    """Take some records changed, the others as they are; ten times as fast as `torch.where`."""
    return signal.lerp(changed, taken[:, None, None].to(signal))
