"""MIT-BIH Malignant Ventricular Ectopy Database, 22 recordings of 35 minutes (Greenwald 1986).

Only rhythms are annotated, no beats: stretches marked `(N` hold ventricular beats, and the mark of
an onset can be seconds late. Ventricular fibrillation is `(VF` or `(VFIB`, sinus rhythm `(N` or
`(NSR`. During `(NOISE` the rhythm before it goes on; the signal there is left out.

Both leads are called ECG and nothing tells which they are; the second is read as ECG2. Its records
are patients of their own as far as the publisher says. He made no split.
"""

from dataclasses import replace
from pathlib import Path

from ecgpipe.datasets import _ambulatory
from ecgpipe.records import Record, Signal
from ecgpipe.wfdb_records import read_record

TITLE = "MIT-BIH Malignant Ventricular Ectopy Database"
RELEASE = "1.0.0"
LICENCE = "ODC-By 1.0"
CITATION = (
    "Greenwald SD. The development and analysis of a ventricular fibrillation detector. MSc "
    "thesis, MIT (1986); PhysioNet: Goldberger AL et al. Circulation 101(23):e215-e220 (2000), "
    "doi:10.13026/C22P44"
)
PATIENTS = "the record"
URL = "https://physionet.org/files/vfdb/1.0.0/"
MIRROR = "vfdb/1.0.0"
SIZE = 22
FOLDS = None
EXCLUDED: dict[str, str] = {}
SHARDS = 4
SOURCES = ("metadata", "signals")

LEADS = ("ECG", "ECG2")


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source."""
    return _ambulatory.files(source, records)


def records(folder: Path) -> list[Record]:
    """List the records."""
    return [_record(folder, name) for name in _ambulatory.names(folder)]


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read both leads of a recording, the second as ECG2."""
    return replace(read_record(folder / record.path), leads=LEADS)


def _record(folder: Path, name: str) -> Record:
    """Describe a record by its annotations."""
    path = Path(f"{name}.hea")
    return Record(id=name, patient=name, path=path, **_ambulatory.annotated(folder / path))
