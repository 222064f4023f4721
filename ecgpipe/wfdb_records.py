"""WFDB recordings: a strict header parser, signals by NumPy (format 16) or the wfdb package.

The header format is https://wfdb.io/wfdb/header-5.html; what a header may say is bounded here, so
that a damaged or hostile one is refused with its file and field.
"""

import re
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int16

from ecgpipe.records import Signal

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
SPELLINGS = {lead.upper(): lead for lead in LEADS} | {
    "DI": "I",
    "DII": "II",
    "DIII": "III",
    "MLI": "I",  # modified limb leads of ambulatory recorders
    "MLII": "II",
    "MLIII": "III",
}
PER_MILLIVOLT = {
    "mV": 1.0,
    "uV": 1000.0,
    "\N{MICRO SIGN}V": 1000.0,
    "\N{GREEK SMALL LETTER MU}V": 1000.0,
}
FORMATS = (16, 24, 32, 61, 80, 160, 212, 310, 311)
INVALID = np.iinfo(np.int16).min  # format 16 marks a missing sample so
CHANNELS, SAMPLES, FS = 256, 2**31, 100_000.0  # the most a header may claim

STORED = re.compile(r"(\d{1,4})(?:x(\d{1,4}))?(?::(\d{1,9}))?(?:\+(\d{1,9}))?")
GAIN = re.compile(r"([-+.\deE]{1,30})(?:\((-?\d{1,10})\))?(?:/(\S{1,20}))?")


@dataclass(frozen=True)
class Channel:
    """One signal line of a header."""

    file: str
    format: int
    offset: int  # bytes before the first sample
    gain: float  # steps of the converter per unit
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
    """Parse a header file; refuse what this project does not read."""
    lines = [line.strip() for line in _decoded(path).splitlines()]
    told = [line for line in lines if line and not line.startswith("#")]
    if not told:
        raise ValueError(f"{path}: no record line; expected NAME CHANNELS FS SAMPLES")
    count, fs, samples = _record_line(path, told[0])
    if len(told) - 1 != count:
        raise ValueError(f"{path}: {len(told) - 1} signal lines; the record line says {count}")
    return Header(
        fs=fs,
        samples=samples,
        channels=tuple(_signal_line(path, line) for line in told[1:]),
        comments=tuple(line[1:].strip() for line in lines if line.startswith("#")),
    )


def read_record(path: Path) -> Signal:
    """Read a recording (its header's path) in millivolts; missing samples are NaN.

    Leads get their standard names; channels in volts that are none of them keep their own, and
    channels of other units, such as respiration, are left out.
    """
    header = read_header(path)
    taken = [place for place, channel in enumerate(header.channels) if _is_taken(path, channel)]
    channels = [header.channels[place] for place in taken]
    leads = tuple(lead_name(channel.name) for channel in channels)
    twice = sorted(lead for lead in LEADS if leads.count(lead) > 1)
    if twice or not leads:
        wrong = f"lead {', '.join(twice)} twice" if twice else "no lead in mV or uV"
        raise ValueError(f"{path}: {wrong}; there are: {[c.name for c in header.channels]}")
    if any(channel.format != 16 for channel in header.channels):
        return Signal(header.fs, leads, _read_by_wfdb(path, header)[taken])
    steps = np.concatenate([_read_16(path, header, group) for group in _files(header)])[taken]
    baseline = np.array([[channel.baseline] for channel in channels], np.float32)
    gain = [[channel.gain * PER_MILLIVOLT[channel.unit]] for channel in channels]
    millivolts = (steps - baseline) / np.array(gain, np.float32)
    millivolts[steps == INVALID] = np.nan
    return Signal(header.fs, leads, millivolts)


def lead_name(name: str) -> str:
    """Give a lead its standard name, however it is spelled; other names stay as they are."""
    plain = re.sub(r"^(LEAD|ECG)(?=[ _-]*[IVAM\d])|[ _-]", "", name.strip().upper())
    return SPELLINGS.get(plain, name.strip())


def write_record(folder: Path, name: str, signal: Signal, comments: tuple[str, ...] = ()) -> None:
    """Write `NAME.hea` and `NAME.dat`: format 16, one step a microvolt."""
    steps = np.where(np.isnan(signal.millivolts), INVALID, np.rint(signal.millivolts * 1000))
    if (np.abs(steps) > -int(INVALID)).any():
        raise ValueError(f"{name}: amplitudes above 32.767 mV do not fit format 16 at 1000/mV")
    steps = steps.astype("<i2")
    sums = steps.sum(axis=1, dtype=np.int16)
    lines = [f"{name} {len(steps)} {signal.fs:g} {steps.shape[1]}"]
    for lead, first, total in zip(signal.leads, steps[:, 0], sums, strict=True):
        lines.append(f"{name}.dat 16 1000.0(0)/mV 16 0 {first} {total} 0 {lead}")
    lines += [f"# {comment}" for comment in comments]
    _write(folder / f"{name}.dat", steps.T.tobytes())
    _write(folder / f"{name}.hea", ("\n".join(lines) + "\n").encode())


