"""Records, and the shards that keep them: contiguous int16 microvolts in HDF5, one row a signal."""

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int8, Int16, Int32

from ecgpipe import hdf5
from ecgpipe.annotations import NO_BEATS, Beats, Span
from ecgpipe.settings import Preparation, canonical

WAVES = ("P", "QRS", "T")  # a wave's kind in a shard is its place here
COLUMNS = (
    "dataset",
    "record",
    "patient",
    "start",
    "statements",
    "rhythms",
    "beats",
    "age",
    "sex",
    "fold",
    "site",
    "device",
    "aliases",
)
# what differs between windows of one record
OF_ROWS = ("start", "rhythms", "beats", "digest", "samples")
ADDED = ("digest", "samples")  # columns that metadata does not tell
JSON = ("statements", "rhythms", "beats", "aliases")
REMEDY = "remove this shard and make it again"
BLOCK = 1000  # rows written at once
LARGEST = np.iinfo(np.int16).max  # microvolts, 32.767 mV; the sample -32768 stays unused


@dataclass(frozen=True)
class Wave:
    """One wave with its true or annotated boundaries, in seconds into the recording."""

    kind: str  # P, QRS or T
    onset: float
    peak: float
    offset: float
    lead: str | None = None  # None: true of every lead


@dataclass(frozen=True)
class Record:
    """One recording of one patient, with its labels; what is unknown is left empty."""

    id: str  # unique within its dataset
    patient: str
    path: Path  # of the recording's header, below the dataset's folder
    statements: dict[str, float] = field(
        default_factory=dict
    )  # code: likelihood as the source gives it
    age: float | None = None  # years
    sex: str | None = None  # female, male
    fold: int | None = None  # the publisher's
    site: str | None = None
    device: str | None = None
    aliases: tuple[str, ...] = ()  # `dataset:id` of the same recording in another release
    waves: tuple[Wave, ...] = ()
    spans: tuple[Span, ...] = ()  # rhythms
    beats: Beats = field(default=NO_BEATS, compare=False)
    unreadable: tuple[tuple[float, float], ...] = ()  # onset and offset of noise, seconds


@dataclass(frozen=True)
class Signal:
    """One recording as read: millivolts, leads by their standard names."""

    fs: float  # Hz
    leads: tuple[str, ...]
    millivolts: Float[np.ndarray, "lead time"]


@dataclass(frozen=True)
class Row:
    """One row of a shard: a prepared record, or one window of it."""

    record: Record
    start: float  # seconds into the recording
    signal: Int16[np.ndarray, "lead time"]  # microvolts, as far as it was recorded
    digest: str  # of the recording as read, see `digest`
    rhythms: dict[str, float] = field(default_factory=dict)  # code: share of the signal it covers
    beats: dict[str, int] = field(default_factory=dict)  # symbol: how many the signal holds
    fingerprint: Int8[np.ndarray, "piece value"] = field(  # of the recording, see `fingerprints`
        default_factory=lambda: np.zeros((0, 0), np.int8)
    )

    @property
    def samples(self) -> int:
        """Samples that were recorded."""
        return self.signal.shape[1]


def shard_of(patient: str, shards: int) -> int:
    """Give the shard that holds every record of a patient."""
    return _hash(patient) % shards


def hashed_below(patients: pd.Series, share: float) -> Bool[np.ndarray, " record"]:
    """Take about this share of the patients, one at least: the same ones, whatever their shards."""
    place = {name: _hash(f"share of {name}") for name in set(patients)}
    limit = max(share * 2**48, min(place.values(), default=0) + 1)
    return np.array([place[name] < limit for name in patients], bool)


def digest(signal: Signal) -> str:
    """Hash a recording as read: equal for recordings whose every sample is equal."""
    return hashlib.sha256(signal.millivolts.tobytes()).hexdigest()


def microvolts(
    millivolts: Float[np.ndarray, "lead time"], record: str
) -> tuple[Int16[np.ndarray, "lead time"], int]:
    """Round to int16 microvolts; also count the samples that had to be clipped to fit."""
    scaled = np.rint(millivolts * np.float32(1000))
    if not np.isfinite(scaled).all():
        wrong = int(np.size(scaled) - np.isfinite(scaled).sum())
        raise ValueError(f"record {record}: {wrong} samples are NaN or infinite, expected none")
    clipped = int((np.abs(scaled) > LARGEST).sum())
    return np.clip(scaled, -LARGEST, LARGEST).astype(np.int16), clipped


