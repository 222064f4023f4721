"""WFDB recordings are read as the wfdb package reads them, and bad headers are refused."""

import os
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgpipe import wfdb_records
from ecgpipe.records import Signal
from ecgpipe.wfdb_records import LEADS, lead_name, read_header, read_record, write_record

LINE = "a.dat 16 1000.0(0)/mV 16 0 0 0 0 I"


@pytest.fixture
def mirror() -> Path:
    if "ECGPIPE_MIRROR" not in os.environ:
        pytest.skip("ECGPIPE_MIRROR names no mirror of real recordings")
    return Path(os.environ["ECGPIPE_MIRROR"])


def header(folder: Path, *lines: str, samples: bytes = bytes(20)) -> Path:
    (folder / "a.hea").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "a.dat").write_bytes(samples)
    return folder / "a.hea"


def test_what_is_written_is_read_back(tmp_path):
    millivolts = np.random.default_rng(0).normal(0, 1, (12, 500)).astype(np.float32)
    millivolts[3, 7] = np.nan
    write_record(tmp_path, "a", Signal(100.0, LEADS, millivolts), ("age 61",))
    read = read_record(tmp_path / "a.hea")
    assert (read.fs, read.leads) == (100.0, LEADS)
    np.testing.assert_allclose(read.millivolts, millivolts, atol=0.00051)
    assert read_header(tmp_path / "a.hea").comments == ("age 61",)


def test_wfdb_reads_what_is_written(tmp_path):
    millivolts = np.random.default_rng(0).normal(0, 1, (3, 50)).astype(np.float32)
    write_record(tmp_path, "a", Signal(500.0, ("I", "II", "V6"), millivolts))
    read = wfdb.rdrecord(str(tmp_path / "a"))
    assert (read.fs, read.sig_name, read.units) == (500, ["I", "II", "V6"], ["mV"] * 3)
    np.testing.assert_allclose(read.p_signal.T, millivolts, atol=0.00051)
    stored = wfdb.rdrecord(str(tmp_path / "a"), physical=False)
    assert [each % 65536 for each in stored.checksum] == stored.calc_checksum()


@pytest.mark.parametrize("form", ["16", "212", "24", "80"])
def test_every_format_is_read_as_wfdb_reads_it(tmp_path, form):
    signal = np.random.default_rng(0).normal(0, 0.1, (40, 2)).round(3)
    wfdb.wrsamp(
        "a", 360, ["mV"] * 2, ["MLII", "V5"], signal, fmt=[form] * 2, write_dir=str(tmp_path)
    )
    read = read_record(tmp_path / "a.hea")
    assert read.leads == ("II", "V5")
    expected = wfdb.rdrecord(str(tmp_path / "a")).p_signal.T
    np.testing.assert_allclose(read.millivolts, expected, atol=1e-6)


def test_baseline_gain_offset_and_unit_are_obeyed(tmp_path):
    lines = (
        "a 2 100 3",
        "a.dat 16+4 200(10)/\N{MICRO SIGN}V 16 0 0 0 0 v1",
        "a.dat 16+4 0.5/mV 16 2 0 0 0 AVR",
    )
    steps = np.array([[0, 0], [10, 2], [210, 3], [-32768, 4]], "<i2")
    read = read_record(header(tmp_path, *lines, samples=steps.tobytes()))
    assert read.leads == ("V1", "aVR")
    np.testing.assert_allclose(read.millivolts, [[0, 0.001, np.nan], [0, 2, 4]])


