"""CPSC 2018, the 3,453 recordings that its challenge did not use, of 8 to 98 s at 500 Hz.

72 diagnoses instead of nine classes. Whether a patient also gave recordings to CPSC 2018 is not
known. 68 groups of recordings are equal sample by sample.
"""

from pathlib import Path

from ecgpipe.datasets import _challenge
from ecgpipe.records import Record, Signal
from ecgpipe.wfdb_records import read_record

TITLE = "China Physiological Signal Challenge 2018, unused recordings"
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
SIZE = 3_453
FOLDS = None
FLAT = "every lead is flat, as users of the full release report"
EXCLUDED = {"Q0400": FLAT, "Q2961": FLAT}
SHARDS = 8
SOURCES = _challenge.SOURCES

PLACE = "training/cpsc_2018_extra"


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source."""
    return _challenge.files(PLACE, source, listing)


def records(folder: Path) -> list[Record]:
    """List the recordings whose headers are there."""
    return _challenge.records(folder, PLACE, EXCLUDED)


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read a recording."""
    return read_record(folder / record.path)
