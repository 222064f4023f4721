"""Noise of known kinds, each record its own draw, and the leads that a recorder computes.

Noise arises at the electrodes. It is drawn for I and II and for each chest lead on its own; III,
aVR, aVL and aVF get what a recorder computes of I and II (Einthoven, Goldberger). In a montage
without I or II every lead has its own. Noise is float32, on the device of its generator.

Wander, mains and shift are those of Mehari & Strodthoff 2022 (doi 10.1016/j.compbiomed.2021.105114)
without their faults: wander has no offset and is not the same in all leads, mains is linear in its
size and never beyond half of the sampling frequency, shifts go either way. Muscle noise there is
white; here it has a band, and bursts.
"""

import math
from collections.abc import Callable
from functools import cache, lru_cache

import torch
from jaxtyping import Complex, Float
from torch import Generator, Tensor

from ecgpipe.batches import Montage

Noise = Float[Tensor, "record lead time"]
Shape = tuple[int, int, int]  # record, lead, time

WANDER = tuple(0.01 * k for k in range(1, 51))  # Hz
MAINS, HARMONICS = (50.0, 60.0), 3  # Hz, and multiples of it
MUSCLE, CORNERS = (20, 150), (60, 120)  # Hz: the band; where its power stops rising, and falls
BURSTS = tuple(0.1 * k for k in range(1, 11))  # Hz
SHIFTS, SHIFTED = 0.3, (3.0, 0.6)  # most of them a second; how many seconds, mean and deviation


def draw(kind: str, records: int, samples: int, montage: Montage, generator: Generator) -> Noise:
    """Draw noise of a kind and of size 1 mV for every lead of a montage."""
    matrix = carry(montage.leads).to(generator.device)
    return matrix @ KINDS[kind]((records, matrix.shape[1], samples), montage.fs, generator)


def pick(
    recorded: Float[Tensor, "channel long"],
    records: int,
    samples: int,
    montage: Montage,
    generator: Generator,
) -> Noise:
    """Pick pieces of recorded noise, from any of its channels, for every lead of a montage."""
    if recorded.shape[-1] < samples:
        raise ValueError(
            f"recorded noise of {recorded.shape[-1]} samples is shorter than a signal, {samples}"
        )
    matrix = carry(montage.leads).to(recorded)
    pieces = recorded.unfold(-1, samples, 1)  # (channel, start, time), no copy
    channel, start = (
        torch.randint(
            count, (records, matrix.shape[1]), generator=generator, device=generator.device
        )
        for count in pieces.shape[:2]
    )
    return matrix @ pieces[channel, start]


def power(signal: Noise) -> Float[Tensor, " record"]:
    """Average the square over leads and time, without each lead's own mean."""
    return signal.var(dim=-1, correction=0).mean(dim=1)


