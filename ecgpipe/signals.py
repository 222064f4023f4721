"""From a recording to a preparation's signals: leads, sampling frequency, band, scale, length."""

import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
from jaxtyping import Float

from ecgpipe.records import Signal
from ecgpipe.settings import Preparation

# scipy.signal is imported where it is needed: it takes a second, and most predictions do without

ORDER = 3  # of the Butterworth filter; run forth and back it falls as one of order 6
STILL = 5e-4  # mV, half of what a shard can tell; a lead that deviates less holds rounding errors
LARGEST_RATIO = 2000  # of resampling, up or down: more is a mistaken sampling frequency


def prepare(
    signal: Signal,
    preparation: Preparation,
    unreadable: Iterable[tuple[float, float]] = (),
) -> list[tuple[float, Float[np.ndarray, "lead time"]]]:
    """Bring a recording to a preparation: starts in seconds, signals in millivolts or as it says.

    Windows are cut from the stretches between missing samples and what is `unreadable` (onset and
    offset in seconds); neither is bridged. Without windows a recording must be whole. A recording
    that is too short gives a signal that is too short.
    """
    millivolts = pick_leads(signal, preparation.leads, preparation.missing_leads)
    fs = float(preparation.fs)
    samples = round(preparation.seconds * fs)
    if preparation.window is None:
        return [(0.0, _prepared(millivolts, signal.fs, preparation)[:, :samples])]
    found = []
    for begin, end in stretches(millivolts, signal.fs, unreadable):
        short = (end - begin) / signal.fs < preparation.window
        if short and (begin, end) != (0, millivolts.shape[1]):
            continue  # a piece between two gaps; a whole recording that is too short is kept
        stretch = _prepared(millivolts[:, begin:end], signal.fs, preparation)
        found += [
            (begin / signal.fs + start / fs, stretch[:, start:stop][:, :samples])
            for start, stop in _windows(stretch.shape[1], preparation)
        ]
    return found


def stretches(
    millivolts: Float[np.ndarray, "lead time"], fs: float, unreadable: Iterable[tuple[float, float]]
) -> list[tuple[int, int]]:
    """Find the samples, from and to, between missing ones and what nobody can read."""
    good = np.isfinite(millivolts).all(axis=0)
    for onset, offset in unreadable:
        good[max(math.floor(onset * fs), 0) : math.ceil(offset * fs)] = False
    edges = np.flatnonzero(np.diff(good, prepend=False, append=False))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]


def _prepared(
    millivolts: Float[np.ndarray, "lead time"], fs: float, preparation: Preparation
) -> Float[np.ndarray, "lead resampled"]:
    """Bring a stretch without gaps to the sampling frequency, band and scale of a preparation."""
    resampled = resample(millivolts, fs, float(preparation.fs))
    filtered = band_pass(resampled, float(preparation.fs), preparation.band)
    return filtered if preparation.scale == "millivolt" else standardise(filtered)


def pick_leads(
    signal: Signal, leads: tuple[str, ...], missing: str
) -> Float[np.ndarray, "lead time"]:
    """Put the leads in order; missing ones are refused, or zero if the preparation says so."""
    chosen = {asked: _first_there(asked, signal.leads) for asked in leads}
    absent = [asked for asked, lead in chosen.items() if lead is None]
    if absent and missing != "zero":
        raise ValueError(
            f"missing leads: {', '.join(absent)}; the recording has {', '.join(signal.leads)}; "
            "a preparation with `missing_leads: zero` would fill them with zeros"
        )
    picked = np.zeros((len(leads), signal.millivolts.shape[1]), np.float32)
    for place, asked in enumerate(leads):
        lead = chosen[asked]
        if lead is not None:
            picked[place] = signal.millivolts[signal.leads.index(lead)]
    return picked


def _first_there(asked: str, leads: tuple[str, ...]) -> str | None:
    """Take the first of `II|V5|ECG` that there is."""
    return next((lead for lead in asked.split("|") if lead in leads), None)


def resample(
    millivolts: Float[np.ndarray, "lead time"], fs: float, target: float
) -> Float[np.ndarray, "lead resampled"]:
    """Change the sampling frequency by a polyphase filter that keeps out what would alias."""
    from scipy.signal import resample_poly

    if fs == target:
        return millivolts
    ratio = (Fraction(target) / Fraction(fs)).limit_denominator(LARGEST_RATIO)
    if not 0 < ratio < LARGEST_RATIO or abs(ratio * Fraction(fs) / Fraction(target) - 1) > 1e-4:
        raise ValueError(f"cannot resample {fs} Hz to {target} Hz by a ratio of small numbers")
    # `line`: beyond its ends the signal goes on along its trend, so an offset makes no steps there
    return resample_poly(
        millivolts, ratio.numerator, ratio.denominator, axis=-1, padtype="line"
    ).astype(np.float32)


def band_pass(
    millivolts: Float[np.ndarray, "lead time"],
    fs: float,
    band: tuple[float | None, float | None],
) -> Float[np.ndarray, "lead time"]:
    """Keep a band of frequencies without moving any wave; None leaves that side open."""
    from scipy.signal import butter, sosfiltfilt

    low, high = band
    if low is None and high is None:
        return millivolts
    if low is not None and high is not None:
        sections = butter(ORDER, (low, high), "bandpass", fs=fs, output="sos")
    else:
        kind = "lowpass" if low is None else "highpass"
        sections = butter(ORDER, high if low is None else low, kind, fs=fs, output="sos")
    # long enough for the slowest part of the filter to settle, as far as the recording goes
    settle = min(round(fs / (low or high or fs)), millivolts.shape[1] - 1)
    return sosfiltfilt(sections, millivolts, axis=-1, padlen=settle).astype(np.float32)


def standardise(
    millivolts: Float[np.ndarray, "lead time"],
) -> Float[np.ndarray, "lead time"]:
    """Express each lead in standard deviations from its mean; one that stands still is zero."""
    centred = millivolts - millivolts.mean(axis=1, keepdims=True, dtype=np.float64)
    deviation = centred.std(axis=1, keepdims=True)
    return (centred / np.where(deviation < STILL, np.inf, deviation)).astype(np.float32)


def _windows(samples: int, preparation: Preparation) -> list[tuple[int, int]]:
    """Say where windows are cut from a stretch: wherever one fits."""
    assert preparation.window is not None
    window = round(preparation.window * preparation.fs)
    stride = round((preparation.stride or preparation.window) * preparation.fs)
    if window < 1 or stride < 1:
        raise ValueError(
            f"window {preparation.window} s and stride {preparation.stride} s: too short"
        )
    starts = range(0, max(samples - window, 0) + 1, stride)
    return [(start, start + window) for start in starts]