def table(dataset: str, records: list[Record]) -> pd.DataFrame:
    """One line a record, from metadata alone; the columns are those of `read_table`.

    A rhythm of a long recording has share 1 here: some window of the record may be full of it.
    """
    columns = _columns(records) | {
        "start": [0.0] * len(records),
        "rhythms": [{span.code: 1.0 for span in record.spans} for record in records],
        "beats": [dict(Counter(record.beats.symbol.tolist())) for record in records],
    }
    return _frame({"dataset": [dataset] * len(records), **columns})


def write_shard(
    path: Path, rows: list[Row], *, dataset: str, preparation: Preparation, sources: str
) -> None:
    """Write prepared rows beside and rename; signals that are too short end in zeros.

    `sources` is the hash of their manifests.
    """
    shape = (len(rows), len(preparation.leads), round(preparation.seconds * preparation.fs))
    columns = _columns([row.record for row in rows])
    columns |= {name: [getattr(row, name) for row in rows] for name in OF_ROWS}
    for name in JSON:
        columns[name] = [json.dumps(each) for each in columns[name]]
    with hdf5.written(path) as file:
        file.attrs["fs"] = preparation.fs
        file.attrs["leads"] = list(preparation.leads)
        file.attrs["unit"] = preparation.unit
        file.attrs["dataset"] = dataset
        file.attrs["preparation"] = canonical(asdict(preparation))
        file.attrs["sources"] = sources
        signal = file.create_dataset("signal", shape, dtype="<i2")  # contiguous: `read_signals`
        for first in range(0, len(rows), BLOCK):
            block = rows[first : first + BLOCK]
            signal[first : first + len(block)] = _padded(block, shape[1:])
        for name, values in columns.items():
            file.create_dataset(name, data=_stored(name, values))
        file.create_dataset("waves", data=_waves(rows, preparation))
        file.create_dataset("fingerprint", data=_fingerprints(rows))


def read_table(paths: list[Path]) -> pd.DataFrame:
    """One line a row of the shards, without the signals; `shard` counts the paths.

    `samples` says how much of a signal was recorded; the rest is padding.
    """
    tables = [_read_table(path).assign(shard=shard) for shard, path in enumerate(paths)]
    filled = [each for each in tables if len(each)] or tables[:1]
    joined = pd.concat(filled, ignore_index=True)
    return joined[[*COLUMNS, *ADDED, "shard", "row"]]


def read_signals(path: Path) -> Int16[np.ndarray, "record lead time"]:
    """Map a shard's signals into memory: int16 microvolts."""
    with hdf5.opened(path, REMEDY) as file:
        signal = file["signal"]
        if not len(signal):
            return np.empty(signal.shape, np.int16)
        offset = signal.id.get_offset()
        if offset is None:
            raise ValueError(f"{path}: signals are not contiguous; make the shard again")
        return np.memmap(path, signal.dtype, mode="r", offset=offset, shape=signal.shape)


def read_waves(path: Path) -> Int32[np.ndarray, "wave 6"]:
    """Read the waves: row, kind (place in WAVES), lead (-1: all), onset, peak, offset (samples)."""
    with hdf5.opened(path, REMEDY) as file:
        return file["waves"][()]


def read_fingerprints(paths: list[Path]) -> dict[str, Int8[np.ndarray, "piece value"]]:
    """Read the fingerprint of every recording, by `dataset:record`."""
    found: dict[str, np.ndarray] = {}
    for path in paths:
        with hdf5.opened(path, REMEDY) as file:
            names = dict.fromkeys(file["record"][()].tolist())  # in the order of `_fingerprints`
            named = [f"{file.attrs['dataset']}:{name.decode()}" for name in names]
            found |= zip(named, file["fingerprint"][()], strict=True)
    return found


def read_attributes(path: Path) -> dict[str, Any]:
    """Read what a shard says of itself: fs, leads, unit, dataset, preparation, sources."""
    with hdf5.opened(path, REMEDY) as file:
        values = dict(file.attrs)
    return {**values, "fs": int(values["fs"]), "leads": tuple(values["leads"])}


