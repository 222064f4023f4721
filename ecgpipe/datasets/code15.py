"""CODE-15%, 345,779 recordings with 12 leads of 233,770 patients (Ribeiro et al. 2021).

Eighteen parts hold the tracings at 400 Hz, shorter ones with zeros on both sides up to 4096 samples
(10.24 s), which are cut off here. A part's own `exam_id` says which row is whose: `exams.csv` is in
another order, and every part has one row more, of zeros, that is nobody's (id 0).

A recording without any of the six abnormalities is not normal for that: `normal_ecg` is a statement
of its own. Amplitudes are taken as millivolts, as the authors advise; they are about twice those of
other cohorts, and many recordings wander by several. Some recordings lie byte-identical under
several patients (47 in the first part): the audit finds them, EXCLUDED is where to name them.
"""

import csv
import os
from functools import cache
from pathlib import Path
from typing import Any

from ecgpipe import hdf5
from ecgpipe.datasets._padding import without_padding
from ecgpipe.records import Record, Signal
from ecgpipe.wfdb_records import LEADS

TITLE = "CODE-15%: a large scale annotated dataset of 12-lead ECGs"
RELEASE = "1.0.0"
LICENCE = "CC BY 4.0"
CITATION = (
    "Ribeiro AH, Paixao GMM, Lima EM, Horta Ribeiro M, Pinto Filho MM, Gomes PR, Oliveira DM, "
    "Meira Jr W, Schon TB, Ribeiro ALP. CODE-15%: a large scale annotated dataset of 12-lead ECGs. "
    "Zenodo (2021), doi:10.5281/zenodo.4916206; Lima EM et al. Nat Commun 12:5117 (2021)"
)
PATIENTS = "column patient_id of exams.csv"
URL = "https://zenodo.org/records/4916206/"
MIRROR = "zenodo/4916206"
SIZE = 345_779
FOLDS = None
EXCLUDED: dict[str, str] = {}
SHARDS = 64
SOURCES = ("metadata", "signals")

TABLE = "exams.csv"
STATEMENTS = ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF", "normal_ecg")
STATED = 100.0  # likelihood of a statement, in percent
SEX = {"True": "male", "False": "female"}  # by is_male
FS = 400.0  # Hz
REMEDY = "remove it and fetch it again"


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source: every part is one file in an archive of its own."""
    if source == "metadata":
        return [TABLE]
    parts = [name.removesuffix(".zip") for name in listing if name.startswith("exams_part")]
    return [f"{part}.zip!{part}.hdf5" for part in parts]


def records(folder: Path) -> list[Record]:
    """List the records of exams.csv."""
    with (folder / TABLE).open(newline="", encoding="utf-8") as file:
        found = [_record(row) for row in csv.DictReader(file)]
    return sorted((each for each in found if each.id not in EXCLUDED), key=lambda each: each.id)


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read a recording without its padding."""
    tracings, rows = _part(folder / record.path, os.getpid())
    if int(record.id) not in rows:
        raise ValueError(
            f"{folder / record.path}: no exam_id {record.id}, though {TABLE} says it is here"
        )
    return Signal(FS, LEADS, without_padding(tracings[rows[int(record.id)]]))


@cache
def _part(path: Path, process: int) -> tuple[Any, dict[int, int]]:
    """Open the tracings of a part, once a process: a handle does not survive a fork."""
    import h5py

    with hdf5.opened(path, REMEDY) as file:
        rows = {exam: row for row, exam in enumerate(file["exam_id"][()].tolist())}
    return h5py.File(path)["tracings"], rows


def _record(row: dict[str, str]) -> Record:
    """Turn a line of the table into a record."""
    return Record(
        id=row["exam_id"],
        patient=row["patient_id"],
        path=Path(row["trace_file"]),
        statements={code: STATED for code in STATEMENTS if _is_true(row, code)},
        age=float(row["age"]) if row["age"] else None,
        sex=SEX.get(row["is_male"]),
    )


def _is_true(row: dict[str, str], column: str) -> bool:
    """Read a truth value; nothing is not stated."""
    if row[column] not in ("True", "False", ""):
        raise ValueError(
            f"{TABLE}, exam {row['exam_id']}: {column} {row[column]!r}; expected True or False"
        )
    return row[column] == "True"