@cache
def carry(leads: tuple[str, ...]) -> Float[Tensor, "lead drawn"]:
    """Say how leads follow from those that are drawn: all but what a recorder computes."""
    computed = {"III": (-1.0, 1.0), "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0)}
    if not {"I", "II"} <= set(leads):
        computed = {}
    drawn = [lead for lead in leads if lead not in computed]
    matrix = torch.zeros(len(leads), len(drawn))
    for row, lead in enumerate(leads):
        if lead in computed:
            matrix[row, [drawn.index("I"), drawn.index("II")]] = torch.tensor(computed[lead])
        else:
            matrix[row, drawn.index(lead)] = 1.0
    return matrix


def white(shape: Shape, fs: int, generator: Generator) -> Noise:
    """Draw every sample on its own, with a standard deviation of 1 mV."""
    return torch.randn(shape, generator=generator, device=generator.device)


def baseline_wander(shape: Shape, fs: int, generator: Generator) -> Noise:
    """Add up 50 tones up to 0.5 Hz, each of up to 1 mV: together 2.89 mV root mean square."""
    tones = (2, *shape[:2], len(WANDER))
    size, turn = torch.rand(tones, generator=generator, device=generator.device)
    return add_tones(torch.polar(size, 2 * math.pi * turn), WANDER, shape[-1], fs)


def power_line(shape: Shape, fs: int, generator: Generator) -> Noise:
    """Add up mains of 50 or 60 Hz and its harmonics, alike in all leads but for size and sign.

    What a sampling frequency cannot hold is left out: harmonics at half of it and above, 60 Hz for
    `fs` of 120 Hz and below. At 100 Hz and below nothing is left, which is refused.
    """
    mains = [f for f in MAINS if f < fs / 2]
    if not mains:
        raise ValueError(
            f"power line noise is of 50 or 60 Hz, and signals of {fs} Hz hold only what is below "
            f"{fs / 2:g} Hz; take a preparation of more than 100 Hz, or another noise"
        )
    tones = [(f, f * k) for f in mains for k in range(1, HARMONICS + 1) if f * k < fs / 2]
    device = generator.device
    size, turn = torch.rand((2, shape[0], 1, len(tones)), generator=generator, device=device)
    chosen = torch.randint(len(mains), (shape[0], 1, 1), generator=generator, device=device)
    whose = torch.tensor([mains.index(f) for f, _ in tones], device=device)
    tone = torch.polar(size * (whose == chosen), 2 * math.pi * turn)
    sign = 2 * torch.rand((*shape[:2], 1), generator=generator, device=device) - 1
    return add_tones(sign * tone, tuple(f for _, f in tones), shape[-1], fs)


def muscle(shape: Shape, fs: int, generator: Generator) -> Noise:
    """Draw bursts of muscle noise between 20 and 150 Hz, with a standard deviation of 1 mV.

    The spectrum is that of a surface electromyogram (Shwedyk et al. 1977). A burst is the square of
    a drift up to 1 Hz and widens the band by 2 Hz, hence its end 2 Hz below half of `fs`.
    """
    samples, device = shape[-1], generator.device
    top = min(MUSCLE[1], fs / 2 - 2 * BURSTS[-1])
    if top <= MUSCLE[0]:
        raise ValueError(f"muscle noise begins at {MUSCLE[0]} Hz: signals of {fs} Hz hold none")
    frequency = torch.arange(math.ceil(top * samples / fs), device=device) * (fs / samples)
    low, high = (frequency.square() + corner**2 for corner in CORNERS)
    density = frequency.square() / (low * high.square()) * (frequency >= MUSCLE[0])
    gain = samples * (density / (2 * density.sum()).clamp(min=1e-30)).sqrt()
    bins = complex_normal((*shape[:2], len(frequency)), generator)
    carrier = torch.fft.irfft(bins.mul_(gain), n=samples)
    drift = complex_normal((*shape[:2], len(BURSTS)), generator) * (2 / len(BURSTS)) ** 0.5
    burst = add_tones(drift, BURSTS, samples, fs).square_()  # of mean square 3
    return carrier.mul_(burst).div_(3**0.5)


def baseline_shift(shape: Shape, fs: int, generator: Generator) -> Noise:
    """Draw stretches of some 3 s at another level, alike in all leads but for size and sign.

    A level is up to 1 mV, times each lead's own factor, about 1 or about -1; a later stretch covers
    an earlier one. All begin inside the record, so at least one step is seen.
    """
    records, leads, samples = shape
    most, device = max(1, round(SHIFTS * samples / fs)), generator.device
    level, onset, count = torch.rand((3, records, most), generator=generator, device=device)
    onset = 1 + (onset * (samples - 1)).floor()[..., None]
    spread = torch.randn((records, most, 1), generator=generator, device=device)
    length = (SHIFTED[0] + SHIFTED[1] * spread).clamp(min=0.1) * fs
    number = torch.arange(1, most + 1, device=device)[:, None]
    time = torch.arange(samples, device=device)
    there = (time >= onset) & (time < onset + length) & (number <= 1 + count[:, :1, None] * most)
    latest = (there * number).amax(dim=1)  # (record, time); 0: none
    shifted = torch.nn.functional.pad(2 * level - 1, (1, 0)).gather(1, latest)
    factor = 1 + torch.randn((records, leads, 1), generator=generator, device=device)
    sign = torch.randint(2, (records, leads, 1), generator=generator, device=device) * 2 - 1
    return sign * factor * shifted[:, None]


def mix(shape: Shape, fs: int, generator: Generator) -> Noise:
    """Add up wander, mains, muscle noise and shifts, of 1 mV each; mains where `fs` can hold it."""
    kinds = [baseline_wander, muscle, baseline_shift]
    if min(MAINS) < fs / 2:
        kinds.append(power_line)
    drawn = [kind(shape, fs, generator) for kind in kinds]
    return torch.stack([noise / power(noise).sqrt()[:, None, None] for noise in drawn]).sum(dim=0)


def add_tones(
    tone: Complex[Tensor, "record lead tone"],
    frequencies: tuple[float, ...],
    samples: int,
    fs: int,
) -> Noise:
    """Add up tones of given frequencies in Hz, of complex amplitudes in mV."""
    return torch.view_as_real(tone).flatten(2) @ waves(frequencies, samples, fs, tone.device)


@lru_cache(maxsize=16)
def waves(
    frequencies: tuple[float, ...], samples: int, fs: int, device: torch.device
) -> Float[Tensor, "real_and_imaginary time"]:
    """Say what the parts of each tone's amplitude contribute to each sample."""
    time = torch.arange(samples, device=device, dtype=torch.float64) / fs
    turn = torch.tensor(frequencies, device=device, dtype=torch.float64)[:, None] * time
    wave = torch.polar(torch.ones_like(turn), 2 * math.pi * (turn % 1))
    return torch.stack([wave.real, -wave.imag], dim=1).flatten(0, 1).to(torch.float32)


def complex_normal(shape: Shape, generator: Generator) -> Complex[Tensor, "record lead bin"]:
    """Draw complex numbers of mean square 1."""
    return torch.randn(shape, generator=generator, device=generator.device, dtype=torch.complex64)


KINDS: dict[str, Callable[[Shape, int, Generator], Noise]] = {
    kind.__name__: kind
    for kind in (white, baseline_wander, power_line, muscle, baseline_shift, mix)
}
