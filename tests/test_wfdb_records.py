"""WFDB recordings are read as the wfdb package reads them, and bad headers are refused."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgpipe import wfdb_headers
from ecgpipe.records import Signal
from ecgpipe.wfdb_records import (
    LEADS,
    MalformedRecord,
    lead_name,
    read_header,
    read_record,
    write_record,
)

LINE = "a.dat 16 1000.0(0)/mV 16 0 0 0 0 I"
SECOND = LINE + "I"


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


@pytest.mark.parametrize("samples", [299, 300])
@pytest.mark.parametrize("leads", [("I",), ("I", "V5"), ("I", "V5", "Z")])
@pytest.mark.parametrize("form", sorted(set(wfdb_headers.FORMATS) - {310, 311}))
def test_every_format_is_read_as_wfdb_reads_it(tmp_path, form, leads, samples):
    size = -(-samples * len(leads) * wfdb_headers.FORMATS[form] // 8)
    stored = np.random.default_rng(0).bytes(size)
    lines = [f"a.dat {form} 200(3)/mV 12 0 0 0 0 {lead}" for lead in leads]
    path = header(tmp_path, f"a {len(leads)} 360 {samples}", *lines, samples=stored)
    read, expected = read_record(path), wfdb.rdrecord(str(path.with_suffix(""))).p_signal.T
    assert read.leads == leads
    np.testing.assert_allclose(read.millivolts, expected, rtol=2e-7)


def test_samples_of_12_bits_are_unpacked_in_the_order_of_the_format(tmp_path):
    lines = "a 1 100 5", "a.dat 212 1/mV 12 0 0 0 0 I"
    stored = bytes([0x01, 0x20, 0x03, 0xFF, 0x8F, 0x00, 0x05, 0x00])
    read = read_record(header(tmp_path, *lines, samples=stored))
    np.testing.assert_array_equal(read.millivolts, [[1, 0x203, -1, np.nan, 5]])
    assert read_record(header(tmp_path, *lines, samples=stored + b"\0")).millivolts.shape == (1, 5)


def test_an_uncalibrated_record_is_read_with_the_gain_that_the_caller_assumes(tmp_path):
    path = header(tmp_path, "a 1 100 2", "a.dat 16 0 12 4 0 0 0 noise1", samples=b"\4\0\2\1")
    np.testing.assert_allclose(read_record(path, uncalibrated=127.0).millivolts, [[0, 2]])
    with pytest.raises(MalformedRecord, match="a.hea, line 2: gain 0, uncalibrated"):
        read_record(path)


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
        (["a 1 " + "9" * 2000, LINE], "line 1: .*; expected at most 1000 printable"),
        (["a 1 100 10", LINE + "\x07"], "line 2: .* printable characters"),
        (["a 1 nan 10", LINE], "sampling frequency 'nan'"),
        (["a 1 0 10", LINE], "sampling frequency 0"),
        (["a 1 100 -5", LINE], "number of samples '-5'"),
        (["a 1 100 11", LINE], "ends at byte 20; a.hea says 11 samples of 1 channels"),
        (["a 1 100 2147483647", LINE], "ends at byte 20; a.hea says 2147483647 samples"),
        (
            ["a 3 100", LINE, SECOND, LINE[:-1] + "V1"],
            "ends at byte 20; a.hea says any number of samples of 3 channels",
        ),
        (["a 1 100 10", LINE.replace("16 ", "24 ", 1)], "ends at byte 20"),
        (["a 1 100 10", LINE.replace("16 ", "16+30 ", 1)], "ends at byte 20"),
        (["a 1 100 10", LINE.replace("a.dat", "b.dat")], "'b.dat': No such file"),
        (["a 1 100 10", LINE.replace("a.dat", "folder")], "folder is no plain file"),
        (["a 1 100 10", LINE.replace("a.dat", "x" * 300)], "File name too long"),
        (["a 2 100 5", LINE, SECOND.replace(" 16 ", " 16+4 ", 1)], "line 2: .* differ in format"),
        (
            ["a 3 100", LINE, SECOND.replace("a.dat", "c.dat"), LINE[:-1] + "V1"],
            "do not follow each other",
        ),
        (["a 2 100", LINE, SECOND.replace("a.dat", "c.dat")], r"files of \[10, 3\] samples"),
        (["a 1 100 10", LINE.replace("a.dat", "../a.dat")], "signal file '../a.dat'"),
        (["a 1 100 10", LINE.replace("a.dat", "/etc/passwd")], "signal file '/etc/passwd'"),
        (["a 1 100 10", LINE.replace("a.dat", "..")], "signal file"),
        (["a 1 100 10", LINE.replace("a.dat", "c:a.dat")], "signal file"),
        (["a 1 100 10", LINE.replace(" 16 1000", " 17 1000")], "format '17'"),
        (["a 1 100 10", LINE.replace(" 16 1000", " 16x4 1000")], "one sample a frame"),
        (["a 1 100 10", LINE.replace("1000.0(0)", "0")], "line 2: gain 0, uncalibrated"),
        (["a 1 100 10", LINE.replace("1000.0(0)", "1e99")], "gain"),
        (["a 1 100 10", LINE.replace("mV", "mmHg")], "I in 'mmHg'; expected one of mV"),
        (
            ["a 1 100 10", LINE.replace(" 0 I", " I")],
            "line 2: '16 0 0 0 I'; expected whole numbers",
        ),
        (["a 1 100 10", "a.dat 16"], "signal line 'a.dat 16'"),
        (["a 2 100 5", LINE, LINE.replace(" I", " i")], "lead I twice"),
    ],
)
def test_a_bad_header_is_refused_with_its_file_and_field(tmp_path, lines, message):
    (tmp_path / "c.dat").write_bytes(bytes(6))
    (tmp_path / "folder").mkdir()
    with pytest.raises(MalformedRecord, match=message) as refused:
        read_record(header(tmp_path, *lines))
    assert str(tmp_path) in str(refused.value)


def test_what_does_not_fit_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="32.767 mV"):
        write_record(tmp_path, "a", Signal(100.0, ("I",), np.full((1, 9), 40.0, np.float32)))


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path):
    path = header(tmp_path, "\ufeff# written by an editor", "a 1 100 10", LINE)
    assert read_header(path).comments == ("written by an editor",)


def test_a_header_larger_than_any_is_not_read(tmp_path):
    with pytest.raises(MalformedRecord, match="a header of over 262144 bytes"):
        read_header(header(tmp_path, "a 1 100 10 ", "# " + "x" * 300_000))


# headers that the wfdb package refuses for the dot in their record's name
DOTTED = re.compile(r"^(E\d{5})\.mat (?=12 500 )")


def reference(path: Path, folder: Path) -> wfdb.Record:
    """What the wfdb package reads; a dotted name is mended in a copy."""
    text = path.read_text()
    if DOTTED.match(text):
        (folder / path.name).write_text(DOTTED.sub(r"\1 ", text))
        shutil.copy2(path.with_suffix(".mat"), folder)
        path = folder / path.name
    return wfdb.rdrecord(str(path.with_suffix("")))


SOME = ["challenge-2021", "ludb", "mitdb", "vfdb", "cudb", "nstdb"]


@pytest.mark.parametrize(
    ("dataset", "step"),
    [(dataset, 1) for dataset in SOME]
    + [("ptb-xl", 50), pytest.param("ptb-xl", 1, marks=pytest.mark.slow)],
)
def test_published_records_are_read_as_wfdb_reads_them(mirror, tmp_path, dataset, step):
    paths = sorted((mirror / dataset).rglob("*.hea"))
    if not paths:
        pytest.skip(f"{dataset} is not in this mirror")
    for path in paths[::step]:
        read, expected = read_record(path, uncalibrated=200.0), reference(path, tmp_path)
        assert (read.fs, read.leads) == (expected.fs, tuple(map(lead_name, expected.sig_name)))
        # a quotient of such small whole numbers is the same rounded once or twice
        np.testing.assert_array_equal(read.millivolts, expected.p_signal.T.astype(np.float32))


def test_dotted_record_names_are_read_though_wfdb_refuses_them(mirror):
    georgia = sorted(mirror.glob("challenge-2021/*/training/georgia/*/*.hea"))
    dotted = [path for path in georgia if DOTTED.match(path.read_text())]
    if not dotted:
        pytest.skip("no such record in this mirror")
    for path in dotted:
        assert read_record(path).millivolts.shape == (12, 5000)
        with pytest.raises(ValueError, match="invalid syntax in record line"):
            wfdb.rdheader(str(path.with_suffix("")))


@pytest.mark.parametrize("form", [310, 311])
@pytest.mark.parametrize("samples", [5, 6, 100])
def test_three_samples_of_ten_bits_lie_in_four_bytes(tmp_path, form, samples):
    blocks = np.random.default_rng(form).integers(0, 2**32, -(-2 * samples // 3), np.uint32)
    unused = {310: 0x00010001, 311: 0xC0000000}[form]  # bits that wfdb expects to be 0
    (tmp_path / "r.dat").write_bytes((blocks & ~np.uint32(unused)).astype("<u4").tobytes())
    lines = [f"r.dat {form} 100/mV 10 0 0 0 0 {lead}" for lead in ("I", "II")]
    (tmp_path / "r.hea").write_text("\n".join([f"r 2 250 {samples}", *lines]) + "\n")
    expected = wfdb.rdrecord(str(tmp_path / "r")).p_signal.T.astype(np.float32)
    np.testing.assert_array_equal(read_record(tmp_path / "r.hea").millivolts, expected)
