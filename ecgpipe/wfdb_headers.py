"""WFDB headers: a strict parser of https://wfdb.io/wfdb/header-5.html.

What a header may say is bounded here, so that a damaged or hostile one is refused with its file and
line before anything is allocated for it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

CHANNELS, SAMPLES, FS = 256, 2**31, 100_000.0  # the most a header may claim
LARGEST, LONGEST = 2**18, 1000  # bytes of a header file, characters of a line of it

TEN = Fraction(32, 3)  # bits: three samples of ten in four bytes
FORMATS: dict[int, int | Fraction] = {  # bits of a sample
    **{16: 16, 24: 24, 32: 32, 61: 16, 80: 8, 160: 16, 212: 12},
    **{310: TEN, 311: TEN},
}

STORED = re.compile(r"(\d{1,4})(?:x(\d{1,4}))?(?::(\d{1,9}))?(?:\+(\d{1,9}))?")
GAIN = re.compile(r"([-+.\deE]{1,30})(?:\((-?\d{1,10})\))?(?:/(\S{1,20}))?")
NUMBER = re.compile(r"[-+]?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})([eE][-+]?\d{1,2})?")
WHOLE, WHOLES = re.compile(r"-?\d{1,10}"), re.compile(r"(?:-?\d{1,10}(?: |$))*")
FILE = re.compile(r"(?![~.])[^/\\:\x00]+")

T = TypeVar("T")


class MalformedRecord(ValueError):
    """A header, signal or annotation file that does not keep to its format."""


class Channel(NamedTuple):
    """One signal line of a header."""

    line: int  # of the header file, from 1
    file: str
    format: int
    offset: int  # bytes before the first sample
    gain: float  # steps of the converter per unit; 0: uncalibrated
    baseline: int  # steps at 0 mV
    unit: str
    name: str


@dataclass(frozen=True)
class Header:
    """What a header file says."""

    fs: float  # Hz
    samples: int | None  # in each channel; None: as many as the signal file holds
    channels: tuple[Channel, ...]
    comments: tuple[str, ...]


def read_header(path: Path) -> Header:
    """Parse a header file; raise MalformedRecord where it says what this project does not read."""
    lines = [line.strip() for line in _decoded(path).split("\n")]
    told = [(k, line) for k, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if not told:
        raise MalformedRecord(f"{path}: no record line; expected NAME CHANNELS FS SAMPLES")
    count, fs, samples = _parsed(path, _record_line, *told[0])
    if len(told) - 1 != count:
        found = f"{len(told) - 1} signal lines; the record line says {count}"
        raise MalformedRecord(f"{path}, line {told[0][0]}: {found}")
    return Header(
        fs=fs,
        samples=samples,
        channels=tuple(_parsed(path, _signal_line, *each) for each in told[1:]),
        comments=tuple(line[1:].strip() for line in lines if line.startswith("#")),
    )


def _decoded(path: Path) -> str:
    """Read a header's text; old ones write the micro sign in Latin-1."""
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise MalformedRecord(f"{path}: a header of over {LARGEST} bytes; expected at most these")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _parsed(path: Path, parse: Callable[[int, str], T], number: int, line: str) -> T:
    """Parse a line; name the file and the line of what is refused."""
    if len(line) > LONGEST or not line.replace("\t", " ").isprintable():
        said = f"{line[:40]!r}; expected at most {LONGEST} printable characters"
        raise MalformedRecord(f"{path}, line {number}: {said}")
    try:
        return parse(number, line)
    except ValueError as error:
        raise MalformedRecord(f"{path}, line {number}: {error}") from None


def _record_line(_: int, line: str) -> tuple[int, float, int | None]:
    """Parse `NAME CHANNELS FS SAMPLES ...`."""
    fields = line.split()
    if "/" in fields[0]:
        raise ValueError(f"record {fields[0]!r} has several segments; expected one")
    if len(fields) < 3:
        raise ValueError(f"record line {line!r}; expected NAME CHANNELS FS SAMPLES")
    count = _whole("number of channels", fields[1], 1, CHANNELS)
    fs = _number("sampling frequency", re.split(r"[/(]", fields[2])[0])
    if not 0 < fs <= FS:
        raise ValueError(f"sampling frequency {fs}; expected above 0, at most {FS:g} Hz")
    samples = _whole("number of samples", fields[3], 0, SAMPLES) if fields[3:] else 0
    return count, fs, samples or None


def _signal_line(number: int, line: str) -> Channel:
    """Parse `FILE FORMAT GAIN RESOLUTION ZERO FIRST CHECKSUM BLOCK NAME`; the gain is required."""
    fields = line.split(maxsplit=8)
    if len(fields) < 3:
        raise ValueError(f"signal line {line!r}; expected FILE FORMAT GAIN ... NAME")
    file = fields[0]
    if not FILE.fullmatch(file):
        raise ValueError(f"signal file {file!r}; expected a plain name beside the header")
    if not WHOLES.fullmatch(" ".join(fields[3:8])):
        expected = "whole numbers: RESOLUTION ZERO FIRST CHECKSUM BLOCK"
        raise ValueError(f"{' '.join(fields[3:8])!r}; expected {expected}")
    form, offset = _format(fields[1])
    gain, baseline, unit = _gain(fields[2])
    if baseline is None:  # then the header's ADC zero counts
        baseline = _whole("ADC zero", fields[4], -(2**31), 2**31) if fields[4:] else 0
    return Channel(
        number, file, form, offset, gain, baseline, unit, fields[8] if fields[8:] else ""
    )


@lru_cache
def _format(text: str) -> tuple[int, int]:
    """Parse `16`, `212`, `16+24`: the storage format and the bytes before the samples."""
    match = STORED.fullmatch(text)
    if not match or int(match[1]) not in FORMATS:
        raise ValueError(f"format {text!r}; expected one of {', '.join(map(str, FORMATS))}")
    if int(match[2] or 1) != 1 or int(match[3] or 0):
        raise ValueError(f"format {text!r}; expected one sample a frame and no skew")
    return int(match[1]), int(match[4] or 0)


@lru_cache
def _gain(text: str) -> tuple[float, int | None, str]:
    """Parse `1000.0(0)/mV`: steps per unit, baseline, unit."""
    match = GAIN.fullmatch(text)
    if not match:
        raise ValueError(f"gain {text!r}; expected a number, (BASELINE), /UNIT")
    gain = _number("gain", match[1])
    if gain and not 1e-6 <= abs(gain) <= 1e9:
        raise ValueError(f"gain {text!r}; expected 0 or 1e-6 to 1e9 steps per unit")
    return gain, int(match[2]) if match[2] else None, match[3] or "mV"


def _number(field: str, text: str) -> float:
    """Parse a number; `nan` and `inf` have no digits and are refused."""
    if not NUMBER.fullmatch(text):
        raise ValueError(f"{field} {text!r}; expected a number")
    return float(text)


def _whole(field: str, text: str, low: int, high: int) -> int:
    """Parse a whole number within bounds."""
    if not WHOLE.fullmatch(text) or not low <= int(text) <= high:
        raise ValueError(f"{field} {text!r}; expected a number from {low} to {high}")
    return int(text)
