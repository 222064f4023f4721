"""Boundaries of P, QRS and T where nobody marked them, the same for all leads of a recording.

Beats, P and T are found by NeuroKit2 (Makowski et al. 2021, Behav Res 53:1689-1696), an optional
package: beats in the strength of all leads together, P and T by the prominence of peaks (Emrich et
al. 2024, EUSIPCO), as the median of what the single leads say. QRS lasts while the strength of all
slopes together stays above a share of its height; peak prominence would cut wide complexes short.

What fails is left out and counted: a beat without a plausible QRS as a whole, P and T one by one.
P is found by NeuroKit2 wherever it looks, in atrial fibrillation too: only such as keep their time
before the QRS, beat after beat, are believed. How good all this is: docs/delineation.md.
"""

import warnings
from collections import Counter
from dataclasses import dataclass, field, replace
from types import ModuleType

import numpy as np
from jaxtyping import Bool, Float, Int, Int32

from ecgpipe import signals
from ecgpipe.records import WAVES

# scipy.signal and neurokit2 are imported where they are needed: both take seconds

P, QRS, T = range(len(WAVES))
ONSET, PEAK, OFFSET = range(3)
ALL_LEADS = -1

BAND = (0.5, 40.0)  # Hz; as wide as ambulatory recorders see, without power line and muscle
SHARE = 0.06  # of the highest slope, above the resting one, at which QRS begins and ends
REACH = 0.15  # seconds from the R peak to where QRS is looked for; twice that is wider than any
SUMMIT = 0.06  # seconds from the R peak to where its highest slope lies
GENTLE = 0.3  # of the median steepness of beats; LUDB: beats above 0.4, what is none below 0.22
PAUSE = 0.024  # seconds for which slopes may be low within a QRS: the top of a wave
NEAR = 0.06  # seconds by which P of one beat may come early or late: atrial ectopic beats beyond
SCATTER = 0.022  # seconds, median: below in 133 records of LUDB with P, above in 11 of 17 without
SHORTEST = 1.0  # seconds in which beats are looked for
FEWEST = 3  # P, and half of the beats, to tell whether P keeps its time

# Seconds; 150 recordings of LUDB reach from 0.04 to 0.26 (QRS), to 0.26 (P), to 0.40 (T), to
# 0.36 (PR) and from 0.17 to 0.70 (QT).
QRS_LASTS = (0.04, 0.28)
P_LASTS = (0.02, 0.26)
T_LASTS = (0.04, 0.42)
PR_LASTS = (0.04, 0.45)
QT_LASTS = (0.17, 0.72)


@dataclass(frozen=True)
class Delineated:
    """The waves of one recording, and what was looked at and not believed."""

    waves: Int32[np.ndarray, "wave 5"]  # kind, lead (-1: all), onset, peak, offset in samples
    beats: int = 0  # that were detected
    failed: int = 0  # of them, too gentle or without a plausible QRS: left out as a whole
    refused: Counter[str] = field(default_factory=Counter)  # waves of the others, by why


Points = Float[np.ndarray, "beat wave point"]  # seconds; NaN where there is no such wave


def delineate(millivolts: Float[np.ndarray, "lead time"], fs: float) -> Delineated:
    """Find the waves of a recording; one without two beats has none."""
    neurokit = _neurokit()
    filtered = signals.band_pass(millivolts, fs, (BAND[0], min(BAND[1], 0.45 * fs)))
    filtered = filtered[filtered.std(axis=1) > signals.STILL].astype(np.float64)
    filtered -= np.median(filtered, axis=1, keepdims=True)
    found = _beats(neurokit, filtered, fs)
    peaks = found[_are_steep(filtered, found, fs)] if len(found) else found
    if len(peaks) < 2:
        return Delineated(np.empty((0, 5), np.int32), len(found), len(found))
    points = np.full((len(peaks), len(WAVES), 3), np.nan)
    points[:, [P, T]] = _atria_and_recovery(neurokit, filtered, peaks, fs)
    points[:, QRS] = ventricles(filtered, peaks, fs)
    told = judge(points, fs)
    return replace(told, beats=len(found), failed=told.failed + len(found) - len(peaks))