def _write(path: Path, content: bytes) -> None:
    """Write beside and rename."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


def _decoded(path: Path) -> str:
    """Read a header's text; old ones write the micro sign in Latin-1."""
    content = path.read_bytes()
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _record_line(path: Path, line: str) -> tuple[int, float, int | None]:
    """Parse `NAME CHANNELS FS SAMPLES ...`."""
    fields = line.split()
    if "/" in fields[0]:
        raise ValueError(f"{path}: record {fields[0]!r} has several segments; expected one")
    if len(fields) < 3:
        raise ValueError(f"{path}: record line {line!r}; expected NAME CHANNELS FS SAMPLES")
    count = _whole(path, "number of channels", fields[1], 1, CHANNELS)
    fs = _number(path, "sampling frequency", re.split(r"[/(]", fields[2])[0])
    if not 0 < fs <= FS:
        raise ValueError(f"{path}: sampling frequency {fs}; expected above 0, at most {FS:g} Hz")
    samples = _whole(path, "number of samples", fields[3], 0, SAMPLES) if fields[3:] else 0
    return count, fs, samples or None


def _signal_line(path: Path, line: str) -> Channel:
    """Parse `FILE FORMAT GAIN RESOLUTION ZERO FIRST CHECKSUM BLOCK NAME`; the gain is required."""
    fields = line.split(maxsplit=8)
    if len(fields) < 3:
        raise ValueError(f"{path}: signal line {line!r}; expected FILE FORMAT GAIN ... NAME")
    file, stored, scaled = fields[:3]
    if not re.fullmatch(r"[^/\\:\x00]+", file) or file.startswith(("~", ".")):
        raise ValueError(f"{path}: signal file {file!r}; expected a plain name beside the header")
    form, offset = _format(path, stored)
    gain, baseline, unit = _gain(path, scaled)
    if baseline is None:  # then the header's ADC zero counts
        baseline = _whole(path, "ADC zero", fields[4], -(2**31), 2**31) if fields[4:] else 0
    return Channel(file, form, offset, gain, baseline, unit, fields[8] if fields[8:] else "")


def _format(path: Path, text: str) -> tuple[int, int]:
    """Parse `16`, `212`, `16+24`: the storage format and the bytes before the samples."""
    match = STORED.fullmatch(text)
    if not match or int(match[1]) not in FORMATS:
        raise ValueError(f"{path}: format {text!r}; expected one of {FORMATS}")
    if int(match[2] or 1) != 1 or int(match[3] or 0):
        raise ValueError(f"{path}: format {text!r}; expected one sample a frame and no skew")
    return int(match[1]), int(match[4] or 0)


def _gain(path: Path, text: str) -> tuple[float, int | None, str]:
    """Parse `1000.0(0)/mV`: steps per unit, baseline, unit."""
    match = GAIN.fullmatch(text)
    if not match:
        raise ValueError(f"{path}: gain {text!r}; expected a number, (BASELINE), /UNIT")
    gain = _number(path, "gain", match[1])
    if not 1e-6 <= abs(gain) <= 1e9:
        raise ValueError(f"{path}: gain {text!r}; expected steps per unit (0 means uncalibrated)")
    return gain, int(match[2]) if match[2] else None, match[3] or "mV"


def _number(path: Path, field: str, text: str) -> float:
    """Parse a number; `nan` and `inf` have no digits and are refused."""
    if not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,2})?", text):
        raise ValueError(f"{path}: {field} {text!r}; expected a number")
    return float(text)


def _whole(path: Path, field: str, text: str, low: int, high: int) -> int:
    """Parse a whole number within bounds."""
    if not re.fullmatch(r"-?\d{1,10}", text) or not low <= int(text) <= high:
        raise ValueError(f"{path}: {field} {text!r}; expected a number from {low} to {high}")
    return int(text)


def _is_taken(path: Path, channel: Channel) -> bool:
    """Tell whether a channel is read; a lead in another unit than volts is an error."""
    known = channel.unit in PER_MILLIVOLT
    if not known and lead_name(channel.name) in LEADS:
        allowed = ", ".join(PER_MILLIVOLT)
        raise ValueError(f"{path}: {channel.name} in {channel.unit!r}; expected one of {allowed}")
    return known


def _files(header: Header) -> list[list[Channel]]:
    """Group the channels that share a signal file; they follow each other."""
    return [list(group) for _, group in groupby(header.channels, lambda channel: channel.file)]


def _read_16(path: Path, header: Header, channels: list[Channel]) -> Int16[np.ndarray, "lead time"]:
    """Read one signal file of interleaved 16-bit samples."""
    file, offset = path.parent / channels[0].file, channels[0].offset
    frames, rest = divmod(file.stat().st_size - offset, 2 * len(channels))
    if frames < 1 or rest or frames != (header.samples or frames):
        raise ValueError(
            f"{file}: {file.stat().st_size} bytes; {path.name} says {header.samples} samples of "
            f"{len(channels)} channels, 2 bytes each, after {offset} bytes"
        )
    return np.fromfile(file, "<i2", offset=offset).reshape(frames, len(channels)).T


def _read_by_wfdb(path: Path, header: Header) -> Float[np.ndarray, "lead time"]:
    """Read any other format, in millivolts."""
    import wfdb

    read = wfdb.rdrecord(str(path.with_suffix("")), return_res=64)
    gain = np.array([PER_MILLIVOLT.get(channel.unit, 1.0) for channel in header.channels])
    return np.ascontiguousarray((read.p_signal / gain).T, np.float32)
