"""MIT-BIH Normal Sinus Rhythm Database, 18 days with two leads of people without arrhythmias.

Beats are annotated, rhythms are not. They end hours before the signal does, and what lies before
the first beat or after the last is left out: nobody looked for ectopic beats there. One beat in
14,000 is not normal.

No header gives a gain; all are read at WFDB's 200 steps per millivolt. The leads are ECG1 and ECG2,
whatever they are. The publisher made no split.
"""

from pathlib import Path

from ecgpipe.datasets import _ambulatory
from ecgpipe.records import Record, Signal
from ecgpipe.wfdb_headers import read_header
from ecgpipe.wfdb_records import read_record

TITLE = "MIT-BIH Normal Sinus Rhythm Database"
RELEASE = "1.0.0"
LICENCE = "ODC-By 1.0"
CITATION = (
    "Goldberger AL, Amaral LAN, Glass L, Hausdorff JM, Ivanov PCh, Mark RG, Mietus JE, Moody GB, "
    "Peng C-K, Stanley HE. PhysioBank, PhysioToolkit, and PhysioNet. Circulation "
    "101(23):e215-e220 (2000), doi:10.13026/C2NK5R"
)
PATIENTS = "the record"
URL = "https://physionet.org/files/nsrdb/1.0.0/"
MIRROR = "nsrdb/1.0.0"
SIZE = 18
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
    """Describe a record by its header and annotations."""
    path = Path(f"{name}.hea")
    age, sex = _ambulatory.age_and_sex(read_header(folder / path))
    marks, fs, seconds = _ambulatory.read_marks(folder / path)
    beats = _ambulatory.beats(marks, fs)
    first, last = beats.time.min(initial=seconds), beats.time.max(initial=0.0)
    unannotated = ((0.0, float(first)), (float(last), seconds))
    return Record(
        id=name,
        patient=name,
        path=path,
        age=age,
        sex=sex,
        beats=beats,
        unreadable=(*_ambulatory.unreadable(marks, fs, seconds), *unannotated),
    )
