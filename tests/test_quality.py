"""Signal quality: what is flat, saturated, drifting or noisy, and what only looks so."""

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from ecgpipe import quality
from ecgpipe.records import Signal

KINDS = ("flat", "saturated", "drifting", "noisy")
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def beats(fs: float = 500, seconds: float = 10) -> np.ndarray:
    """QRS complexes of 1 mV and T waves of 0.3 mV, 75 a minute."""
    phase = np.arange(round(fs * seconds)) / fs % 0.8
    qrs = np.exp(-(((phase - 0.3) / 0.012) ** 2))
    return qrs + 0.3 * np.exp(-(((phase - 0.55) / 0.05) ** 2))


def judge(*leads: np.ndarray, fs: float = 500) -> dict[str, list]:
    """Name the kinds of each lead's pieces."""
    names = tuple(str(place) for place in range(len(leads)))
    return quality.judge(Signal(float(fs), names, np.stack(leads).astype(np.float32)))


def kinds(lead: np.ndarray, fs: float = 500) -> set[str]:
    found = judge(lead, fs=fs)
    return {kind for kind in KINDS if found[kind].any()}


@pytest.mark.parametrize("fs", [100, 128, 250, 257, 360, 500, 1000])
def test_a_clean_lead_is_judged_and_has_no_fault(fs):
    assert kinds(beats(fs), fs) == set()
    assert judge(beats(fs), fs=fs)["judged"].tolist() == [[True]]


def test_what_changes_less_than_a_recorders_own_noise_is_flat(rng):
    assert kinds(np.full(5000, 1.3)) == {"flat"}
    assert kinds(rng.choice([0, 0.02], 5000)) == {"flat"}
    assert kinds(0.03 * beats()) == set()


def test_a_wave_cut_off_at_the_converters_range_is_saturated():
    wave = 2 * np.sin(np.arange(5000) / 500 * 2 * np.pi)
    assert "saturated" in kinds(wave.clip(max=1.5))
    assert "saturated" in kinds(wave.clip(min=-1.5))
    assert "saturated" not in kinds(wave)


def test_a_baseline_that_is_the_lowest_value_is_not_saturated():
    coarse = np.round(beats() / 0.005) * 0.005  # steps of 5 µV, as in old recorders
    assert (coarse == 0).mean() > 0.2
    assert kinds(coarse) == set()


def test_a_slow_drift_in_coarse_steps_is_not_saturated():
    slow = 0.7 * np.sin(np.arange(1000) / 100 * 2 * np.pi * 0.2)
    assert kinds(np.round(slow / 0.005) * 0.005, fs=100) == {"drifting"}


def test_the_range_is_the_whole_recordings_not_the_pieces():
    wave = 2 * np.sin(np.arange(5000) / 500 * 2 * np.pi)
    lead = np.concatenate([wave.clip(max=1.4), wave.clip(max=1.5)])
    assert judge(lead)["saturated"].tolist() == [[False, True]]


@pytest.mark.parametrize(("height", "drifts"), [(0.2, False), (0.3, True)])
def test_a_baseline_that_moves_by_a_large_square_drifts(height, drifts):
    slow = height * np.sin(np.arange(5000) / 500 * 2 * np.pi * 0.15)
    assert kinds(beats() + slow) == ({"drifting"} if drifts else set())


@pytest.mark.parametrize("fs", [100, 250, 360, 500])
@pytest.mark.parametrize(("deviation", "noisy"), [(0.02, False), (0.03, True)])
def test_noise_is_measured_alike_at_every_sampling_frequency(fs, deviation, noisy, rng):
    lead = beats(fs) + rng.normal(0, deviation, 10 * fs)
    assert kinds(lead, fs) == ({"noisy"} if noisy else set())


def test_the_deviation_of_white_noise_is_found_beneath_the_beats(rng):
    noise = rng.normal(0, 0.03, (1, 1, 100_000)).astype(np.float32)
    beating = noise + beats(100, 1000).astype(np.float32)
    assert quality._noise(noise).item() == pytest.approx(0.03, rel=0.02)
    assert quality._noise(beating).item() == pytest.approx(0.03, rel=0.15)


def test_fibrillation_is_no_noise():
    wave = np.sin(np.arange(5000) / 500 * 2 * np.pi * 5)  # 2 mV from peak to valley
    assert kinds(wave) == set()


def test_a_piece_with_a_missing_sample_is_not_judged_and_the_others_are(rng):
    lead = rng.normal(0, 0.1, 15_000)
    lead[7000] = np.nan
    found = judge(lead)
    assert found["judged"].tolist() == found["noisy"].tolist() == [[True, False, True]]


def test_a_lead_without_any_sample_is_not_judged():
    found = judge(np.full(5000, np.nan), beats())
    assert found["judged"].tolist() == [[False], [True]]
    assert not any(found[kind].any() for kind in KINDS)


def test_short_recordings_are_one_piece_and_ends_are_left_out():
    assert judge(beats(seconds=3))["judged"].shape == (1, 1)
    assert judge(beats(seconds=0.5))["judged"].shape == (1, 1)
    assert judge(beats(seconds=29))["judged"].shape == (1, 2)


def remarked(text: object) -> np.ndarray:
    """Read which leads a remark of PTB-XL is about: `I-AVF`, `V5,V6`, or `alles` (all)."""
    upper = [lead.upper() for lead in LEADS]
    said = text.upper() if isinstance(text, str) else ""
    about = np.full(12, "ALLES" in said)
    for first, last in re.findall(r"([IAV]\w*)(?:-([IAV]\w*))?", said):
        if first in upper and (last or first) in upper:
            about[upper.index(first) : upper.index(last or first) + 1] = True
    return about


@pytest.mark.skipif(
    "ECGPIPE_MIRROR" not in os.environ, reason="ECGPIPE_MIRROR names no mirror of PTB-XL"
)
def test_noise_and_drift_agree_with_what_ptbxls_validators_remarked():
    from ecgpipe.datasets import ptbxl

    folder = Path(os.environ["ECGPIPE_MIRROR"], ptbxl.MIRROR)
    told = pd.read_csv(folder / ptbxl.TABLE, index_col="ecg_id", low_memory=False)
    complete = [r for r in ptbxl.records(folder) if isinstance(told.report[int(r.id)], str)][::5]
    read = [ptbxl.read(folder, record, "100hz").millivolts for record in complete]
    remarks = told.loc[[int(record.id) for record in complete]]
    noise, drift, burst = (
        np.stack([remarked(text) for text in remarks[name]])
        for name in ("static_noise", "baseline_drift", "burst_noise")
    )
    for measure, about, least in ((quality._noise, noise, 0.79), (quality._drift, drift, 0.84)):
        measured = np.concatenate([measure(each[:, None]) for each in read])
        clear = about.ravel() | ~(noise | drift | burst).ravel()
        assert roc_auc_score(about.ravel()[clear], measured[clear]) > least
