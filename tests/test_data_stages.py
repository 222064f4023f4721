"""From a mirror to a shard: the stages download and preprocess, on recordings made here."""

import csv
import hashlib
import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest

from ecgpipe import records, registry
from ecgpipe.datasets import ptbxl, wfdb_folder
from ecgpipe.records import Signal
from ecgpipe.stages import download, preprocess
from ecgpipe.wfdb_records import LEADS, write_record

SETTINGS = {"source": "100hz", "fs": 100, "seconds": 10, "leads": list(LEADS)}
PATIENT = "7"  # of every record of the small release, so that they share a shard
SHARD = records.shard_of(PATIENT, 8)


def release(mirror: Path, signals: dict[int, np.ndarray], listed: int) -> None:
    """Write a small release of PTB-XL's shape whose table lists more than it holds."""
    folder = mirror / ptbxl.MIRROR
    (folder / "records100" / "00000").mkdir(parents=True)
    for number, millivolts in signals.items():
        signal = Signal(100.0, LEADS, millivolts.astype(np.float32))
        write_record(folder / "records100" / "00000", f"{number:05d}_lr", signal)
    names = [f"records100/00000/{number:05d}_lr" for number in range(1, listed + 1)]
    columns = "ecg_id patient_id age sex site device scp_codes strat_fold filename_lr filename_hr"
    with (folder / ptbxl.TABLE).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns.split())
        for number, name in enumerate(names, 1):
            high = name.replace("100/", "500/").replace("_lr", "_hr")
            known = [number, f"{PATIENT}.0", "300.0", "1", "0.0", "CS-12   E", "{'SR': 0.0}", "9"]
            writer.writerow([*known, name, high])
    (folder / "RECORDS").write_text("".join(names[number - 1] + "\n" for number in signals))
    (folder / "LICENSE.txt").write_text("none\n")
    (folder / "scp_statements.csv").write_text("\n")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    sums = [(hashlib.sha256(path.read_bytes()).hexdigest(), path) for path in files]
    text = "".join(f"{digest} {path.relative_to(folder)}\n" for digest, path in sums)
    (folder / "SHA256SUMS.txt").write_text(text)


def fetch(dataset: str, mirror: Path | None, resources: Path) -> list[Path]:
    sources = registry.load("datasets", dataset).SOURCES[:2]  # metadata, and the first signals
    manifests = [resources / dataset / f"{source}.manifest.csv" for source in sources]
    for out, source in zip(manifests, sources, strict=True):
        told = None if mirror is None else str(mirror)
        download.run(dataset=dataset, source=source, mirror=told, out=out)
    return manifests


def make_shard(dataset: str, manifests: list[Path], folder: Path, shard: int = SHARD) -> Path:
    out = folder / f"{shard}.h5"
    preprocess.run(
        dataset=dataset,
        preparation="100hz-10s",
        settings=json.dumps(SETTINGS),
        shard=shard,
        manifests=manifests,
        report=out.with_suffix(".json"),
        out=out,
    )
    return out


@pytest.fixture
def signals(rng):
    """Three recordings: the second has a flat lead and too high a wave, the third is the first."""
    first, second = rng.normal(0, 0.2, (2, 12, 1000)).round(3)
    second[4] = 0
    second[0, 5] = 32.767
    return {1: first, 2: second, 4: first}


def test_a_part_of_a_release_gives_that_part_and_says_so(signals, tmp_path, caplog):
    release(tmp_path / "mirror", signals, listed=5)
    with caplog.at_level(logging.INFO):
        manifests = fetch("ptbxl", tmp_path / "mirror", tmp_path / "resources")
    assert "only a part of the release: 3 of 21799 recordings" in caplog.text
    assert len(manifests[1].read_text().splitlines()) == 1 + 6
    shard = make_shard("ptbxl", manifests, tmp_path / "shards")
    table = records.read_table([shard])
    assert table["record"].tolist() == ["00001", "00002", "00004"]
    np.testing.assert_allclose(
        records.read_signals(shard), 1000 * np.stack(list(signals.values())), atol=0.01
    )


