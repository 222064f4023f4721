"""Shards give back what was written, and only what fits is written."""

import dataclasses
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from ecgpipe import records
from ecgpipe.annotations import Beats, Span
from ecgpipe.records import Record, Row, Signal, Wave
from ecgpipe.settings import Preparation, parse

PREPARATION = Preparation(100, 2.0, ("I", "II"), source="100hz")


def row(name: str, seed: int = 0, **values: object) -> Row:
    signal = np.random.default_rng(seed).integers(-3000, 3000, (2, 200), dtype=np.int16)
    record = Record(name, f"p{name}", Path(f"{name}.hea"), **values)  # type: ignore[arg-type]
    return Row(record, 0.0, signal, "d" + name)


def write(path: Path, rows: list[Row]) -> Path:
    records.write_shard(path, rows, dataset="toy", preparation=PREPARATION, sources="abc")
    return path


def test_signals_come_back_through_a_memory_map(tmp_path):
    rows = [row("a", 1), row("b", 2)]
    signals = records.read_signals(write(tmp_path / "0.h5", rows))
    assert isinstance(signals, np.memmap)
    np.testing.assert_array_equal(signals, [each.signal for each in rows])


def test_short_signals_end_in_zeros_and_their_samples_are_told(tmp_path):
    short = dataclasses.replace(row("a", 1), signal=row("a", 1).signal[:, :130])
    path = write(tmp_path / "0.h5", [row("b", 2), short])
    assert records.read_table([path])["samples"].tolist() == [200, 130]
    signals = records.read_signals(path)
    np.testing.assert_array_equal(signals[1, :, :130], short.signal)
    assert not signals[1, :, 130:].any()


def test_a_shard_made_before_samples_were_told_is_refused(tmp_path):
    path = write(tmp_path / "0.h5", [row("a")])
    with h5py.File(path, "a") as file:
        del file["samples"]
    with pytest.raises(ValueError, match="0.h5: no column samples.*remove this shard and make it"):
        records.read_table([path])


def test_the_table_of_shards_equals_the_table_of_metadata(tmp_path):
    known = row("é", statements={"NORM": 100.0, "SR": 0.0}, age=61.5, sex="female", fold=9)
    known = dataclasses.replace(
        known,
        record=dataclasses.replace(known.record, site="s", device="d", aliases=("x:1", "y:2")),
    )
    rows = [known, row("b")]
    (
        write(tmp_path / "0.h5", rows[:1]),
        write(tmp_path / "1.h5", []),
        write(tmp_path / "2.h5", rows[1:]),
    )
    table = records.read_table([tmp_path / f"{shard}.h5" for shard in range(3)])
    expected = records.table("toy", [each.record for each in rows])
    pd.testing.assert_frame_equal(table[expected.columns], expected)
    assert table.digest.tolist() == ["dé", "db"]
    assert table[["shard", "row"]].to_numpy().tolist() == [[0, 0], [2, 0]]
    assert table.sex.tolist() == ["female", None]


def test_rhythms_and_beats_of_windows_come_back(tmp_path):
    window = dataclasses.replace(row("a"), start=6.5, rhythms={"(VT": 0.75}, beats={"V": 4, "/": 1})
    (found,) = records.read_table([write(tmp_path / "0.h5", [window])]).to_dict("records")
    assert (found["start"], found["digest"]) == (6.5, "da")
    assert (found["rhythms"], found["beats"]) == ({"(VT": 0.75}, {"V": 4, "/": 1})


def test_the_table_of_metadata_tells_every_rhythm_and_counts_the_beats():
    spans = (Span("(N", 0.0, 3.0), Span("(VT", 3.0, 5.5), Span("(N", 5.5, 9.0))
    beats = Beats(np.arange(4.0), np.array(list("NNVN")))
    long = Record("a", "p", Path("a.hea"), spans=spans, beats=beats)
    (found,) = records.table("toy", [long]).to_dict("records")
    assert found["rhythms"] == {"(N": 1.0, "(VT": 1.0} and found["beats"] == {"N": 3, "V": 1}


def test_the_fingerprint_of_a_recording_is_kept_once_for_all_its_windows(tmp_path):
    prints = np.arange(12, dtype=np.int8).reshape(2, 2, 3)
    one, other = (
        dataclasses.replace(row(name), fingerprint=taken)
        for name, taken in zip("éb", prints, strict=True)
    )
    paths = write(tmp_path / "0.h5", [one, one, other]), write(tmp_path / "1.h5", [])
    found = records.read_fingerprints(list(paths))
    assert list(found) == ["toy:é", "toy:b"]
    np.testing.assert_array_equal(list(found.values()), prints)


