"""Waves are found where they were drawn; what is not plausible is left out and counted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from ecgpipe import delineation, records
from ecgpipe.datasets import ludb
from ecgpipe.delineation import QRS, P, T, delineate, judge, keeps_time, ventricles
from ecgpipe.delineation_errors import errors
from ecgpipe.records import Record, Row, Wave, write_shard
from ecgpipe.settings import Preparation
from ecgpipe.stages import delineate as stage
from ecgpipe.wfdb_records import LEADS

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "delineation.py"
PREPARATION = Preparation(fs=100, seconds=10.0, leads=LEADS)


@pytest.fixture(scope="module")
def cohort():
    from ecgpipe.datasets import _cohort

    return _cohort.draw_cohort(30, seed=3)


@pytest.fixture(scope="module")
def signals(cohort):
    """Twelve leads without noise, in millivolts at 100 Hz."""
    from ecgpipe.datasets import _cohort, _heart

    return _heart.twelve_leads(_cohort.render(cohort, fs=100.0, seed=3)).astype(np.float32)


@pytest.fixture(scope="module")
def shard(cohort, signals, tmp_path_factory):
    """The first twelve records, and one in which nothing was recorded."""
    rows = []
    for number, millivolts in enumerate([*signals[:12], np.zeros((12, 500), np.float32)]):
        own = cohort.waves[cohort.waves["row"] == number] if number < 12 else cohort.waves[:0]
        waves = tuple(Wave(w.kind, w.onset, w.peak, w.offset) for w in own.itertuples())
        record = Record(f"{number:02d}", f"p{number}", Path("x"), waves=waves)
        rows.append(Row(record, 0.0, np.rint(1000 * millivolts).astype(np.int16), str(number)))
    path = tmp_path_factory.mktemp("shard") / "0.h5"
    write_shard(path, rows, dataset="synthetic", preparation=PREPARATION, sources="s")
    return path


def drawn(waves, rows):
    """True waves of some records, as a shard has them."""
    own = waves[waves["row"].isin(rows)]
    kind = own["kind"].map({"P": P, "QRS": QRS, "T": T})
    points = np.rint(100 * own[["onset", "peak", "offset"]])
    number = own["row"].map({row: place for place, row in enumerate(rows)})
    return np.column_stack([number, kind, np.full(len(own), -1), points]).astype(np.int32)


def found(signals, rows):
    """Waves as they are delineated, in the same layout."""
    each = [delineate(signals[row], 100.0).waves for row in rows]
    return np.concatenate([np.insert(w, 0, place, axis=1) for place, w in enumerate(each)])


def beats(count, **changes):
    """Beats a second apart: P from 0.1 to 0.2, QRS from 0.26 to 0.36, T from 0.46 to 0.66."""
    one = np.array([[0.10, 0.15, 0.20], [0.26, 0.30, 0.36], [0.46, 0.58, 0.66]])
    points = one + np.arange(count)[:, None, None]
    for wave, moved in changes.items():
        points[1, {"p": P, "qrs": QRS, "t": T}[wave]] += moved
    return points


def test_waves_are_found_where_they_were_drawn(cohort, signals):
    sinus = np.flatnonzero(cohort.labels["NORM"])[:10].tolist()
    lines = errors(drawn(cohort.waves, sinus), found(signals, sinus), 12, 100.0)
    late = lines["wave"] == "T"  # after half of the interval between beats it is not looked for
    assert (lines["sensitivity"] > np.where(late, 0.75, 0.95)).all()
    assert (lines["precision"] > 0.95).all() and (lines["mean"].abs() < 50).all()
    qrs = lines[lines["wave"] == "QRS"]
    assert (qrs["mean"].abs() < 10).all() and (qrs["sd"] < 20).all()


def test_a_wide_qrs_is_as_wide_as_it_was_drawn(cohort, signals):
    wide = np.flatnonzero(cohort.labels["LBBB"] | cohort.labels["RBBB"]).tolist()
    lines = errors(drawn(cohort.waves, wide), found(signals, wide), 12, 100.0)
    assert (lines[lines["wave"] == "QRS"]["mean"].abs() < 20).all()


def test_in_atrial_fibrillation_no_p_is_believed(cohort, signals):
    rows = np.flatnonzero(cohort.labels["AFIB"])
    told = [delineate(signals[row], 100.0) for row in rows]
    kinds = np.concatenate([each.waves[:, 0] for each in told])
    assert (kinds == P).sum() < 0.2 * (kinds == QRS).sum()
    assert sum(each.refused["P out of time"] for each in told) > 0.5 * (kinds == QRS).sum()


@pytest.mark.parametrize("leads", [1, 3])
def test_a_lead_that_stands_still_has_no_say(signals, leads):
    alone = delineate(signals[0][:leads], 100.0).waves
    beside = np.concatenate([signals[0][:leads], np.zeros((4, 1000), np.float32)])
    assert len(alone) > 20 and np.array_equal(delineate(beside, 100.0).waves, alone)


@pytest.mark.parametrize("kind", ["nothing", "a step", "noise", "half a second"])
def test_what_holds_no_beats_has_no_waves_or_failed_ones(kind, rng):
    millivolts = np.zeros((3, 50 if kind == "half a second" else 1000), np.float32)
    millivolts[:, 25:] += {"a step": 1.0}.get(kind, 0.0)
    if kind in ("noise", "half a second"):
        millivolts += rng.normal(0, 0.1, millivolts.shape).astype(np.float32)
    told = delineate(millivolts, 100.0)
    assert told.waves.shape[1] == 5 and len(told.waves) <= 3 * (told.beats - told.failed)


def test_qrs_lasts_as_long_as_there_are_slopes():
    fs, lead = 500.0, np.zeros(1000)
    for at, half in ((250, 20), (750, 40)):  # triangles of 80 and 160 ms
        lead[at - half : at + half + 1] = 1 - np.abs(np.arange(-half, half + 1)) / half
    bounds = ventricles(lead[None], np.array([250, 750]), fs) * fs
    expected = [[230, 250, 270], [710, 750, 790]]
    assert np.abs(bounds - expected).max() <= 1


def test_plausible_beats_are_kept_whole():
    told = judge(beats(4), 100.0)
    assert told.beats == 4 and told.failed == 0 and not told.refused
    assert told.waves[:3].tolist() == [[P, -1, 10, 15, 20], [QRS, -1, 26, 30, 36],
                                       [T, -1, 46, 58, 66]]  # fmt: skip
    assert len(told.waves) == 12


def test_a_beat_with_an_implausible_qrs_fails_as_a_whole():
    told = judge(beats(4, qrs=np.array([0.0, 0.0, 0.3])), 100.0)
    assert told.beats == 4 and told.failed == 1 and len(told.waves) == 9 and not told.refused


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"p": np.array([-0.6, -0.6, -0.6])}, "P implausible"),  # before the T before
        ({"p": np.array([0.18, 0.18, 0.18])}, "P implausible"),  # after QRS has begun
        ({"p": np.array([-0.07, -0.07, -0.07])}, "P out of time"),
        ({"p": np.array([np.nan, 0.0, 0.0])}, "P not found"),
        ({"t": np.array([0.9, 0.9, 0.9])}, "T implausible"),  # in the beat after
        ({"t": np.array([0.0, 0.0, np.nan])}, "T not found"),
    ],
)
def test_a_wave_that_is_not_believed_is_counted_and_the_others_stay(changes, why):
    told = judge(beats(5, **changes), 100.0)
    assert told.refused == {why: 1} and len(told.waves) == 14 and told.failed == 0


def test_waves_that_overlap_a_little_are_parted():
    told = judge(beats(3, p=np.array([0, 0, 0.1]), t=np.array([-0.15, 0, 0])), 100.0)
    own = told.waves[3:6]
    assert own[0, 4] == own[1, 2] == 126 and own[2, 2] == own[1, 4] == 136


def test_p_keeps_its_time_where_it_comes_as_early_in_every_beat():
    steady = np.array([0.15, 0.16, 0.15, np.nan, 0.25])
    assert keeps_time(steady).tolist() == [True, True, True, False, False]
    assert not keeps_time(np.array([0.10, 0.15, 0.20, 0.14, 0.21])).any()
    assert not keeps_time(np.array([0.15, 0.15])).any()  # too few to tell
    assert not keeps_time(np.array([0.15, 0.15, 0.15, *[np.nan] * 4])).any()


def test_without_the_optional_package_it_is_said_where_it_comes_from(monkeypatch, signals):
    monkeypatch.setitem(sys.modules, "neurokit2", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'ecgpipe\[delineation\]'"):
        delineation.delineate(signals[0], 100.0)


def test_the_stage_numbers_waves_by_row_and_counts_what_failed(shard, signals, tmp_path):
    stage.run(shard=shard, out=tmp_path / "0.h5")
    waves = records.read_waves(tmp_path / "0.h5")
    assert waves.dtype == np.int32 and set(waves[:, 0]) == set(range(12))
    rounded = (np.rint(1000 * signals[5]) / 1000).astype(np.float32)
    assert np.array_equal(waves[waves[:, 0] == 5, 1:], delineate(rounded, 100.0).waves)
    with h5py.File(tmp_path / "0.h5") as file:
        told = dict(file.attrs)
    assert told["records"] == 13 and told["failed_records"] == 1
    assert told["beats"] == (waves[:, 1] == QRS).sum() + told["failed_beats"]
    assert isinstance(json.loads(told["refused"]), dict)


def test_a_shard_is_compared_by_one_command(shard):
    command = [sys.executable, str(BENCHMARK), str(shard)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [[cell.strip() for cell in line.split("|")[1:]] for line in printed.splitlines()]
    qrs = [float(row[4]) for row in rows if row[:2] in (["QRS", "onset"], ["QRS", "offset"])]
    assert printed.startswith("13 records") and "records without beats: 1" in printed
    assert len(qrs) == 4 and min(qrs) > 90  # sensitivity, ours and the reference's


def test_marks_of_cardiologists_are_found():
    if "ECGPIPE_MIRROR" not in os.environ:
        pytest.skip("ECGPIPE_MIRROR names no mirror of real recordings")
    folder = Path(os.environ["ECGPIPE_MIRROR"]) / ludb.MIRROR
    marked, said = [], []
    for row, record in enumerate(ludb.records(folder)[:12]):
        places = {lead: place for place, lead in enumerate(LEADS)}
        for wave in record.waves:
            times = [round(500 * time) for time in (wave.onset, wave.peak, wave.offset)]
            marked.append((row, records.WAVES.index(wave.kind), places[wave.lead], *times))
        waves = delineate(ludb.read(folder, record, "signals").millivolts, 500.0).waves
        said.append(np.insert(waves, 0, row, axis=1))
    lines = errors(np.array(marked, np.int32), np.concatenate(said), 12, 500.0)
    assert (lines["sensitivity"] > 0.9).all() and (lines["mean"].abs() < 20).all()
    assert (lines.loc[lines["wave"] == "QRS", "precision"] > 0.98).all()
