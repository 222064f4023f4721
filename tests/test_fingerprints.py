"""Copies of a recording are found whatever was done to it; recordings of two hearts never are."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import signal as scipy_signal

from ecgpipe import fingerprints
from ecgpipe.datasets._cohort import draw_cohort, record_cohort
from ecgpipe.datasets.ptbxl import MIRROR as PTBXL
from ecgpipe.fingerprints import copies, fingerprint, similarity
from ecgpipe.records import Signal
from ecgpipe.wfdb_records import LEADS, read_record

FS = 500.0


@pytest.fixture(scope="module")
def hearts():
    """Recordings of twelve patients, one to four each: twelve leads, 10 s, 500 Hz."""
    recorded = record_cohort(draw_cohort(12, seed=3), fs=FS, seed=3)
    return [Signal(FS, LEADS, np.asarray(each, np.float32)) for each in recorded]


def made(millivolts, fs=FS, leads=LEADS):
    return Signal(fs, leads, np.asarray(millivolts, np.float32))


def alike(one, other):
    return copies({"one": fingerprint(one), "other": fingerprint(other)}) != {}


def interpolated(millivolts, fs):
    at = np.arange(0, 10, 1 / fs)
    return np.stack([np.interp(at, np.arange(5000) / FS, lead) for lead in millivolts])


RESAMPLED = {
    "polyphase to 100 Hz": (100.0, lambda x: scipy_signal.resample_poly(x, 1, 5, axis=1)),
    "Chebyshev to 100 Hz": (100.0, lambda x: scipy_signal.decimate(x, 5, axis=1)),
    "polyphase to 257 Hz": (257.0, lambda x: scipy_signal.resample_poly(x, 257, 500, axis=1)),
    "Fourier to 400 Hz": (400.0, lambda x: scipy_signal.resample(x, 4000, axis=1)),
    "lines to 360 Hz": (360.0, lambda x: interpolated(x, 360)),
    "Fourier to 1000 Hz": (1000.0, lambda x: scipy_signal.resample(x, 10000, axis=1)),
}


@pytest.mark.parametrize("name", RESAMPLED)
def test_a_copy_at_another_sampling_frequency_is_found(hearts, name):
    fs, resample = RESAMPLED[name]
    assert all(alike(heart, made(resample(heart.millivolts), fs)) for heart in hearts)


def filtered(millivolts, order, frequency, kind, run):
    return run(scipy_signal.butter(order, frequency, kind, fs=FS, output="sos"), millivolts, axis=1)


def causal(sections, millivolts, axis):
    settled = scipy_signal.sosfilt_zi(sections)[:, None] * millivolts[None, :, :1]
    return scipy_signal.sosfilt(sections, millivolts, axis=axis, zi=settled)[0]


CHANGED = {
    "gain and whole microvolts": lambda x: np.rint(370 * x) / 1000,
    "12 bits over 20 mV": lambda x: np.rint(x / 0.00488) * 0.00488,
    "steps of 20 microvolts": lambda x: np.rint(50 * x) / 50,
    "offset and drift": lambda x: x + 1 + 0.3 * np.sin(2 * np.pi * 0.2 * np.arange(5000) / FS),
    "0.5 to 40 Hz": lambda x: filtered(x, 3, (0.5, 40), "bandpass", scipy_signal.sosfiltfilt),
    "1 to 30 Hz": lambda x: filtered(x, 3, (1, 30), "bandpass", scipy_signal.sosfiltfilt),
    "above 0.5 Hz, with a delay": lambda x: filtered(x, 2, 0.5, "highpass", causal),
    "below 40 Hz, with a delay": lambda x: filtered(x, 4, 40, "lowpass", causal),
    "20 ms later": lambda x: np.pad(x, ((0, 0), (10, 0)), mode="edge")[:, :5000],
    "20 ms cut off": lambda x: x[:, 10:],
    "half a second cut off at the end": lambda x: x[:, :4750],
    "three seconds cut off at the end": lambda x: x[:, :3500],
    "zeros on both sides": lambda x: np.pad(x, ((0, 0), (60, 60))),
    "seven seconds, zeros on both sides": lambda x: np.pad(x[:, :3500], ((0, 0), (810, 810))),
    "the start of a longer recording": lambda x: np.hstack([x, x[:, ::-1], x]),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_copy_whose_samples_were_changed_is_found(hearts, name):
    assert all(alike(heart, made(CHANGED[name](heart.millivolts))) for heart in hearts)


def test_two_recordings_are_no_copies_even_of_one_patient(hearts):
    assert copies({str(k): fingerprint(heart) for k, heart in enumerate(hearts)}) == {}


def test_copies_are_named_after_the_first_of_them(hearts):
    names = ("c", "x", "a", "b", "y")
    prints = {name: fingerprint(hearts[name in "xy"]) for name in names}
    assert copies(prints) == {"c": "c", "a": "c", "b": "c", "x": "x", "y": "x"}


@pytest.mark.parametrize("leads", [("II",), ("V5", "I"), ("II", "V1", "V6")])
def test_recordings_are_compared_on_the_leads_that_both_have(hearts, leads):
    picked = [hearts[0].millivolts[LEADS.index(lead)] for lead in leads]
    assert alike(hearts[0], made(picked, leads=leads))
    assert not alike(hearts[1], made(picked, leads=leads))


def test_recordings_without_a_common_lead_are_not_compared(hearts):
    first = hearts[0].millivolts[:1]
    assert not alike(made(first, leads=("I",)), made(first, leads=("II",)))


def test_leads_with_other_names_are_compared_by_the_first_of_them(hearts):
    one, other = (made(heart.millivolts[:1], leads=("ECG",)) for heart in hearts[:2])
    assert alike(one, made(scipy_signal.decimate(one.millivolts, 2), 250.0, ("ECG1",)))
    assert not alike(one, other)


def test_a_recording_counts_from_where_it_can_be_read(hearts):
    whole = hearts[0].millivolts
    late = np.hstack([whole[:, :2000], np.full((12, 1500), np.nan), whole])
    assert alike(hearts[0], made(late))


def test_a_lead_that_is_missing_throughout_is_not_compared(hearts):
    gone = hearts[0].millivolts.copy()
    gone[LEADS.index("V1")] = np.nan
    assert alike(hearts[0], made(gone))


@pytest.mark.parametrize("level", [0.0, 0.7, np.nan, 1e-7 * np.arange(5000)])
def test_what_does_not_move_has_no_fingerprint_and_no_copies(level):
    flat = made(np.full((12, 5000), level))
    assert not fingerprint(flat).any() and not alike(flat, flat)


def test_a_flat_lead_is_not_compared(hearts):
    flat = hearts[0].millivolts.copy()
    flat[LEADS.index("V5")] = 0.3
    assert alike(hearts[0], made(flat))


@pytest.mark.parametrize(("seconds", "fs"), [(4.8, 500.0), (0.002, 500.0), (100.0, 30.0)])
def test_what_is_too_short_or_too_slow_has_no_fingerprint(rng, seconds, fs):
    noise = made(rng.normal(size=(12, round(seconds * fs))), fs)
    assert not fingerprint(noise).any()


def test_five_seconds_of_one_lead_are_not_enough(hearts):
    short = made(hearts[0].millivolts[:1, :3500], leads=("I",))
    assert fingerprint(short).any() and not alike(short, short)


def test_similarity_is_the_correlation_of_the_slopes_at_the_best_lag(hearts):
    one, other = hearts[0].millivolts[:1, :2500], hearts[1].millivolts[:1, :2500]
    found = similarity(*(fingerprint(made(x, leads=("I",)))[None] for x in (one, other)))
    slopes = []
    for x in (one, other):
        faded = scipy_signal.detrend(x[0].astype(float)) * scipy_signal.windows.tukey(2500, 0.2)
        spectrum = np.fft.rfft(faded)
        spectrum[:10] = spectrum[101:] = 0
        slopes.append(np.gradient(np.fft.irfft(spectrum)))
    lags = range(-20, 21)  # samples of 2 ms
    expected = max(np.corrcoef(slopes[0], np.roll(slopes[1], lag))[0, 1] for lag in lags)
    assert found[0] == pytest.approx(expected, abs=0.01)


def test_copies_are_found_across_the_blocks_of_a_search(rng):
    prints = rng.integers(-127, 128, (2 * fingerprints.BLOCK + 9, 10, 182), dtype=np.int8)
    prints[:, [4, 9]] = 0
    twins = [(0, 4500), (3, 8200), (4095, 4096), (5100, 8100)]
    for one, other in twins:
        prints[other] = prints[one]
    prints[5000:, :2] = 0  # fewer pieces: searched apart
    found = copies({str(k): each for k, each in enumerate(prints)})
    assert found == {str(k): str(pair[0]) for pair in twins for k in pair}


@pytest.fixture
def mirror():
    if "ECGPIPE_MIRROR" not in os.environ:
        pytest.skip("ECGPIPE_MIRROR names no mirror of real recordings")
    return Path(os.environ["ECGPIPE_MIRROR"])


def test_of_the_packed_challenge_only_two_are_copies_and_all_are_found_at_100_hz(mirror):
    read = {path.stem: read_record(path) for path in (mirror / "challenge-2021").rglob("*.hea")}
    slower = {
        f"{name} at 100 Hz": made(scipy_signal.decimate(each.millivolts, 5), 100.0, each.leads)
        for name, each in read.items()
    }
    found = copies({name: fingerprint(each) for name, each in (read | slower).items()})
    twins = {"E07509", "E07510"}  # byte-identical, as published
    for name in read:
        same = {other.split()[0] for other in found if found[other] == found[name]}
        assert same == (twins if name in twins else {name})


@pytest.mark.slow
def test_the_packed_ptbxl_has_one_pair_of_copies_of_one_patient(mirror):
    paths = sorted((mirror / PTBXL / "records100").rglob("*.hea"))
    found = copies({path.stem: fingerprint(read_record(path)) for path in paths})
    assert set(found) == {"11842_lr", "11843_lr"}  # patient 13781, both in fold 10