def test_an_empty_shard_is_allowed(tmp_path):
    path = write(tmp_path / "0.h5", [])
    assert records.read_signals(path).shape == (0, 2, 200)
    assert records.read_waves(path).shape == (0, 6)
    assert list(records.read_table([path]).columns)[:3] == ["dataset", "record", "patient"]


def test_a_shard_says_what_it_is(tmp_path):
    attributes = records.read_attributes(write(tmp_path / "0.h5", [row("a")]))
    assert attributes["fs"] == 100 and attributes["leads"] == ("I", "II")
    assert attributes["unit"] == "uV" and attributes["sources"] == "abc"
    assert parse(attributes["preparation"])["seconds"] == 2.0


def test_waves_are_kept_in_samples_of_the_prepared_signal(tmp_path):
    waves = (
        Wave("QRS", 0.5, 0.54, 0.6),
        Wave("T", 0.8, 0.9, 1.0, "II"),
        Wave("P", 0.1, 0.2, 0.3, "V1"),  # a lead that the preparation leaves out
        Wave("T", 2.1, 2.2, 2.3),  # after the crop
    )
    path = write(tmp_path / "0.h5", [row("a"), row("b", waves=waves)])
    assert records.read_waves(path).tolist() == [[1, 1, -1, 50, 54, 60], [1, 2, 1, 80, 90, 100]]


def test_what_overflows_int16_is_clipped_and_counted():
    signal, clipped = records.microvolts(np.array([[40.0, -40.0, 1.2346]], np.float32), "a")
    assert clipped == 2
    assert signal.tolist() == [[32767, -32767, 1235]]


def test_nan_is_an_error_that_names_the_record():
    with pytest.raises(ValueError, match="record 00017: 1 samples"):
        records.microvolts(np.array([[0.0, np.nan]], np.float32), "00017")


def test_a_patient_has_one_shard_everywhere():
    shards = [records.shard_of(str(patient), 8) for patient in range(4000)]
    assert np.bincount(shards, minlength=8).min() > 400
    assert records.shard_of("15709", 8) == 6  # sha256, by hand


def test_a_share_of_the_patients_is_stable_and_nested():
    patients = pd.Series([str(patient // 2) for patient in range(8000)])
    few, more = (records.hashed_below(patients, share) for share in (0.05, 0.1))
    assert 0.04 < few.mean() < 0.06 and not (few & ~more).any()
    assert (few[::2] == few[1::2]).all()


def test_shards_of_two_releases_do_not_mix(tmp_path):
    path = write(tmp_path / "0.h5", [row("a")])
    assert records.read_sources([path, path]) == {"toy": "abc"}
    other = tmp_path / "1.h5"
    records.write_shard(other, [], dataset="toy", preparation=PREPARATION, sources="def")
    with pytest.raises(ValueError, match="two releases"):
        records.read_sources([path, other])


def test_equal_recordings_have_equal_digests():
    signal = Signal(100.0, ("I",), np.ones((1, 5), np.float32))
    other = Signal(100.0, ("I",), np.asfortranarray(np.ones((1, 5), np.float32)))
    assert records.digest(signal) == records.digest(other)


def test_the_same_rows_give_the_same_bytes(tmp_path):
    one, two = (write(tmp_path / name, [row("a"), row("b")]) for name in ("1.h5", "2.h5"))
    assert one.read_bytes() == two.read_bytes()


def test_a_scattered_shard_is_refused(tmp_path):
    path = tmp_path / "0.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("signal", data=np.ones((2, 2, 9), np.int16), chunks=(1, 2, 9))
    with pytest.raises(ValueError, match="not contiguous"):
        records.read_signals(path)


def test_thirteen_thousand_rows_are_listed_within_a_second(tmp_path):
    statements = {"NORM": 100.0, "SR": 0.0, "LVOLT": 0.0}
    rows = [row(str(number), statements=statements) for number in range(1600)]
    path = write(tmp_path / "0.h5", rows)
    began = time.process_time()
    assert len(records.read_table([path] * 8)) == 12800
    assert time.process_time() - began < 1.0


def test_a_share_of_few_patients_is_one_of_them():
    patients = pd.Series(["a", "b", "b", "c"])
    taken = records.hashed_below(patients, 0.001)
    assert patients[taken].nunique() == 1
    assert not records.hashed_below(patients[:0], 0.5).any()
