"""Whatever its files hold, a recording is read, or refused as malformed: soon, in little memory."""

import os
import signal
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecgpipe.records import Signal
from ecgpipe.wfdb_annotations import SYMBOLS, read_annotations
from ecgpipe.wfdb_headers import FORMATS
from ecgpipe.wfdb_records import LEADS, MalformedRecord, read_record, write_record

SECONDS = 2.0  # a case may take
FACTOR, MARGIN = 64, 2**20  # bytes it may allocate for each byte of its files, and in any case
LETTERS = "aIV019 .-+/()#:x~\\\0\n\r\t\v\x85\xb5\u2028\u0663\ud800\U0001f600"
CASES = pytest.mark.parametrize("cases", [60, pytest.param(5000, marks=pytest.mark.slow)])


def too_long(*_: object) -> None:
    raise TimeoutError(f"a case took over {SECONDS} s")


@contextmanager
def bounded(size: int) -> Iterator[None]:
    """Interrupt a case that hangs; fail one that allocates out of proportion to its files."""
    tracemalloc.start()
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < FACTOR * size + MARGIN


@pytest.fixture(autouse=True)
def alarm():
    """Listen to the alarm."""
    before = signal.signal(signal.SIGALRM, too_long)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def folder(tmp_path):
    """A folder with things that no header should make anybody open."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "b.dat").write_bytes(bytes(30))
    return tmp_path


def every(cases: int, strategy: st.SearchStrategy, check: Callable[[Any], None]) -> None:
    """Check this many cases, the same ones each time."""
    limits = settings(
        max_examples=cases,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    limits(given(strategy)(check))()


def read_or_refuse(read: Callable[[Path], Any], path: Path, *files: Path) -> Any:
    """Read a file within bounds; None where it is refused by its name."""
    with bounded(sum(file.stat().st_size for file in (path, *files))):
        try:
            return read(path)
        except MalformedRecord as error:
            assert str(path.parent) in str(error)
            return None


def check_record(folder: Path, header: bytes, samples: bytes) -> None:
    (folder / "a.hea").write_bytes(header)
    (folder / "a.dat").write_bytes(samples)
    read = read_or_refuse(read_record, folder / "a.hea", folder / "a.dat", folder / "b.dat")
    if read is not None:
        assert 0 < read.fs <= 100_000 and read.millivolts.dtype == np.float32
        assert len(read.leads) == len(read.millivolts) and read.millivolts.size > 0
        assert not np.isinf(read.millivolts).any()


def check_annotations(folder: Path, content: bytes) -> None:
    path = folder / "a.atr"
    path.write_bytes(content)
    read = read_or_refuse(lambda path: read_annotations(path, samples=10_000), path)
    if read is not None:
        assert (np.diff(read.sample, prepend=0) >= 0).all() and (read.sample < 10_000).all()
        columns = (read.symbol, read.aux, read.channel, read.subtype, read.number)
        assert {len(column) for column in columns} == {len(read.sample)}
        assert set(read.symbol.tolist()) <= set(SYMBOLS.tolist()) - {" "}


@st.composite
def damaged(draw: st.DrawFn, contents: list[bytes]) -> bytes:
    """One of these files with bits flipped, or bytes cut off, put in, taken out or repeated."""
    content = bytearray(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(1, 4))):
        place, length = draw(st.integers(0, len(content))), draw(st.integers(1, 16))
        match draw(st.sampled_from(["flip", "cut", "put in", "take out", "repeat"])):
            case "flip" if place < len(content):
                content[place] ^= 1 << length % 8
            case "cut":
                del content[place:]
            case "put in":
                content[place:place] = draw(st.binary(min_size=1, max_size=8))
            case "take out":
                del content[place : place + length]
            case "repeat":
                content[place:place] = content[place : place + length]
    return bytes(content)


HOSTILE = st.one_of(
    st.text(LETTERS, max_size=6),
    st.sampled_from(
        ["", "0", "-1", "2", "12", "0.5", "1e5", "1e309", "nan", "inf", "x", "9" * 25, "9" * 2000]
        + ["2147483647", "-2147483649", "360/24(7)", "a/2", "a.mat", "I", "II", "Resp"]
        + ["b.dat", "pipe", "folder", "..", "../a.dat", "/dev/zero", "~", "x" * 300]
        + ["16", "212", "310", "8", "16+24", "16x2", "16:3", "212+999999999", "80+1"]
        + ["0/mV", "-5(3)/\N{MICRO SIGN}V", "1e-9", "1e9(2147483647)", "200/l", "/", "(1)"]
    ),
)


@st.composite
def recordings(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A header and its samples, with up to two fields that mean mischief."""
    form, count, length = draw(st.sampled_from([*FORMATS])), draw(st.integers(1, 3)), 20
    lines = [["a", str(count), "100", str(length)]]
    lines += [["a.dat", str(form), "200(0)/mV", *"00000", lead] for lead in LEADS[:count]]
    for _ in range(draw(st.integers(0, 2))):
        line = draw(st.sampled_from(lines))
        line[draw(st.integers(0, len(line) - 1))] = draw(HOSTILE)
    comments = draw(st.lists(st.text(LETTERS, max_size=8).map("# {}".format), max_size=2))
    text = "\n".join([*map(" ".join, lines), *comments])
    size = count * length * FORMATS[form] // 8
    return text.encode(errors="surrogatepass"), draw(st.binary(min_size=size, max_size=size))


