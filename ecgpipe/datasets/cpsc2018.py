"""China Physiological Signal Challenge 2018, 6,877 recordings of 6 to 144 s at 500 Hz.

The length goes with the diagnosis: a model that sees it has seen part of the answer. Headers hold
SNOMED CT codes or, in some copies of the release, the names of the nine classes (`Normal`, `AF`,
`I-AVB`, `LBBB`, `RBBB`, `PAC`, `PVC`, `STD`, `STE`); the vocabulary knows both. 250 groups of
recordings are equal sample by sample. Nothing is left out.
"""

from pathlib import Path

from ecgpipe.datasets import _challenge
from ecgpipe.records import Record, Signal
from ecgpipe.wfdb_records import read_record

TITLE = "China Physiological Signal Challenge 2018"
RELEASE = _challenge.RELEASE
LICENCE = _challenge.LICENCE
CITATION = (
    "Liu F, Liu C, Zhao L, Zhang X, Wu X, Xu X, et al. An open access database for evaluating the "
    "algorithms of electrocardiogram rhythm and morphology abnormality detection. J Med Imaging "
    "Health Inform 8:1368-1373 (2018), doi:10.1166/jmihi.2018.2442; "
    f"{_challenge.CITATION}"
)
PATIENTS = _challenge.PATIENTS
URL = _challenge.URL
MIRROR = _challenge.MIRROR
SIZE = 6_877
FOLDS = None
EXCLUDED: dict[str, str] = {}
SHARDS = 8
SOURCES = _challenge.SOURCES

PLACE = "training/cpsc_2018"


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source."""
    return _challenge.files(PLACE, source, listing)


def records(folder: Path) -> list[Record]:
    """List the recordings whose headers are there."""
    return _challenge.records(folder, PLACE, EXCLUDED)


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read a recording."""
    return read_record(folder / record.path)