def _neurokit() -> ModuleType:
    """Import the optional package, or say where it comes from."""
    try:
        import neurokit2
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error}; delineation is optional: pip install 'ecgpipe[delineation]'"
        ) from error
    return neurokit2


def _beats(
    neurokit: ModuleType, filtered: Float[np.ndarray, "lead time"], fs: float
) -> Int[np.ndarray, " beat"]:
    """Find the R peaks in the strength of all leads, which is upright whatever the leads are."""
    if not len(filtered) or filtered.shape[1] < SHORTEST * fs:
        return np.empty(0, int)
    strength = np.sqrt((filtered**2).mean(axis=0))
    with warnings.catch_warnings():
        # where a beat begins and none ends, there are no lengths to take the mean of
        warnings.filterwarnings("ignore", "Mean of empty slice|invalid value", RuntimeWarning)
        found = neurokit.ecg_findpeaks(strength, sampling_rate=fs)["ECG_R_Peaks"]
    return np.asarray(found, int)


def _are_steep(
    filtered: Float[np.ndarray, "lead time"], peaks: Int[np.ndarray, " beat"], fs: float
) -> Bool[np.ndarray, " beat"]:
    """Say which beats are about as steep as the others: a high T, taken for a beat, is not."""
    near, around = _slopes(filtered, peaks, fs)
    top = near[:, np.abs(around) <= SUMMIT * fs].max(axis=1)
    return top >= GENTLE * np.median(top)


def _slopes(
    filtered: Float[np.ndarray, "lead time"], peaks: Int[np.ndarray, " beat"], fs: float
) -> tuple[Float[np.ndarray, "beat near"], Int[np.ndarray, " near"]]:
    """Measure how steep all leads together are around the R peaks, from so many samples off."""
    slope = np.sqrt((np.gradient(filtered, axis=1) ** 2).mean(axis=0))
    reach = round(REACH * fs)
    around = np.arange(-reach, reach + 1)
    return np.pad(slope, reach, mode="edge")[peaks[:, None] + reach + around], around


def _atria_and_recovery(
    neurokit: ModuleType,
    filtered: Float[np.ndarray, "lead time"],
    peaks: Int[np.ndarray, " beat"],
    fs: float,
) -> Points:
    """Take the median over leads of each boundary of P and T that half of the leads have."""
    with warnings.catch_warnings():
        # what is a peak in the strength of all leads need not be one in each
        warnings.filterwarnings("ignore", "some peaks have a prominence of 0")
        found = np.stack([_of_lead(neurokit, lead, peaks, fs) for lead in filtered])
    many = 2 * np.isfinite(found).sum(axis=0) >= len(filtered)
    median = np.nanmedian(np.where(many, found, 0.0), axis=0)
    return np.where(many, median, np.nan) / fs


def _of_lead(
    neurokit: ModuleType,
    lead: Float[np.ndarray, " time"],
    peaks: Int[np.ndarray, " beat"],
    fs: float,
) -> Points:
    """Find P and T around the beats in one lead, in samples."""
    _, told = neurokit.ecg_delineate(lead, peaks, sampling_rate=fs, method="prominence")
    found = np.full((len(peaks), 2, 3), np.nan)
    for wave, point in np.ndindex(2, 3):
        times = told[f"ECG_{'PT'[wave]}_{('Onsets', 'Peaks', 'Offsets')[point]}"]
        # a point at the very first sample is left out of its list, and no other
        found[len(peaks) - len(times) :, wave, point] = times
    return found


def ventricles(
    filtered: Float[np.ndarray, "lead time"], peaks: Int[np.ndarray, " beat"], fs: float
) -> Float[np.ndarray, "beat point"]:
    """Follow the slopes of all leads together from the R peak outwards until they fall; seconds."""
    from scipy.ndimage import binary_closing

    near, around = _slopes(filtered, peaks, fs)
    reach = around[-1]
    core = np.where(np.abs(around) <= SUMMIT * fs, near, 0.0)
    rest, top = np.percentile(near, 10, axis=1, keepdims=True), core.max(axis=1, keepdims=True)
    steep = near > rest + SHARE * (top - rest)
    bridge = np.ones((1, max(round(PAUSE * fs), 1) + 1), bool)
    steep |= binary_closing(np.pad(steep, ((0, 0), (reach, reach))), bridge)[:, reach:-reach]
    steepest = around[core.argmax(axis=1)][:, None]
    onset = np.where(~steep & (around < steepest), around, -reach - 1).max(axis=1) + 1
    offset = np.where(~steep & (around > steepest), around, reach + 1).min(axis=1) - 1
    bounds = np.stack([np.minimum(onset, 0), 0 * onset, np.maximum(offset, 0)], axis=1)
    return (peaks[:, None] + bounds).clip(0, filtered.shape[1] - 1) / fs


