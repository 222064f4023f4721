"""WFDB recordings, read to millivolts and written.

Headers are parsed by `wfdb_headers`, signal files decoded by `wfdb_signals`; whatever is wrong with
either is a MalformedRecord.
"""

import re
from functools import lru_cache
from pathlib import Path

import numpy as np

from ecgpipe import writing
from ecgpipe.records import Signal
from ecgpipe.wfdb_headers import Channel, MalformedRecord, read_header
from ecgpipe.wfdb_signals import missing, read_steps

__all__ = ["LEADS", "MalformedRecord", "lead_name", "read_header", "read_record", "write_record"]

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
    "mv": 1.0,  # as the Challenge 2021 writes it in its copies of PTB and INCART
    "uV": 1000.0,
    "\N{MICRO SIGN}V": 1000.0,
    "\N{GREEK SMALL LETTER MU}V": 1000.0,
}
INVALID = np.iinfo(np.int16).min  # format 16 marks a missing sample so


def read_record(path: Path, uncalibrated: float | None = None) -> Signal:
    """Read a recording (its header's path) in millivolts; missing samples are NaN.

    Leads get their standard names; channels in volts that are none of them keep their own, and
    channels of other units, such as respiration, are left out. A gain of 0 means an uncalibrated
    channel: it is refused unless the caller says how many steps per mV to assume.

    Raises MalformedRecord where the header or a signal file cannot be read, or names a lead twice.
    """
    header = read_header(path)
    taken = [place for place, channel in enumerate(header.channels) if _is_taken(path, channel)]
    channels = [header.channels[place] for place in taken]
    leads = tuple(lead_name(channel.name) for channel in channels)
    twice = [lead for lead in LEADS if leads.count(lead) > 1]
    if twice or not leads:
        wrong = f"lead {', '.join(twice)} twice" if twice else "no lead in mV or uV"
        raise MalformedRecord(f"{path}: {wrong}; there are: {[c.name for c in header.channels]}")
    gain = [_per_millivolt(path, channel, uncalibrated) for channel in channels]
    steps = read_steps(path, header)[taken]
    millivolts = steps.astype(np.result_type(steps, np.float32))
    millivolts -= _column([channel.baseline for channel in channels], np.float32)
    millivolts /= _column(gain, np.float32)
    millivolts[steps == _column([missing(channel) for channel in channels], steps.dtype)] = np.nan
    return Signal(header.fs, leads, millivolts.astype(np.float32, copy=False))


@lru_cache
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
    with writing.whole(path) as part:
        part.write_bytes(content)


def _is_taken(path: Path, channel: Channel) -> bool:
    """Tell whether a channel is read; a lead in another unit than volts is an error."""
    known = channel.unit in PER_MILLIVOLT
    if not known and lead_name(channel.name) in LEADS:
        wrong = f"{channel.name} in {channel.unit!r}; expected one of {', '.join(PER_MILLIVOLT)}"
        raise MalformedRecord(f"{path}, line {channel.line}: {wrong}")
    return known


def _per_millivolt(path: Path, channel: Channel, uncalibrated: float | None) -> float:
    """Give the steps of the converter per millivolt."""
    if channel.gain:
        return channel.gain * PER_MILLIVOLT[channel.unit]
    if uncalibrated is None:
        raise MalformedRecord(
            f"{path}, line {channel.line}: gain 0, uncalibrated; expected the steps per mV to "
            "assume as read_record(..., uncalibrated=)"
        )
    return uncalibrated


def _column(values: list[int] | list[float], dtype: np.typing.DTypeLike) -> np.ndarray:
    """Give each channel its value, beside its samples: (channel, 1)."""
    return np.array(values, dtype)[:, None]
