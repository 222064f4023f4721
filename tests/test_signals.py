"""Preparing a recording changes its form, never what is in its band."""

import dataclasses
import time

import numpy as np
import pytest
from scipy.signal import butter, filtfilt

from ecgpipe import records, signals
from ecgpipe.records import Signal
from ecgpipe.settings import Preparation

PREPARATION = Preparation(100, 10.0, ("I", "V1"))


def sine(fs: float, hertz: float, seconds: float = 10.0) -> np.ndarray:
    time = np.arange(round(fs * seconds)) / fs
    return np.stack([np.sin(2 * np.pi * hertz * time), np.cos(2 * np.pi * hertz * time)]).astype(
        "f4"
    )


def recording(fs: float, hertz: float, seconds: float = 10.0) -> Signal:
    return Signal(fs, ("V1", "I"), sine(fs, hertz, seconds)[::-1].copy())


@pytest.mark.parametrize("fs", [500.0, 360.0, 257.0, 1000.0, 50.0, 128.5])
def test_a_sine_keeps_its_shape_at_another_sampling_frequency(fs):
    resampled = signals.resample(sine(fs, 5.0), fs, 100.0)
    assert resampled.shape == (2, 1000) and resampled.dtype == np.float32
    np.testing.assert_allclose(resampled[:, 50:-50], sine(100.0, 5.0)[:, 50:-50], atol=0.01)


def test_what_would_alias_is_kept_out():
    resampled = signals.resample(sine(500.0, 90.0), 500.0, 100.0)
    assert np.abs(resampled[:, 50:-50]).max() < 0.01


def test_an_offset_makes_no_steps_at_the_ends():
    resampled = signals.resample(sine(500.0, 1.0) + 3, 500.0, 100.0)
    np.testing.assert_allclose(resampled, sine(100.0, 1.0) + 3, atol=0.06)


def test_a_sampling_frequency_beyond_reason_is_refused():
    with pytest.raises(ValueError, match="cannot resample"):
        signals.resample(sine(500.0, 1.0), 1e-3, 100.0)


@pytest.mark.parametrize(
    ("hertz", "kept"), [(0.05, 0.0), (5.0, 1.0), (15.0, 1.0), (49.0, 0.0)], ids=str
)
def test_a_band_keeps_what_is_inside_and_moves_nothing(hertz, kept):
    wave = sine(100.0, hertz, 40.0)
    filtered = signals.band_pass(wave, 100.0, (0.5, 40.0))
    middle = slice(1000, -1000)
    np.testing.assert_allclose(filtered[:, middle], kept * wave[:, middle], atol=0.03)


@pytest.mark.parametrize(("band", "kept"), [((None, 20.0), 3.0), ((1.0, None), 0.0)])
def test_one_side_of_a_band_may_be_open(band, kept):
    filtered = signals.band_pass(np.full((1, 3000), 3, np.float32), 100.0, band)
    np.testing.assert_allclose(filtered, kept, atol=0.01)


def test_a_short_recording_can_be_filtered():
    assert np.isfinite(signals.band_pass(sine(100.0, 5.0, 0.05), 100.0, (0.5, 40.0))).all()


def test_leads_are_put_in_order_and_what_is_too_long_is_cut():
    for seconds, filled in ((12.0, 1000), (4.0, 400)):
        ((start, millivolts),) = signals.prepare(recording(500.0, 5.0, seconds), PREPARATION)
        assert start == 0.0 and millivolts.shape == (2, filled)
        expected = sine(100.0, 5.0, seconds)[:, : filled - 50]
        np.testing.assert_allclose(millivolts[:, 50:-50], expected[:, 50:], atol=0.01)


def test_a_missing_lead_is_refused_by_name():
    preparation = dataclasses.replace(PREPARATION, leads=("I", "aVL", "V6"))
    with pytest.raises(ValueError, match="missing leads: aVL, V6; the recording has V1, I"):
        signals.prepare(recording(500.0, 5.0), preparation)


def test_a_missing_lead_is_zero_where_the_preparation_says_so():
    preparation = dataclasses.replace(PREPARATION, leads=("I", "V6"), missing_leads="zero")
    ((_, millivolts),) = signals.prepare(recording(500.0, 5.0), preparation)
    assert millivolts[0].any() and not millivolts[1].any()


def test_windows_lie_a_stride_apart_and_are_all_whole():
    preparation = dataclasses.replace(PREPARATION, seconds=4.0, window=4.0, stride=2.0)
    windows = signals.prepare(recording(100.0, 5.0, 11.0), preparation)
    assert [start for start, _ in windows] == [0.0, 2.0, 4.0, 6.0]
    for start, millivolts in windows:
        begin = round(100 * start)
        np.testing.assert_array_equal(millivolts, sine(100.0, 5.0, 11.0)[:, begin : begin + 400])


