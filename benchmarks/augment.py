"""Views a second of each step on a batch, beside NumPy that makes one view after the other.

    OMP_NUM_THREADS=1 python benchmarks/augment.py [--threads 2]

Both take the same definitions; NumPy is vectorised over leads and time, keeps what does not change
(tables of waves, the matrix of leads) and stacks its views to a batch. They take turns; one thread
is timed by its own CPU time, several and a GPU by the wall's. Their effects are compared: the mean
change of a sample must agree to 10 %, over many views.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from ecgpipe import noises
from ecgpipe.augment import make_view
from ecgpipe.batches import Montage
from ecgpipe.distortions import BLUR
from ecgpipe.wfdb_records import LEADS

BATCH, FS = 64, 250
ROUNDS, CALLS, ALIKE = 9, 10, 40  # turns; calls a turn; batches whose effects are compared
LARGEST = 31_000_000  # bytes; what is freed once up to this size is not given back any more
MONTAGE = Montage(FS, LEADS)
CARRY = noises.carry(LEADS).numpy()

rng = np.random.default_rng(0)


def read(signal: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Read all leads at places between samples."""
    left = np.minimum(places.astype(int), signal.shape[1] - 2)
    before = signal[:, left]
    return before + (places - left).astype(np.float32) * (signal[:, left + 1] - before)


def crop(samples: int) -> tuple[int, int]:
    """Draw a crop of half to all of the samples."""
    length = int(rng.uniform(0.5, 1) * samples)
    return int(rng.integers(samples - length + 1)), length


def resized_crop(signal: np.ndarray) -> np.ndarray:
    """Stretch a crop over all of the time."""
    start, length = crop(signal.shape[1])
    return read(signal, np.linspace(start, start + length - 1, signal.shape[1]))


def local_warp(signal: np.ndarray) -> np.ndarray:
    """Spread a crop over all of the time, here more and there less."""
    samples = signal.shape[1]
    start, length = crop(samples)
    inner = np.sort(rng.choice(samples - 2, length - 2, replace=False)) + 1
    taken = np.concatenate([[0], inner, [samples - 1]])
    places = np.interp(np.arange(samples), taken, np.arange(start, start + length))
    return read(signal, places)


def time_warp(signal: np.ndarray) -> np.ndarray:
    """Play at a speed that walks at random."""
    speed = rng.standard_normal(signal.shape[1] - 1).cumsum()
    passed = (speed - speed.min() + 10).cumsum()
    places = np.concatenate([[0], passed / passed[-1]]) * (signal.shape[1] - 1)
    return read(signal, places)


def time_out(signal: np.ndarray) -> np.ndarray:
    """Silence a stretch of all leads."""
    samples = signal.shape[1]
    length = int(rng.uniform(0.2, 0.4) * samples)
    start = rng.integers(samples - length + 1)
    view = signal.copy()
    view[:, start : start + length] = 0
    return view


def time_flip(signal: np.ndarray) -> np.ndarray:
    """Play backwards, or not."""
    return signal[:, ::-1].copy() if rng.random() < 0.5 else signal.copy()