def judge(points: Points, fs: float) -> Delineated:
    """Keep beats with a plausible QRS, and of these P and T in order and of plausible length."""
    believed = _in_order(points[:, QRS], *QRS_LASTS)
    kept = _parted(points[believed])
    found = np.isfinite(kept).all(axis=2)
    plausible = found & _plausible(kept)
    lead = kept[:, QRS, PEAK] - kept[:, P, PEAK]
    sure = plausible.copy()
    sure[:, P] &= keeps_time(np.where(plausible[:, P], lead, np.nan))
    reasons = {
        "not found": ~found,
        "implausible": found & ~plausible,
        "out of time": ~sure & plausible,
    }
    refused = {
        f"{WAVES[kind]} {why}": int(of[:, kind].sum())
        for why, of in reasons.items()
        for kind in (P, T)
    }
    beat, kind = np.nonzero(sure)
    samples = np.rint(kept[beat, kind] * fs)
    waves = np.column_stack([kind, np.full(len(kind), ALL_LEADS), samples]).astype(np.int32)
    return Delineated(waves, len(points), int((~believed).sum()), +Counter(refused))


def _plausible(points: Points) -> Bool[np.ndarray, "beat wave"]:
    """Say which waves lie where they may: T before the next QRS, P after the last T."""
    p, qrs, t = points[:, P], points[:, QRS], points[:, T]
    after = np.append(qrs[1:, ONSET], np.inf)[: len(t)]
    good = np.ones(points.shape[:2], bool)
    good[:, T] = _in_order(t, *T_LASTS) & _within(t[:, OFFSET] - qrs[:, ONSET], *QT_LASTS)
    good[:, T] &= (t[:, PEAK] > qrs[:, OFFSET]) & (t[:, PEAK] < after)
    good[:, P] = _in_order(p, *P_LASTS) & _within(qrs[:, ONSET] - p[:, ONSET], *PR_LASTS)
    good[:, P] &= p[:, PEAK] < qrs[:, ONSET]
    good[1:, P] &= ~(good[:-1, T] & (p[1:, ONSET] <= t[:-1, PEAK]))
    return good


def keeps_time(lead: Float[np.ndarray, " beat"]) -> Bool[np.ndarray, " beat"]:
    """Say which P come as long before their QRS (seconds; NaN: none) as those of other beats."""
    found = lead[np.isfinite(lead)]
    if len(found) < max(FEWEST, len(lead) / 2):
        return np.zeros(len(lead), bool)
    away = np.abs(lead - np.median(found))
    return (away <= NEAR) & (np.median(away[np.isfinite(lead)]) <= SCATTER)


def _parted(points: Points) -> Points:
    """End P where QRS begins, begin T where QRS ends, and end it where the next QRS begins."""
    parted = points.copy()
    onset, offset = points[:, QRS, ONSET], points[:, QRS, OFFSET]
    parted[:, P, OFFSET] = np.minimum(points[:, P, OFFSET], onset)
    parted[:, T, ONSET] = np.maximum(points[:, T, ONSET], offset)
    parted[:-1, T, OFFSET] = np.minimum(points[:-1, T, OFFSET], onset[1:])
    return parted


def _in_order(
    wave: Float[np.ndarray, "beat point"], least: float, most: float
) -> Bool[np.ndarray, " beat"]:
    """Say where onset, peak and offset come in this order, and the wave lasts as long as it may."""
    return (np.diff(wave, axis=1) >= 0).all(axis=1) & _within(
        wave[:, OFFSET] - wave[:, ONSET], least, most
    )


def _within(
    seconds: Float[np.ndarray, " beat"], least: float, most: float
) -> Bool[np.ndarray, " beat"]:
    """Say what lies between two limits; NaN does not."""
    return (seconds >= least) & (seconds <= most)