def test_a_recording_shorter_than_a_window_is_one_short_window():
    preparation = dataclasses.replace(PREPARATION, seconds=4.0, window=4.0)
    ((start, millivolts),) = signals.prepare(recording(100.0, 5.0, 3.0), preparation)
    assert start == 0.0 and millivolts.shape == (2, 300)


WINDOWS = dataclasses.replace(PREPARATION, seconds=2.0, window=2.0, missing_samples="leave_out")


def starts_of(windows: list) -> list[float]:
    return [round(start, 6) for start, _ in windows]


def test_windows_are_cut_between_missing_samples():
    signal = recording(100.0, 5.0, 12.0)
    signal.millivolts[0, 310] = np.nan  # a lead of two is enough
    signal.millivolts[1, 700:705] = np.nan
    windows = signals.prepare(signal, WINDOWS)
    assert starts_of(windows) == [0.0, 3.11, 7.05, 9.05]
    for start, millivolts in windows:
        begin = round(100 * start)
        np.testing.assert_array_equal(millivolts, sine(100.0, 5.0, 12.0)[:, begin : begin + 200])


def test_missing_samples_of_a_lead_that_is_not_asked_for_take_nothing_away():
    signal = recording(100.0, 5.0, 6.0)
    signal.millivolts[0, 310] = np.nan  # V1
    preparation = dataclasses.replace(WINDOWS, leads=("I",))
    assert starts_of(signals.prepare(signal, preparation)) == [0.0, 2.0, 4.0]


def test_windows_are_cut_between_what_nobody_can_read():
    unreadable = ((0.0, 1.0), (4.505, 4.995), (11.0, 12.0))
    windows = signals.prepare(recording(100.0, 5.0, 12.0), WINDOWS, unreadable)
    assert starts_of(windows) == [1.0, 5.0, 7.0, 9.0]


def test_stretches_hold_no_sample_of_what_nobody_can_read(rng):
    onset = np.sort(rng.uniform(0, 1800, 50))
    unreadable = [(a, a + length) for a, length in zip(onset, rng.uniform(0, 9, 50), strict=True)]
    found = signals.stretches(np.zeros((1, 648_000), np.float32), 360.0, unreadable)
    middle = np.concatenate([np.arange(begin, end) for begin, end in found]) / 360
    assert not any(((middle > a) & (middle < b)).any() for a, b in unreadable)
    lost = 1800 - len(middle) / 360
    joined = sum(e - b for b, e in merged(unreadable))
    assert joined <= lost < joined + 50 * 2 / 360


def merged(intervals: list) -> list:
    found: list = []
    for onset, offset in sorted(intervals):
        if found and onset <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], offset))
        else:
            found.append((onset, offset))
    return [(b, min(e, 1800.0)) for b, e in found]


def test_a_piece_shorter_than_a_window_gives_none():
    signal = recording(100.0, 5.0, 5.0)
    signal.millivolts[:, [199, 310]] = np.nan
    assert signals.prepare(signal, WINDOWS, [(3.2, 5.0)]) == []


def test_a_whole_recording_that_nobody_can_read_gives_no_window():
    assert signals.prepare(recording(100.0, 5.0, 6.0), WINDOWS, [(0.0, 6.0)]) == []
    signal = recording(100.0, 5.0, 1.0)  # shorter than a window, and then some of it is missing
    signal.millivolts[:, 50] = np.nan
    assert signals.prepare(signal, WINDOWS) == []


