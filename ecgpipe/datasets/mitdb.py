"""MIT-BIH Arrhythmia Database, 48 half hours with two leads of 47 patients (Moody and Mark 2001).

Rhythms and every beat are annotated. The lead is chosen by its name, never by its place: 8 records
have another pair than II and V1, 114 has its two the other way round, and 102 and 104 have no II.
`[` and `]` enclose ventricular flutter, all of it in 207. The signal is left out where `~` says
that a signal is unreadable, and kept where it is merely noisy. The copies with the prefix
`x_mitdb/` are no part of this dataset. Paced are 102, 104, 107 and 217.

The publisher made no split. The one of the field (de Chazal et al. 2004: DS1 to train, DS2 to
test) has nothing to validate on, and the person of 201 in one half and, as 202, in the other.
"""

import re
from pathlib import Path

from ecgpipe.datasets import _ambulatory
from ecgpipe.records import Record, Signal
from ecgpipe.wfdb_headers import read_header
from ecgpipe.wfdb_records import read_record

TITLE = "MIT-BIH Arrhythmia Database"
RELEASE = "1.0.0"
LICENCE = "ODC-By 1.0"
CITATION = (
    "Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. IEEE Eng Med Biol "
    "20(3):45-50 (2001); PhysioNet: Goldberger AL et al. Circulation 101(23):e215-e220 (2000), "
    "doi:10.13026/C2F305"
)
PATIENTS = "the record, but 201 and 202 are one person"
URL = "https://physionet.org/files/mitdb/1.0.0/"
MIRROR = "mitdb/1.0.0"
SIZE = 48
FOLDS = None
EXCLUDED: dict[str, str] = {}
SHARDS = 8
SOURCES = ("metadata", "signals")

SAME = {"202": "201"}  # record: the patient it shares


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source."""
    return _ambulatory.files(source, [name for name in records if re.fullmatch(r"\d{3}", name)])


def records(folder: Path) -> list[Record]:
    """List the records."""
    here = (name for name in _ambulatory.names(folder) if re.fullmatch(r"\d{3}", name))
    return [_record(folder, name) for name in here]


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read both leads of a recording."""
    return read_record(folder / record.path)


def _record(folder: Path, name: str) -> Record:
    """Describe a record by its header and annotations."""
    path = Path(f"{name}.hea")
    age, sex = _ambulatory.age_and_sex(read_header(folder / path))
    return Record(
        id=name,
        patient=SAME.get(name, name),
        path=path,
        age=age,
        sex=sex,
        **_ambulatory.annotated(folder / path),
    )
