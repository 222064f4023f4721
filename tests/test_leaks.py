"""A leak of each kind, planted, is found; what only looks like one is not."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import signal as scipy_signal

from ecgpipe import leaks, records, splits
from ecgpipe.datasets import wfdb_folder
from ecgpipe.records import Record, Row, Signal, write_shard
from ecgpipe.settings import Preparation
from ecgpipe.stages import audit, download, preprocess
from ecgpipe.wfdb_records import write_record

PARTS = {"1": "train", "2": "train", "3": "valid", "4": "test"}


def record(name, patient, digest=None, dataset="here", aliases=()):
    return {
        "dataset": dataset,
        "record": name,
        "patient": patient,
        "digest": digest or f"{dataset}/{name}",
        "aliases": aliases,
    }


CLEAN = [record("a", "1"), record("b", "2"), record("c", "3"), record("d", "4")]


def split(parts=PARTS, dataset="here"):
    return pd.DataFrame(parts.items(), columns=["patient", "part"]).assign(dataset=dataset)


def find(records, *parts, copies=()):
    joined = pd.concat(parts or [split()], ignore_index=True)
    return leaks.find(pd.DataFrame(records), dict.fromkeys(copies, "a"), {"standard": joined})


def test_a_clean_cohort_has_no_finding():
    assert find(CLEAN).empty


def test_a_patient_in_two_parts_is_a_leak():
    found = find(CLEAN, split(), split({"4": "train"}))
    assert found["kind"].tolist() == ["patient"]
    assert found.loc[0, ["records", "parts", "fails"]].tolist() == ["here:d", "test train", True]


def test_identical_signals_in_two_parts_are_a_leak():
    found = find([*CLEAN, record("e", "4", digest="here/a")])
    assert found["kind"].tolist() == ["signal"]
    assert found["records"].tolist() == ["here:a here:e"]
    assert found["patients"].tolist() == ["here:1 here:4"]


def test_identical_signals_under_two_patients_are_a_leak_even_in_one_part():
    found = find([*CLEAN, record("e", "2", digest="here/a")])
    assert found[["kind", "parts", "fails"]].to_numpy().tolist() == [["signal", "train", True]]


def test_identical_signals_of_one_patient_are_counted_and_fail_nothing():
    found = find([*CLEAN, record("e", "1", digest="here/a")])
    assert found[["kind", "parts", "fails"]].to_numpy().tolist() == [["duplicate", "train", False]]


def test_identical_signals_of_two_datasets_in_one_part_fail_nothing():
    other = record("x", "9", digest="here/a", dataset="there")
    found = find([*CLEAN, other], split(), split({"9": "train"}, "there"))
    assert found[["kind", "fails"]].to_numpy().tolist() == [["duplicate", False]]


def test_copies_in_two_parts_are_a_leak():
    found = find(CLEAN, copies=("here:a", "here:d"))
    assert found[["kind", "parts", "fails"]].to_numpy().tolist() == [["copy", "test train", True]]
    assert found["records"].tolist() == ["here:a here:d"]


def test_copies_in_one_part_are_counted_and_fail_nothing():
    found = find(CLEAN, copies=("here:a", "here:b"))
    assert found[["kind", "fails"]].to_numpy().tolist() == [["duplicate", False]]


def test_a_copy_in_what_is_only_pretrained_on_is_a_leak():
    other = record("x", "9", dataset="there")
    parts = split(), split({"9": "train"}, "there")
    found = find([*CLEAN, other], *parts, copies=("here:d", "there:x"))
    assert found[["kind", "parts"]].to_numpy().tolist() == [["copy", "test train"]]


def test_identical_signals_are_not_also_counted_as_copies():
    twins = [*CLEAN, record("e", "4", digest="here/a")]
    assert find(twins, copies=("here:a", "here:e"))["kind"].tolist() == ["signal"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [((), ("here:a",)), (("there:HR00001",), ()), (("other:7",), ("other:7",))],
)
def test_one_recording_under_two_names_in_two_parts_is_a_leak(ours, theirs):
    records = [record("a", "1", aliases=ours), *CLEAN[1:]]
    other = record("HR00001", "9", dataset="there", aliases=theirs)
    found = find([*records, other], split(), split({"9": "test"}, "there"))
    assert found[["kind", "parts", "fails"]].to_numpy().tolist() == [["alias", "test train", True]]
    assert found["records"].tolist() == ["here:a there:HR00001"]


def test_one_recording_under_two_names_in_one_part_is_no_finding():
    other = record("HR00001", "9", dataset="there", aliases=("here:a",))
    assert find([*CLEAN, other], split(), split({"9": "train"}, "there")).empty


def test_windows_of_one_recording_are_one_recording():
    assert find([*CLEAN, CLEAN[0]]).empty


def test_datasets_without_a_split_are_not_searched_for_it():
    other = record("x", "9", digest="here/a", dataset="there")
    assert find([*CLEAN, other]).empty


def test_every_split_is_searched():
    turned = split({"1": "test", "2": "train", "3": "train", "4": "train"})
    twins = [*CLEAN, record("e", "4", digest="here/c")]
    found = leaks.find(pd.DataFrame(twins), {}, {"standard": split(), "rotation-0": turned})
    crossing = found[["split", "parts"]].to_numpy().tolist()
    assert crossing == [["standard", "test valid"], ["rotation-0", "train"]]
    assert found["fails"].all()


@pytest.fixture
def study(tmp_path):
    """A split, and a function that writes one shard of four recordings and audits it."""
    splits.write_csv(split()[["patient", "part"]], tmp_path / "here" / "standard.csv")
    preparation = Preparation(source="100hz", fs=100, seconds=0.1, leads=("I", "II"))

    def run_on(digests, prints=(0, 1, 2, 3)):
        noise = np.random.default_rng(0).integers(-127, 128, (4, 10, 182), np.int8)
        noise[0] = 0  # nothing to compare
        signal = np.zeros((2, 10), np.int16)
        rows = [
            Row(Record(name, patient, Path(name)), 0.0, signal, digest, fingerprint=noise[taken])
            for name, patient, digest, taken in zip("abcd", "1234", digests, prints, strict=True)
        ]
        shard = tmp_path / "0.h5"
        write_shard(shard, rows, dataset="here", preparation=preparation, sources="")
        told = dict.fromkeys(audit.SUMMED, {}) | {"dataset": "here", "preparation": "p"}
        told |= {"records": 4, "rows": 4, "seconds": 0.4, "flat": {"a": ["I"]}}
        told["release"] = {"excluded": {"z": "reason"}, "not in this part of the release": 2}
        shard.with_suffix(".json").write_text(json.dumps(told))
        audit.run(
            shards=[shard],
            splits=[tmp_path / "here" / "standard.csv"],
            reports=[shard.with_suffix(".json")],
            datasets=tmp_path / "datasets.csv",
            out=tmp_path / "leaks.csv",
        )

    return tmp_path, run_on


def test_the_audit_of_a_clean_study_passes(study):
    folder, run_on = study
    run_on("wxyz")
    assert pd.read_csv(folder / "leaks.csv").empty


def test_the_audit_says_what_came_in_and_what_was_left_out(study):
    folder, run_on = study
    run_on("wxyz")
    line = pd.read_csv(folder / "datasets.csv").iloc[0]
    assert (line["dataset"], line["records"], line["flat"], line["excluded"]) == ("here", 4, 1, 1)
    assert (line["not_in_this_part"], line["identical"], line["nan"]) == (2, 0, 0)


def test_the_audit_says_which_recordings_it_compared(study):
    folder, run_on = study
    run_on("zxwy")
    line = pd.read_csv(folder / "datasets.csv").iloc[0]
    assert line["digest"] == hashlib.sha256(b"wxyz").hexdigest()
    assert (line["records"], line["not_compared"]) == (4, 1)


def test_the_audit_fails_on_a_copy(study):
    folder, run_on = study
    with pytest.raises(ValueError, match=r"leaks: 1 copy in standard; the first: here:b here:d"):
        run_on("wxyz", prints=(0, 1, 2, 1))
    run_on("wxyz", prints=(0, 1, 2, 0))  # what has no fingerprint is no copy


def test_datasets_that_are_only_tested_on_stand_beside_every_split():
    standard, rotation = (Path("here", f"{name}.csv") for name in ("standard", "rotation-0"))
    external = Path("there", "external.csv")
    assert audit.grouped([standard, external, rotation]) == {
        "standard": {"here": standard, "there": external},
        "rotation-0": {"here": rotation, "there": external},
    }
    assert audit.grouped([external]) == {"external": {"there": external}}


def test_the_audit_fails_on_a_leak_and_says_where_it_is_listed(study):
    folder, run_on = study
    with pytest.raises(ValueError, match=r"1 signal in standard.*here:a here:d.*leaks.failed.csv"):
        run_on("wxyw")
    assert not (folder / "leaks.csv").exists()
    assert pd.read_csv(folder / "leaks.failed.csv")["parts"].tolist() == ["test train"]


def test_the_audit_passes_once_the_leak_is_mended(study):
    folder, run_on = study
    with pytest.raises(ValueError, match="leaks:"):
        run_on("wxyw")
    run_on("wxyz")
    assert sorted(path.name for path in folder.glob("leaks*")) == ["leaks.csv"]


def test_own_recordings_named_as_in_the_challenge_are_taken_for_those(tmp_path):
    names = ("x/HR00001", "E00001", "JS00001", "A0001", "mine", "HR1")
    lines = [f"{name},{number},NORM" for number, name in enumerate(names)]
    (tmp_path / "x").mkdir()
    for name in names:
        (tmp_path / f"{name}.hea").touch()
    (tmp_path / "labels.csv").write_text("\n".join(["record,patient,labels", *lines]))
    found = {each.id: each.aliases for each in wfdb_folder.records(tmp_path)}
    assert found == {name: (f"challenge:{Path(name).name}",) for name in names[:4]} | {
        "mine": (),
        "HR1": (),
    }


@pytest.fixture
def own(tmp_path, rng):
    """Three own recordings; the third is the first at 257 Hz, in whole microvolts."""
    folder = tmp_path / "wfdb_folder"
    folder.mkdir()
    band = scipy_signal.butter(2, (1, 30), "bandpass", fs=500, output="sos")
    one, other = scipy_signal.sosfiltfilt(band, rng.normal(0, 0.5, (2, 2, 5000)))
    copy = scipy_signal.resample_poly(one, 257, 500, axis=1)
    for name, fs, millivolts in (("a", 500.0, one), ("b", 500.0, other), ("c", 257.0, copy)):
        write_record(folder, name, Signal(fs, ("I", "II"), millivolts.astype(np.float32)))
    (folder / "labels.csv").write_text("record,patient,labels\na,1,A\nb,2,A\nc,3,A\n")
    return folder


def prepared(own, patient):
    """Download and preprocess the shard of a patient."""
    manifests = [own / f"{source}.manifest.csv" for source in ("metadata", "signals")]
    for source, manifest in zip(("metadata", "signals"), manifests, strict=True):
        download.run(dataset="wfdb_folder", source=source, mirror=None, out=manifest)
    shard = records.shard_of(patient, wfdb_folder.SHARDS)
    out = own.parent / f"{shard}.h5"
    preprocess.run(
        dataset="wfdb_folder",
        preparation="p",
        settings=json.dumps({"fs": 100, "seconds": 10, "leads": ["I", "II"]}),
        shard=shard,
        manifests=manifests,
        report=out.with_suffix(".json"),
        out=out,
    )
    return out


def test_a_copy_among_own_recordings_stops_the_study(own, tmp_path):
    shards = [prepared(own, patient) for patient in "123"]
    splits.write_csv(split({"1": "train", "2": "train", "3": "test"}), own / "standard.csv")
    with pytest.raises(ValueError, match="1 copy in standard; the first: wfdb_folder:a wfdb_f"):
        audit.run(
            shards=shards,
            splits=[own / "standard.csv"],
            reports=[shard.with_suffix(".json") for shard in shards],
            datasets=tmp_path / "datasets.csv",
            out=tmp_path / "leaks.csv",
        )
