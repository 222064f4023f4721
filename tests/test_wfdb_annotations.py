"""Annotation files are read as the wfdb package reads them, and broken ones are refused."""

import os
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgpipe.wfdb_annotations import SYMBOLS, read_annotations
from ecgpipe.wfdb_records import MalformedRecord

NORMAL, NOTE, RHYTHM = 1, 22, 28
SKIP, NUM, SUB, CHN, AUX = 59, 60, 61, 62, 63
END = b"\0\0"
BEAT = struct.pack("<H", NORMAL << 10 | 100)


def word(kind: int, value: int = 0) -> bytes:
    return struct.pack("<H", kind << 10 | value)


def skip(samples: int) -> bytes:
    upper, lower = divmod(samples % 2**32, 2**16)
    return word(SKIP) + struct.pack("<HH", upper, lower)


def text(content: bytes) -> bytes:
    return word(AUX, len(content)) + content + b"\0" * (len(content) % 2)


@pytest.fixture
def written(tmp_path):
    """Write the given words to a file and give its path."""

    def write(*words: bytes, end: bytes = END) -> Path:
        path = tmp_path / "a.atr"
        path.write_bytes(b"".join(words) + end)
        return path

    return write


def test_intervals_add_up_and_skips_may_be_long(written):
    words = word(NORMAL, 18), skip(70_000), word(NORMAL, 3), skip(2**31 - 1), word(NORMAL)
    found = read_annotations(written(*words))
    assert found.sample.tolist() == [18, 70_021, 70_021 + 2**31 - 1]


def test_channel_and_number_carry_over_and_subtype_and_text_do_not(written):
    first = word(NORMAL, 5) + word(SUB, 1) + word(CHN, 2) + word(NUM, 3) + text(b"(AFIB")
    found = read_annotations(written(BEAT, first, BEAT))
    assert found.channel.tolist() == [0, 2, 2] and found.number.tolist() == [0, 3, 3]
    assert found.subtype.tolist() == [0, 1, 0] and found.aux.tolist() == ["", "(AFIB", ""]


def test_subtype_and_number_have_a_sign_and_channel_has_none(written):
    found = read_annotations(written(BEAT, word(SUB, 255), word(NUM, 254), word(CHN, 200)))
    assert (found.subtype[0], found.number[0], found.channel[0]) == (-1, -2, 200)


def test_a_text_may_look_like_words(written):
    hostile = word(SKIP) + word(AUX, 9) + END + word(NORMAL, 7)
    found = read_annotations(written(BEAT, text(hostile + b"x"), BEAT))
    assert found.sample.tolist() == [100, 200]
    assert found.aux[0].encode("latin-1") == hostile + b"x"


def test_the_sampling_frequency_may_be_stated(written):
    words = word(NOTE), text(b"## time resolution: 250"), skip(-1), word(0, 1), BEAT
    found = read_annotations(written(*words))
    assert (found.fs, found.sample.tolist(), found.symbol.tolist()) == (250.0, [100], ["N"])


def test_a_file_without_annotations_holds_only_its_end(written):
    found = read_annotations(written())
    assert len(found.sample) == len(found.symbol) == len(found.aux) == 0 and found.fs is None


def test_zeros_may_follow_the_end(written):
    assert read_annotations(written(BEAT, end=END * 5)).sample.tolist() == [100]


def test_symbols_are_those_of_wfdb():
    table = wfdb.io.annotation.ann_label_table
    expected = dict(zip(table["label_store"], table["symbol"], strict=True))
    assert {code: SYMBOLS[code] for code in expected} == expected
    assert all(SYMBOLS[code] == " " for code in range(64) if code not in expected)


def test_what_wfdb_writes_is_read_back(tmp_path):
    rng, count = np.random.default_rng(0), 400
    sample = np.cumsum(rng.integers(0, 3000, count))
    symbol = rng.choice(SYMBOLS[(SYMBOLS != " ")], count)
    fields = {name: rng.integers(0, 100, count) for name in ("subtype", "chan", "num")}
    aux = rng.choice(["", "(N", "(AFIB", "x" * 255], count).tolist()
    wfdb.wrann("a", "atr", sample, symbol, aux_note=aux, fs=360, write_dir=str(tmp_path), **fields)
    found = read_annotations(tmp_path / "a.atr", samples=int(sample[-1]) + 1)
    np.testing.assert_array_equal(found.sample, sample)
    assert found.symbol.tolist() == symbol.tolist() and found.aux.tolist() == aux
    for name, values in zip(fields, (found.subtype, found.channel, found.number), strict=True):
        np.testing.assert_array_equal(values, fields[name])