def test_the_report_names_what_is_odd(signals, tmp_path):
    release(tmp_path / "mirror", signals, listed=5)
    manifests = fetch("ptbxl", tmp_path / "mirror", tmp_path / "resources")
    shard = make_shard("ptbxl", manifests, tmp_path / "shards")
    report = json.loads(shard.with_suffix(".json").read_text())
    assert report["records"] == report["rows"] == 3 and report["seconds"] == 30
    assert report["release"]["not in this part of the release"] == 21799 - 3
    assert report["flat"] == {"00002": ["aVL"]}
    assert report["identical"] == [["00001", "00004"]]
    assert report["nan"] == report["clipped"] == report["padded"] == {}


def test_what_ptbxl_knows_of_a_record_is_kept(signals, tmp_path):
    release(tmp_path / "mirror", signals, listed=5)
    manifests = fetch("ptbxl", tmp_path / "mirror", tmp_path / "resources")
    record = ptbxl.records(manifests[0].parent)[0]
    assert (record.patient, record.age, record.sex, record.fold) == (PATIENT, 90.0, "female", 9)
    assert (record.site, record.device, record.statements) == ("0", "CS-12   E", {"SR": 0.0})
    assert record.aliases == ("challenge:HR00001",)


def test_missing_samples_stop_the_job_and_name_the_record(signals, tmp_path):
    signals[2][3, 7] = np.nan
    release(tmp_path / "mirror", signals, listed=5)
    manifests = fetch("ptbxl", tmp_path / "mirror", tmp_path / "resources")
    with pytest.raises(ValueError, match=r"missing samples: \{'00002': 1\}.*EXCLUDED"):
        make_shard("ptbxl", manifests, tmp_path / "shards")
    assert not list((tmp_path / "shards").glob("*"))


def test_a_source_that_is_not_there_is_refused_by_name(signals, tmp_path):
    release(tmp_path / "mirror", signals, listed=5)
    out = tmp_path / "resources" / "x.manifest.csv"
    for source, kind in (("500hz", FileNotFoundError), ("10hz", ValueError)):
        with pytest.raises(kind, match=source):
            download.run(dataset="ptbxl", source=source, mirror=str(tmp_path / "mirror"), out=out)


def own(folder: Path, table: str) -> Path:
    folder.mkdir(parents=True)
    millivolts = np.random.default_rng(0).normal(0, 0.2, (12, 4500)).astype(np.float32)
    write_record(folder, "x", Signal(500.0, LEADS[::-1], millivolts))
    (folder / "labels.csv").write_text(table)
    return folder


def test_own_recordings_become_shards_at_the_asked_rate(tmp_path):
    own(tmp_path / "wfdb_folder", "record,patient,labels,age,sex\nx,7,NORM; SR,61,F\n")
    manifests = fetch("wfdb_folder", None, tmp_path)
    shard = make_shard("wfdb_folder", manifests, tmp_path / "shards")
    (row,) = records.read_table([shard]).to_dict("records")
    assert row["statements"] == {"NORM": 100.0, "SR": 100.0}
    assert (row["age"], row["sex"]) == (61.0, "female")
    assert records.read_signals(shard).shape == (1, 12, 1000) and row["samples"] == 900
    assert json.loads(shard.with_suffix(".json").read_text())["padded"] == {"x": 1.0}
    assert not len(records.read_table([make_shard("wfdb_folder", manifests, tmp_path, shard=0)]))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("record,labels\nx,NORM\n", "no column patient; there are:"),
        ("record,patient,labels\nx,,NORM\n", "line 2: no patient"),
        ("record,patient,labels\n../x,7,NORM\n", "line 2: record '../x'"),
        ("record,patient,labels\nx,7,A\nx,8,B\n", "listed twice: x"),
        ("record,patient,labels,age\nx,7,A,old\n", "line 2: age 'old'"),
        ("record,patient,labels,fold\nx,7,A,1.5\n", "line 2: fold 1.5"),
        ("record,patient,labels,sex\nx,7,A,?\n", "line 2: sex '?'"),
        ("record,patient,labels\nx,7,A\ny,8,A\n", "1 records whose headers are not in"),
        ("record;patient;labels\nx;7;A\n", "there are: ['record;patient;labels']"),
    ],
)
def test_a_bad_table_of_labels_is_refused_with_its_line(tmp_path, table, message):
    folder = own(tmp_path / "wfdb_folder", table)
    with pytest.raises((ValueError, FileNotFoundError)) as refused:
        wfdb_folder.records(folder)
    assert message in str(refused.value) and "labels.csv" in str(refused.value)


