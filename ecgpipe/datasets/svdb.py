"""MIT-BIH Supraventricular Arrhythmia Database, 78 half hours with two leads (Greenwald 1990).

Beats are annotated from end to end, rhythms are not (the one rhythm that the release marks, in 852,
is passed over). Supraventricular beats are `S` here and mostly `A` in mitdb: compare the two by
the classes of the vocabulary `aami`.

The header of 37 records gives no gain; they are read at WFDB's 200 steps per millivolt, which the
others state. The leads are ECG1 and ECG2, whatever they are. Nothing is told of the patients; each
record is one. The publisher made no split.
"""

from pathlib import Path

from ecgpipe.datasets import _ambulatory
from ecgpipe.records import Record, Signal
from ecgpipe.wfdb_records import read_record

TITLE = "MIT-BIH Supraventricular Arrhythmia Database"
RELEASE = "1.0.0"
LICENCE = "ODC-By 1.0"
CITATION = (
    "Greenwald SD. Improved detection and classification of arrhythmias in noise-corrupted "
    "electrocardiograms using contextual information. PhD thesis, Harvard-MIT Division of Health "
    "Sciences and Technology (1990); PhysioNet: Goldberger AL et al. Circulation "
    "101(23):e215-e220 (2000), doi:10.13026/C2V30W"
)
PATIENTS = "the record"
URL = "https://physionet.org/files/svdb/1.0.0/"
MIRROR = "svdb/1.0.0"
SIZE = 78
FOLDS = None
EXCLUDED: dict[str, str] = {}
SHARDS = 8
SOURCES = ("metadata", "signals")

PER_MILLIVOLT = 200.0  # steps, where a header does not say


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source."""
    return _ambulatory.files(source, records)


def records(folder: Path) -> list[Record]:
    """List the records."""
    return [_record(folder, name) for name in _ambulatory.names(folder)]


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read both leads of a recording."""
    return read_record(folder / record.path, uncalibrated=PER_MILLIVOLT)


def _record(folder: Path, name: str) -> Record:
    """Describe a record by its annotations."""
    path = Path(f"{name}.hea")
    marks, fs, seconds = _ambulatory.read_marks(folder / path)
    return Record(
        id=name,
        patient=name,
        path=path,
        beats=_ambulatory.beats(marks, fs),
        unreadable=_ambulatory.unreadable(marks, fs, seconds),
    )