def test_what_lies_beyond_a_gap_changes_no_window():
    preparation = dataclasses.replace(WINDOWS, fs=50, band=(0.5, 20.0))
    quiet, loud = (recording(128.0, 5.0, 10.0) for _ in range(2))
    for signal in (quiet, loud):
        signal.millivolts[:, 640:650] = np.nan
    loud.millivolts[:, :640] *= 100
    before, after = (signals.prepare(signal, preparation) for signal in (quiet, loud))
    assert starts_of(before) == starts_of(after) == [0.0, 2.0, 5.078125, 7.078125]
    for (_, one), (_, other) in zip(before[2:], after[2:], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("fs", [128.0, 250.0, 257.0, 360.0])
def test_a_window_starts_where_it_says_at_any_sampling_frequency(fs):
    signal = recording(fs, 1.0, 20.0)
    signal.millivolts[:, round(4.3 * fs)] = np.nan
    windows = signals.prepare(signal, WINDOWS)
    assert len(windows) == 2 + 7
    for start, millivolts in windows:
        time = start + np.arange(200) / 100
        expected = np.stack([np.sin(2 * np.pi * time), np.cos(2 * np.pi * time)])
        np.testing.assert_allclose(millivolts[:, 20:-20], expected[:, 20:-20], atol=0.02)


def test_every_window_of_a_stretch_is_whole_where_the_frequency_rises():
    preparation = dataclasses.replace(WINDOWS, fs=250)
    signal = recording(100.25, 5.0, 7.0)
    signal.millivolts[:, 200] = np.nan  # before it 200 samples, 0.005 s less than a window
    assert starts_of(signals.prepare(signal, preparation)) == [2.004988, 4.004988]


def test_the_first_lead_that_a_recording_has_is_taken():
    preparation = dataclasses.replace(PREPARATION, leads=("II|V1|I",))
    ((_, millivolts),) = signals.prepare(recording(100.0, 5.0), preparation)
    np.testing.assert_array_equal(millivolts[0], sine(100.0, 5.0)[1])
    with pytest.raises(ValueError, match=r"missing leads: II\|ECG; the recording has V1, I"):
        signals.pick_leads(recording(100.0, 5.0), ("II|ECG",), "refuse")


def test_a_day_of_one_lead_is_cut_into_windows_within_twenty_seconds(rng):
    day = rng.normal(0, 0.3, (1, 24 * 3600 * 128)).astype(np.float32)
    day[0, rng.integers(0, day.shape[1], 100)] = np.nan
    preparation = Preparation(250, 2.0, ("ECG1",), band=(0.5, 40.0), window=2.0)
    began = time.process_time()
    windows = signals.prepare(Signal(128.0, ("ECG1",), day), preparation, [(80_000.0, 90_000.0)])
    assert time.process_time() - began < 20
    assert 39_880 < len(windows) <= 40_000


DEVIATIONS = dataclasses.replace(PREPARATION, scale="deviation")


def reference() -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """The recording that the authors of CE-SSL were given, and their filter at 500 Hz."""
    lead, t = np.arange(12)[:, None], np.arange(5000) / 500
    wave = np.sin(2 * np.pi * (1.3 + 0.7 * lead) * t) + 0.5 * np.sin(2 * np.pi * 60 * t + lead)
    return wave + 0.2 * lead + 0.05 * t, butter(3, (1 / 250, 47 / 250), "bandpass")


def test_standard_deviations_are_those_that_the_code_of_ce_ssl_gives():
    wave, (b, a) = reference()
    found = signals.standardise(filtfilt(b, a, wave))[[0, 11]][:, [0, 10, 2500, 4999]]
    expected = [
        [-0.39658267, -0.02254878, -0.01234093, 0.13766904],
        [0.70079772, 2.4653171, -0.13076133, -0.61924158],
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_band_is_that_of_ce_ssl_but_that_its_ends_get_a_period_to_settle():
    wave, (b, a) = reference()
    found = signals.band_pass(wave.astype("f4"), 500.0, (1.0, 47.0))
    np.testing.assert_allclose(found, filtfilt(b, a, wave, padlen=500), atol=1e-5)


def test_a_recording_is_scaled_as_a_whole_then_cut():
    for seconds in (12.0, 4.0):
        signal = recording(100.0, 5.0, seconds)
        signal.millivolts[:, :100] *= 8
        whole = signal.millivolts[::-1].astype(float)
        whole = (whole - whole.mean(1, keepdims=True)) / whole.std(1, keepdims=True)
        ((_, scaled),) = signals.prepare(signal, DEVIATIONS)
        np.testing.assert_allclose(scaled, whole[:, :1000], atol=1e-5)


@pytest.mark.parametrize("fs", [100.0, 360.0])
def test_a_lead_that_stands_still_is_zero_in_standard_deviations(fs):
    signal = recording(fs, 5.0)
    signal.millivolts[0] = 3.3  # V1; filters leave rounding errors of it
    preparation = dataclasses.replace(DEVIATIONS, band=(1.0, 47.0))
    ((_, scaled),) = signals.prepare(signal, preparation)
    assert scaled[0].std() == pytest.approx(1, abs=1e-5) and not scaled[1].any()


def test_every_stretch_of_a_long_recording_is_scaled_by_itself():
    signal = recording(100.0, 5.0, 8.01)
    signal.millivolts[:, 400] = np.nan
    signal.millivolts[:, 401:] *= 10
    windows = signals.prepare(signal, dataclasses.replace(WINDOWS, scale="deviation"))
    assert starts_of(windows) == [0.0, 2.0, 4.01, 6.01]
    for _, scaled in windows:
        np.testing.assert_allclose(scaled.std(axis=1), 1, atol=1e-3)


@pytest.mark.parametrize(
    ("preparation", "unit"), [(PREPARATION, "uV"), (DEVIATIONS, "standard deviation / 1000")]
)
def test_a_shard_names_what_it_counts(tmp_path, preparation, unit):
    path = tmp_path / "0.h5"
    records.write_shard(path, [], dataset="toy", preparation=preparation, sources="abc")
    assert records.read_attributes(path)["unit"] == unit


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match="scale: 'volt'; allowed: millivolt, deviation"):
        dataclasses.replace(PREPARATION, scale="volt")