def read_sources(paths: list[Path]) -> dict[str, str]:
    """Read what the shards of each dataset were made from, as the hash of their manifests."""
    sources: dict[str, str] = {}
    for attributes in map(read_attributes, paths):
        name, given = attributes["dataset"], attributes["sources"]
        if sources.setdefault(name, given) != given:
            raise ValueError(
                f"shards of {name} were made from two releases ({sources[name]} and {given}); "
                f"remove results/shards/{name} and make them again"
            )
    return sources


def _hash(name: str) -> int:
    """Hash a name to 48 bits, the same on every machine."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:12], 16)


def _columns(records: list[Record]) -> dict[str, list[Any]]:
    """Turn what is known of records into columns."""
    columns: dict[str, list[Any]] = {"record": [record.id for record in records]}
    names = [name for name in COLUMNS[2:] if name not in OF_ROWS]
    return columns | {name: [getattr(record, name) for record in records] for name in names}


def _frame(columns: dict[str, list[Any]]) -> pd.DataFrame:
    """Give every column its type, also where there are no rows or no values."""
    types = {name: "object" for name in COLUMNS} | {
        "start": "float64",
        "age": "float64",
        "fold": "Int64",
    }
    return pd.DataFrame(
        {name: pd.Series(columns[name], dtype=types[name]) for name in COLUMNS}  # type: ignore[call-overload]
    )


def _stored(name: str, values: list[Any]) -> np.ndarray:
    """Turn a column into an array that HDF5 keeps: NaN, -1 or an empty text where it is unknown."""
    if name in ("start", "age"):
        return np.array([np.nan if value is None else value for value in values], np.float64)
    if name == "samples":
        return np.array(values, np.int32)
    if name == "fold":
        return np.array([-1 if value is None else value for value in values], np.int32)
    encoded = [(value or "").encode() for value in values]
    return np.array(encoded, dtype=f"S{max(map(len, encoded), default=1) or 1}")


def _read_table(path: Path) -> pd.DataFrame:
    """Read the columns of one shard."""
    names = (*COLUMNS[1:], *ADDED)
    with hdf5.opened(path, REMEDY) as file:
        if lacking := [name for name in names if name not in file]:
            raise ValueError(f"{path}: no column {', '.join(lacking)}, made too early; {REMEDY}")
        dataset = file.attrs["dataset"]
        stored = {name: file[name][()] for name in names}
    columns: dict[str, list[Any]] = {"dataset": [dataset] * len(stored["record"])}
    for name, values in stored.items():
        columns[name] = values.tolist()
        if values.dtype.kind == "S":
            columns[name] = [value.decode() or None for value in columns[name]]
    columns["fold"] = [None if fold < 0 else fold for fold in columns["fold"]]
    for name in JSON:
        parsed = {text: json.loads(text) for text in set(columns[name])}  # windows are alike
        columns[name] = [parsed[text] for text in columns[name]]
    columns["aliases"] = [tuple(each) for each in columns["aliases"]]
    frame = _frame(columns)
    added = {name: columns[name] for name in ADDED}
    return frame.assign(**added, row=np.arange(len(frame)))


def _padded(rows: list[Row], shape: tuple[int, int]) -> Int16[np.ndarray, "record lead time"]:
    """Put signals side by side, each from the start on; what was not recorded is zero."""
    signals = np.zeros((len(rows), *shape), np.int16)
    for padded, row in zip(signals, rows, strict=True):
        padded[:, : row.samples] = row.signal
    return signals


def _fingerprints(rows: list[Row]) -> Int8[np.ndarray, "recording piece value"]:
    """Stack the fingerprints, one a recording, in the order of their first rows."""
    found = {row.record.id: row.fingerprint for row in rows}
    return np.stack([*found.values()]) if found else np.zeros((0, 0, 0), np.int8)


def _waves(rows: list[Row], preparation: Preparation) -> Int32[np.ndarray, "wave 6"]:
    """Place every wave whose peak lies inside its signal, in samples of the prepared signal."""
    last = round(preparation.seconds * preparation.fs) - 1
    places = {lead: place for place, lead in enumerate(preparation.leads)} | {None: -1}
    found = []
    for number, row in enumerate(rows):
        for wave in row.record.waves:
            times = (wave.onset, wave.peak, wave.offset)
            onset, peak, offset = (round((time - row.start) * preparation.fs) for time in times)
            if wave.lead in places and 0 <= peak <= last:
                kind, lead = WAVES.index(wave.kind), places[wave.lead]
                found.append((number, kind, lead, max(onset, 0), peak, min(offset, last)))
    return np.array(found, np.int32).reshape(-1, 6)
