"""SPH, 25,770 recordings with 12 leads of 24,666 patients in Shandong (Liu et al. 2022).

Recordings last 10 to 56 seconds and were filtered by the machine. A statement of the AHA/ACC/HRS
recommendations is a number, with modifiers as in `60+310`: ventricular premature complexes, which
are frequent. It is kept as `60` and, with each modifier, as `60+310`. The amplitudes of 323
recordings go beyond 10 mV, up to 1,590: artefacts, which are clipped and counted.
"""

import csv
from pathlib import Path

import numpy as np

from ecgpipe import hdf5
from ecgpipe.records import Record, Signal
from ecgpipe.wfdb_records import LEADS

TITLE = (
    "A large-scale multi-label 12-lead electrocardiogram database with standardized diagnostic "
    "statements"
)
RELEASE = "1"
LICENCE = "CC0 1.0"
CITATION = (
    "Liu H, Chen D, Chen D, Zhang X, Li H, Bian L, Shu M, Wang Y. A large-scale multi-label "
    "12-lead electrocardiogram database with standardized diagnostic statements. Sci Data 9:272 "
    "(2022), doi:10.1038/s41597-022-01403-5; figshare, doi:10.6084/m9.figshare.c.5779802.v1"
)
PATIENTS = "column Patient_ID of metadata.csv"
URL = "https://api.figshare.com/v2/collections/5779802/"
MIRROR = "figshare/5779802"
SIZE = 25_770
FOLDS = None
EXCLUDED: dict[str, str] = {}
SHARDS = 16
SOURCES = ("metadata", "signals")

TABLE = "metadata.csv"
METADATA = ("code.csv", TABLE)
ARCHIVE = "records.tar.gz"  # a plain tar in spite of its name
STATED = 100.0  # likelihood of a statement, in percent
SEX = {"M": "male", "F": "female"}
FS = 500.0  # Hz
REMEDY = "remove it and fetch it again"


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source."""
    return list(METADATA) if source == "metadata" else [f"{ARCHIVE}!records/*.h5"]


def records(folder: Path) -> list[Record]:
    """List the records of metadata.csv."""
    with (folder / TABLE).open(newline="", encoding="utf-8") as file:
        found = [_record(row) for row in csv.DictReader(file)]
    return sorted((each for each in found if each.id not in EXCLUDED), key=lambda each: each.id)


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read a recording, kept as 16-bit floating point millivolts."""
    with hdf5.opened(folder / record.path, REMEDY) as file:
        return Signal(FS, LEADS, file["ecg"][()].astype(np.float32))


def _record(row: dict[str, str]) -> Record:
    """Turn a line of the table into a record."""
    return Record(
        id=row["ECG_ID"],
        patient=row["Patient_ID"],
        path=Path("records", row["ECG_ID"] + ".h5"),
        statements=_statements(row["AHA_Code"]),
        age=float(row["Age"]) if row["Age"] else None,
        sex=SEX.get(row["Sex"]),
    )


def _statements(text: str) -> dict[str, float]:
    """Read `60+310;147`: statements with their modifiers; one may be there twice."""
    codes: dict[str, float] = {}
    for statement in filter(None, text.split(";")):
        primary, *modifiers = statement.strip().split("+")
        codes |= dict.fromkeys([primary, *(f"{primary}+{each}" for each in modifiers)], STATED)
    return codes
