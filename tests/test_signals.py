"""Preparing a recording changes its form, never what is in its band."""

import dataclasses

import numpy as np
import pytest

from ecgpipe import signals
from ecgpipe.records import Signal
from ecgpipe.settings import Preparation

PREPARATION = Preparation("500hz", 100, 10.0, ("I", "V1"))


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


def test_leads_are_put_in_order_and_the_length_is_fitted():
    for seconds, filled in ((12.0, 1000), (4.0, 400)):
        ((start, millivolts),) = signals.prepare(recording(500.0, 5.0, seconds), PREPARATION)
        assert start == 0.0 and millivolts.shape == (2, 1000)
        expected = sine(100.0, 5.0, seconds)[:, : filled - 50]
        np.testing.assert_allclose(millivolts[:, 50 : filled - 50], expected[:, 50:], atol=0.01)
        assert not millivolts[:, filled:].any()


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


def test_a_recording_shorter_than_a_window_is_one_padded_window():
    preparation = dataclasses.replace(PREPARATION, seconds=4.0, window=4.0)
    ((start, millivolts),) = signals.prepare(recording(100.0, 5.0, 3.0), preparation)
    assert start == 0.0 and not millivolts[:, 300:].any()