def test_a_table_that_is_not_utf_8_is_refused_by_name(tmp_path):
    folder = own(tmp_path / "wfdb_folder", "")
    (folder / "labels.csv").write_bytes("record,patient,labels\nx,Müller,A\n".encode("latin-1"))
    with pytest.raises(ValueError, match="labels.csv: expected UTF-8"):
        wfdb_folder.records(folder)


@pytest.mark.parametrize("name", ["x", "x.hea", "x.mat", "x.dat"])
@pytest.mark.parametrize("unknown", ["", "NaN", "NA", "Unknown"])
def test_a_record_may_be_named_by_its_file_and_age_and_sex_be_unknown(tmp_path, name, unknown):
    table = f"record,patient,labels,age,sex\n{name},7,A,{unknown},{unknown}\n"
    (record,) = wfdb_folder.records(own(tmp_path / "wfdb_folder", table))
    assert (record.id, record.path, record.age, record.sex) == ("x", Path("x.hea"), None, None)


def test_the_report_names_what_the_table_does_not_list_and_what_is_cut_off(tmp_path):
    folder = own(tmp_path / "wfdb_folder", "record,patient,labels\nlong,7,A\n")
    millivolts = np.random.default_rng(0).normal(0, 0.2, (12, 7500)).astype(np.float32)
    write_record(folder, "long", Signal(500.0, LEADS, millivolts))
    shard = make_shard("wfdb_folder", fetch("wfdb_folder", None, tmp_path), tmp_path / "shards")
    report = json.loads(shard.with_suffix(".json").read_text())
    assert report["unlisted"] == ["x.hea"] and report["cropped"] == {"long": 5.0}


def test_a_record_without_the_leads_is_refused_by_name(tmp_path):
    folder = own(tmp_path / "wfdb_folder", "record,patient,labels\nlimbs,7,A\n")
    write_record(folder, "limbs", Signal(500.0, LEADS[:6], np.zeros((6, 5000), np.float32)))
    manifests = fetch("wfdb_folder", None, tmp_path)
    with pytest.raises(ValueError, match="record limbs: missing leads: V1"):
        make_shard("wfdb_folder", manifests, tmp_path / "shards")


def test_real_recordings_come_through_unchanged(tmp_path):
    if "ECGPIPE_MIRROR" not in os.environ:
        pytest.skip("ECGPIPE_MIRROR names no mirror of real recordings")
    import wfdb

    mirror = Path(os.environ["ECGPIPE_MIRROR"], ptbxl.MIRROR)
    chosen = ptbxl.records(mirror)[:200:40]
    settings = preprocess.build(preprocess.Preparation, SETTINGS, "here")
    rows, findings = preprocess.prepare(ptbxl, settings, mirror, chosen)
    assert not findings.nan and findings.seconds == 50.0
    for row, record in zip(rows, chosen, strict=True):
        path = mirror / record.path.with_suffix("")
        steps = wfdb.rdrecord(str(path), physical=False, return_res=16).d_signal
        np.testing.assert_array_equal(row.signal, steps.T)
