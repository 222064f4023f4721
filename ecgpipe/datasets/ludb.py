"""Lobachevsky University Database (Kalyakulina et al. 2020), 200 recordings of 10 s at 500 Hz.

Cardiologists marked onset, peak and offset of P, QRS and T in every lead on its own, but for the
first and the last beat. Waves whose marks are not complete, or not in this order, are left out and
counted in the log: 86 of 23 leads in records 7, 34, 95, 111 and 198. A record without P waves (17
have none) is one without P waves. Nothing else is left out. Diagnoses are those of ludb.csv, which
tells pacemakers that the headers do not; one age is written `>89`, taken as 90.
"""

import csv
import logging
from pathlib import Path

import numpy as np

from ecgpipe.records import Record, Signal, Wave
from ecgpipe.wfdb_annotations import read_annotations
from ecgpipe.wfdb_records import LEADS, read_header, read_record

TITLE = "Lobachevsky University Electrocardiography Database"
RELEASE = "1.0.1"
LICENCE = "ODC-By 1.0"
CITATION = (
    "Kalyakulina AI, Yusipov II, Moskalenko VA, Nikolskiy AV, Kosonogov KA, Osipov GV, et al. "
    "LUDB: a new open-access validation tool for electrocardiogram delineation algorithms. IEEE "
    "Access 8:186181-186190 (2020), doi:10.1109/ACCESS.2020.3029211; PhysioNet: Goldberger AL et "
    "al. Circulation 101(23):e215-e220 (2000), doi:10.13026/eegm-h675"
)
PATIENTS = "each recording is of another person"
URL = "https://physionet.org/files/ludb/1.0.1/"
MIRROR = "ludb/1.0.1"
SIZE = 200
FOLDS = None
EXCLUDED: dict[str, str] = {}
SHARDS = 4
SOURCES = ("metadata", "signals")
WAVES = True  # marked by cardiologists

TABLE = "ludb.csv"
PERSON = ("ID", "Sex", "Age")  # its columns that hold no diagnoses
MARKS = {lead: f".{lead.lower()}" for lead in LEADS}  # the annotations of a lead
KINDS = {"p": "P", "N": "QRS", "t": "T"}
STATED = 100.0  # likelihood of a statement, in percent
SEX = {"F": "female", "M": "male"}
OLD = ">89"

log = logging.getLogger(__name__)


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source."""
    if source == "signals":
        return [name for name in listing if name.endswith(".dat")]
    return [name for name in listing if name.endswith((TABLE, ".hea", *MARKS.values()))]


def records(folder: Path) -> list[Record]:
    """List the recordings that are there, of those that the table describes."""
    with (folder / TABLE).open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if (folder / _header(row)).exists()]
    return [_record(folder, row) for row in sorted(rows, key=lambda row: row["ID"])]


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read a recording."""
    return read_record(folder / record.path)


def read_waves(path: Path, lead: str, fs: float) -> tuple[list[Wave], int]:
    """Read the waves of one lead, and count those without an onset, peak and offset in order."""
    marks = read_annotations(path)
    peak = np.flatnonzero(np.isin(marks.symbol, list(KINDS)))
    around = np.concatenate([[""], marks.symbol, [""]])
    whole = peak[(around[peak] == "(") & (around[peak + 2] == ")")]
    kinds = [KINDS[symbol] for symbol in marks.symbol[whole]]
    times = np.stack([marks.sample[whole + step] for step in (-1, 0, 1)], axis=1) / fs
    found = [
        Wave(kind, onset, middle, offset, lead)
        for kind, (onset, middle, offset) in zip(kinds, times.tolist(), strict=True)
    ]
    return found, len(peak) - len(whole)


def _header(row: dict[str, str]) -> Path:
    """Name the header of a row's recording, below the dataset's folder."""
    return Path("data", f"{row['ID']}.hea")


def _record(folder: Path, row: dict[str, str]) -> Record:
    """Turn a row of the table and the marks of twelve leads into a record."""
    path, age = _header(row), row["Age"].strip()
    fs = read_header(folder / path).fs
    leads = [read_waves((folder / path).with_suffix(MARKS[lead]), lead, fs) for lead in LEADS]
    if broken := sum(count for _, count in leads):
        log.info("record %s: %d waves lack a mark and are left out", row["ID"], broken)
    phrases = [
        line for name, cell in row.items() if name not in PERSON for line in cell.split("\n")
    ]
    return Record(
        id=row["ID"],
        patient=row["ID"],
        path=path,
        statements={" ".join(phrase.split()): STATED for phrase in phrases if phrase.strip()},
        age=90.0 if age == OLD else float(age),
        sex=SEX.get(row["Sex"].strip()),
        waves=tuple(wave for waves, _ in leads for wave in waves),
    )