@pytest.mark.parametrize(
    ("words", "end", "message"),
    [
        ([], b"", "byte 0: the file ends; expected an end mark"),
        ([BEAT], b"", "byte 2: the file ends"),
        ([BEAT], b"\0\0\0", "byte 2: an end mark; the file goes on to byte 5"),
        ([BEAT, END, BEAT], END, "byte 2: an end mark; the file goes on to byte 8"),
        ([skip(5)[:4]], b"", "byte 4: the file ends"),
        ([BEAT, word(AUX, 9), b"(N"], END, "byte 8: the file ends"),
        ([word(AUX, 300), b"x" * 300], END, "byte 0: a field"),
        ([BEAT, word(AUX, 300), b"x" * 300], END, "byte 2: a text of 300 bytes"),
        ([word(SUB, 1), BEAT], END, "byte 0: a field; expected an annotation before it"),
        ([BEAT, skip(9), word(CHN, 1)], END, "byte 8: a field"),
        ([BEAT, text(b"(N"), word(SUB, 1), text(b"(VT")], END, "byte 8: a field that .* already"),
        ([BEAT, word(42, 1)], END, "byte 2: code 42"),
        ([BEAT, word(15, 1)], END, "byte 2: code 15"),
        ([BEAT, skip(-101), BEAT, BEAT], END, "byte 8: back in time, to sample 99"),
        ([skip(-101), BEAT], END, "byte 6: back in time, to sample -1"),
        ([BEAT, skip(800), BEAT], END, "byte 8: sample 1000; the recording has 1000"),
        ([word(NOTE), text(b"## annotation type definitions")], END, "codes of its own"),
    ],
)
def test_a_broken_file_is_refused_with_its_name_and_byte(written, words, end, message):
    path = written(*words, end=end)
    with pytest.raises(MalformedRecord, match=message) as refused:
        read_annotations(path, samples=1000)
    assert str(path) in str(refused.value)


def test_a_day_of_beats_is_read_in_a_fraction_of_a_second(written):
    rng = np.random.default_rng(0)
    beats = [
        skip(int(s)) + word(NORMAL) if s > 900 else word(NORMAL, s)
        for s in rng.integers(500, 1200, 100_000)
    ]
    path = written(*beats)
    began = time.process_time()
    assert len(read_annotations(path).sample) == 100_000
    assert time.process_time() - began < 0.5


def annotation_files(mirror: Path) -> list[Path]:
    """Every annotation file of a mirror."""
    leads = sorted(path for path in mirror.glob("ludb/*/data/*.[aiv]*"))
    return sorted(mirror.glob("*/*/*.atr")) + leads


@pytest.mark.parametrize("step", [20, pytest.param(1, marks=pytest.mark.slow)])
def test_published_annotations_are_read_as_wfdb_reads_them(step):
    if "ECGPIPE_MIRROR" not in os.environ:
        pytest.skip("ECGPIPE_MIRROR names no mirror of real recordings")
    files = annotation_files(Path(os.environ["ECGPIPE_MIRROR"]))
    assert files
    for path in files[::step]:
        samples = wfdb.rdheader(str(path.with_suffix(""))).sig_len
        found, expected = (
            read_annotations(path, samples),
            wfdb.rdann(str(path.with_suffix("")), path.suffix[1:]),
        )
        np.testing.assert_array_equal(found.sample, expected.sample)
        assert found.symbol.tolist() == expected.symbol
        assert found.aux.tolist() == [each.rstrip("\0") for each in expected.aux_note]
        np.testing.assert_array_equal(found.channel, expected.chan)
        np.testing.assert_array_equal(found.subtype, expected.subtype)
        np.testing.assert_array_equal(found.number, expected.num)