def burst(signal: np.ndarray) -> np.ndarray:
    """Silence a stretch of each lead."""
    samples = signal.shape[1]
    half = rng.integers(samples // 2, size=(len(signal), 1))
    centre = rng.integers(half, samples - half)
    time = np.arange(samples)
    return signal * ((time < centre - half) | (time >= centre + half))


def lead_shuffle(signal: np.ndarray) -> np.ndarray:
    """Put the leads in another order."""
    return signal[rng.permutation(len(signal))]


def lead_mask(signal: np.ndarray) -> np.ndarray:
    """Silence some leads."""
    return signal * (rng.random((len(signal), 1), np.float32) >= 0.25)


def gain(signal: np.ndarray) -> np.ndarray:
    """Scale every lead."""
    return signal * (np.float32(0.5) * np.float32(4) ** rng.random((len(signal), 1), np.float32))


def negation(signal: np.ndarray) -> np.ndarray:
    """Turn all leads upside down, or not."""
    return -signal if rng.random() < 0.5 else signal.copy()


def blur(signal: np.ndarray) -> np.ndarray:
    """Smooth over five samples, or not."""
    if rng.random() >= 0.5:
        return signal.copy()
    around = np.pad(signal, ((0, 0), (2, 2)), mode="edge")
    return sum(w * around[:, k : k + signal.shape[1]] for k, w in enumerate(np.float32(BLUR)))


def noise(signal: np.ndarray) -> np.ndarray:
    """Add white noise."""
    return signal + np.float32(0.005) * rng.standard_normal(signal.shape, np.float32)


def tones(frequencies: tuple[float, ...], samples: int) -> np.ndarray:
    """Look up what tones contribute to each sample."""
    return noises.waves(frequencies, samples, FS, torch.device("cpu")).numpy()


def apply(signal: np.ndarray, drawn: np.ndarray, largest: float) -> np.ndarray:
    """Carry noise to all leads and add it, at a size of up to the largest."""
    return signal + CARRY @ (np.float32(largest * rng.random()) * drawn)


def baseline_wander(signal: np.ndarray) -> np.ndarray:
    """Add 50 slow tones."""
    size, turn = rng.random((2, CARRY.shape[1], len(noises.WANDER)), np.float32)
    tone = (size * np.exp(np.complex64(2j * np.pi) * turn)).view(np.float32)
    return apply(signal, tone @ tones(noises.WANDER, signal.shape[1]), 0.1)


def power_line(signal: np.ndarray) -> np.ndarray:
    """Add mains and its harmonics."""
    mains = noises.MAINS[rng.integers(2)]
    there = tuple(mains * k for k in (1, 2, 3) if mains * k < FS / 2)
    size, turn = rng.random((2, len(there)), np.float32)
    tone = (size * np.exp(np.complex64(2j * np.pi) * turn)).view(np.float32)
    wave = tone @ tones(there, signal.shape[1])
    sign = 2 * rng.random((CARRY.shape[1], 1), np.float32) - 1
    return apply(signal, sign * wave, 0.2)


def muscle(signal: np.ndarray) -> np.ndarray:
    """Add bursts of muscle noise."""
    samples, leads = signal.shape[1], CARRY.shape[1]
    top = min(noises.MUSCLE[1], FS / 2 - 2)
    frequency = np.arange(np.ceil(top * samples / FS), dtype=np.float32) * (FS / samples)
    low, high = (frequency**2 + corner**2 for corner in noises.CORNERS)
    density = frequency**2 / (low * high**2) * (frequency >= noises.MUSCLE[0])
    gains = (samples * np.sqrt(density / (4 * density.sum()))).astype(np.float32)
    bins = rng.standard_normal((leads, 2 * len(frequency)), np.float32).view(np.complex64)
    carrier = np.fft.irfft(bins * gains, n=samples)
    drift = rng.standard_normal((leads, 2 * len(noises.BURSTS)), np.float32)
    burst = drift @ tones(noises.BURSTS, samples) / np.float32(len(noises.BURSTS) ** 0.5)
    return apply(signal, carrier * burst**2 / np.float32(3**0.5), 0.5)


def baseline_shift(signal: np.ndarray) -> np.ndarray:
    """Lift stretches to other levels."""
    samples = signal.shape[1]
    level = np.zeros(samples, np.float32)
    for _ in range(rng.integers(1, max(1, round(noises.SHIFTS * samples / FS)) + 1)):
        start = rng.integers(1, samples)
        stop = start + rng.normal(*noises.SHIFTED) * FS
        level[start : int(np.ceil(stop))] = rng.uniform(-1, 1)
    factor = rng.choice([-1, 1], (CARRY.shape[1], 1)) * rng.normal(1, 1, (CARRY.shape[1], 1))
    return apply(signal, factor.astype(np.float32) * level, 1.0)


REFERENCE = {
    step.__name__: step
    for step in (
        *(resized_crop, local_warp, time_warp, time_flip, time_out, burst, lead_mask, lead_shuffle),
        *(gain, negation, blur, noise, baseline_wander, power_line, muscle, baseline_shift),
    )
}


VIEWS = [(step,) for step in REFERENCE]
VIEWS += [("resized_crop", "time_out"), ("local_warp", "time_out")]


def one_by_one(signals: np.ndarray, view: tuple[str, ...]) -> np.ndarray:
    """Make the views of a batch, one signal after the other."""
    made = []
    for signal in signals:
        for step in view:
            signal = REFERENCE[step](signal)
        made.append(signal)
    return np.stack(made)


def seconds(
    ways: tuple[Callable[[], object], ...], clock: Callable[[], float]
) -> tuple[float, ...]:
    """Time the ways in turns; return the median seconds of one call of each."""
    times: list[list[float]] = [[] for _ in ways]
    for _ in range(ROUNDS + 1):  # the first warms up
        for way, found in zip(ways, times, strict=True):
            began = clock()
            for _ in range(CALLS):
                way()
            found.append((clock() - began) / CALLS)
    return tuple(statistics.median(found[1:]) for found in times)


def compare(
    batch: Callable[[], torch.Tensor], single: Callable[[], np.ndarray], signal: np.ndarray
) -> None:
    """Refuse views that differ from the signals by other amounts than NumPy's."""
    ours = [np.abs(batch().cpu().numpy() - signal).mean() for _ in range(ALIKE)]
    theirs = [np.abs(single() - signal).mean() for _ in range(ALIKE)]
    np.testing.assert_allclose(np.mean(ours), np.mean(theirs), rtol=0.1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    alone = device.type == "cpu" and options.threads == 1
    clock = time.process_time if alone else lambda: wall(device)
    generator = torch.Generator(device).manual_seed(0)
    np.ones(LARGEST, np.uint8)  # from here on the allocator keeps memory, as in any training
    print(f"torch {torch.__version__}, {device}, {options.threads} threads, {BATCH} x {len(LEADS)}")
    print("| view | samples | views/s | NumPy, views/s | times as fast |\n|---|---|---|---|---|")
    for view, samples in itertools.product(VIEWS, (250, 1000)):
        signal = torch.randn((BATCH, len(LEADS), samples), generator=generator, device=device)
        host = signal.cpu().numpy()
        batch = partial(make_view, signal, view, MONTAGE, generator)
        single = partial(one_by_one, host, view)
        compare(batch, single, host)
        ours, theirs = seconds((batch, single), clock)
        row = [" + ".join(view), str(samples), f"{BATCH / ours:,.0f}", f"{BATCH / theirs:,.0f}"]
        print(f"| {' | '.join(row)} | {theirs / ours:.1f} |", flush=True)


def wall(device: torch.device) -> float:
    """Read the wall's clock when all work is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    main()