WORD = st.one_of(
    st.integers(0, 2**16 - 1),
    st.builds(lambda kind, value: kind << 10 | value, st.integers(0, 63), st.integers(0, 9)),
    st.sampled_from([0, 59 << 10, 63 << 10 | 3, 22 << 10, 0xFFFF]),
).map(lambda word: struct.pack("<H", word))


@pytest.fixture
def records(folder) -> dict[str, tuple[bytes, bytes]]:
    """Valid recordings of every kind of format, as bytes of header and samples."""
    rng, found = np.random.default_rng(0), {}
    write_record(folder, "a", Signal(100.0, LEADS[:3], rng.normal(0, 1, (3, 20)).astype("f4")))
    text, samples = (folder / "a.hea").read_text(), (folder / "a.dat").read_bytes()
    for form, stored in [("16", samples), ("16+24", bytes(24) + samples)] + [
        (form, rng.bytes(size))
        for form, size in [
            ("212", 90),
            ("24", 180),
            ("32", 240),
            ("61", 120),
            ("80", 60),
            ("160", 120),
        ]
    ]:
        found[form] = text.replace("a.dat 16 ", f"a.dat {form} ").encode(), stored
    return found


@pytest.fixture
def annotated(folder) -> list[bytes]:
    """Valid annotation files, with every kind of field; published ones where there is a mirror."""
    rng = np.random.default_rng(0)
    sample, symbol = np.cumsum(rng.integers(0, 1500, 12)), rng.choice(["N", "V", "+"], 12)
    fields = {name: rng.integers(0, 9, 12) for name in ("subtype", "chan", "num")}
    aux = rng.choice(["", "(N", "(AFIB"], 12).tolist()
    wfdb.wrann("b", "atr", sample, symbol, aux_note=aux, fs=9, write_dir=str(folder), **fields)
    mirror = Path(os.environ.get("ECGPIPE_MIRROR", folder))
    published = sorted(mirror.glob("*/*/*.atr")) + sorted(mirror.glob("ludb/*/data/1*.v?"))
    return [(folder / "b.atr").read_bytes(), *(path.read_bytes() for path in published)]


@CASES
def test_a_header_may_hold_anything(folder, cases):
    anything = st.tuples(st.binary(max_size=60), st.binary(max_size=60))
    strategy = st.one_of(recordings(), recordings(), recordings(), anything)
    every(cases, strategy, lambda drawn: check_record(folder, *drawn))


@CASES
def test_a_valid_header_may_be_damaged(folder, records, cases):
    whole = records["16"][1]
    strategy = damaged([header for header, _ in records.values()])
    every(cases, strategy, lambda header: check_record(folder, header, whole))


@CASES
def test_a_signal_file_may_be_damaged(folder, records, cases):
    strategy = st.sampled_from(list(records.values())).flatmap(
        lambda record: st.tuples(st.just(record[0]), damaged([record[1]]))
    )
    every(cases, strategy, lambda drawn: check_record(folder, *drawn))


@CASES
def test_an_annotation_file_may_hold_anything(folder, cases):
    words = st.lists(WORD, max_size=30).map(lambda words: b"".join(words) + b"\0\0")
    every(
        cases,
        st.one_of(words, st.binary(max_size=60)),
        lambda content: check_annotations(folder, content),
    )


@CASES
def test_an_annotation_file_may_be_damaged(folder, annotated, cases):
    every(cases, damaged(annotated), lambda content: check_annotations(folder, content))