def test_leads_may_lie_in_several_files(tmp_path):
    np.arange(3, dtype="<i2").tofile(tmp_path / "b.dat")
    lines = "a 2 100 3", LINE, LINE.replace("a.dat", "b.dat").replace(" I", " II")
    read = read_record(header(tmp_path, *lines, samples=bytes(6)))
    np.testing.assert_allclose(read.millivolts, [[0, 0, 0], [0, 0.001, 0.002]])


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("AVR", "aVR"),
        ("avl", "aVL"),
        ("v6", "V6"),
        ("Lead II", "II"),
        ("MLII", "II"),
        ("ECG V1", "V1"),
    ]
    + [("aV_F", "aVF"), ("DIII", "III"), ("ECG", "ECG"), ("noise1", "noise1"), ("Resp", "Resp")],
)
def test_leads_get_their_standard_names(written, name):
    assert lead_name(written) == name


def test_a_channel_that_is_no_lead_and_not_in_volts_is_left_out(tmp_path):
    path = header(
        tmp_path, "a 2 100 5", LINE.replace("/mV 16 0 0 0 0 I", "/l 16 0 0 0 0 RESP"), LINE
    )
    assert read_record(path).leads == ("I",)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["# only a comment"], "no record line"),
        (["a 1 100 10"], "0 signal lines; the record line says 1"),
        (["a/3 1 100 10", LINE], "several segments"),
        (["a x 100 10", LINE], "number of channels 'x'"),
        (["a 999 100 10", LINE], "number of channels '999'.* from 1 to 256"),
        (["a 1 nan 10", LINE], "sampling frequency 'nan'"),
        (["a 1 0 10", LINE], "sampling frequency 0"),
        (["a 1 100 -5", LINE], "number of samples '-5'"),
        (["a 1 100 11", LINE], "20 bytes; a.hea says 11 samples of 1 channels"),
        (["a 1 100 10", LINE.replace("a.dat", "../a.dat")], "signal file '../a.dat'"),
        (["a 1 100 10", LINE.replace("a.dat", "/etc/passwd")], "signal file '/etc/passwd'"),
        (["a 1 100 10", LINE.replace("a.dat", "..")], "signal file"),
        (["a 1 100 10", LINE.replace("a.dat", "c:a.dat")], "signal file"),
        (["a 1 100 10", LINE.replace(" 16 1000", " 17 1000")], "format '17'"),
        (["a 1 100 10", LINE.replace(" 16 1000", " 16x4 1000")], "one sample a frame"),
        (["a 1 100 10", LINE.replace("1000.0(0)", "0")], "0 means uncalibrated"),
        (["a 1 100 10", LINE.replace("1000.0(0)", "1e99")], "gain"),
        (["a 1 100 10", LINE.replace("mV", "mmHg")], "I in 'mmHg'; expected one of mV"),
        (["a 1 100 10", "a.dat 16"], "signal line 'a.dat 16'"),
        (["a 2 100 5", LINE, LINE.replace(" I", " i")], "lead I twice"),
    ],
)
def test_a_bad_header_is_refused_with_its_file_and_field(tmp_path, lines, message):
    with pytest.raises(ValueError, match=message) as refused:
        read_record(header(tmp_path, *lines))
    assert str(tmp_path) in str(refused.value)


def test_what_does_not_fit_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="32.767 mV"):
        write_record(tmp_path, "a", Signal(100.0, ("I",), np.full((1, 9), 40.0, np.float32)))


@pytest.mark.parametrize(
    "name",
    ["ptb-xl/1.0.3/records100/00000/00001_lr", "ludb/1.0.1/data/17", "mitdb/1.0.0/100"]
    + ["challenge-2021/1.0.3/training/georgia/g1/E00001", "cudb/1.0.0/cu02"],
)
def test_real_recordings_are_read_as_wfdb_reads_them(mirror, name):
    path = mirror / f"{name}.hea"
    if not path.exists():
        pytest.skip(f"{path} is not in this mirror")
    read, expected = read_record(path), wfdb.rdrecord(str(mirror / name))
    assert read.leads == tuple(wfdb_records.lead_name(lead) for lead in expected.sig_name)
    np.testing.assert_allclose(read.millivolts, expected.p_signal.T, rtol=2e-6, atol=1e-7)
