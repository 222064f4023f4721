"""Chapman-Shaoxing (Zheng et al. 2020), 10,247 recordings of 10 s at 500 Hz.

10,646 patients gave one recording each, of which the Challenge has 10,247; 13 pairs of them are
equal sample by sample. Ningbo's recordings go on with the same numbers and are a dataset of their
own. Nothing is left out.
"""

from pathlib import Path

from ecgpipe.datasets import _challenge
from ecgpipe.records import Record, Signal
from ecgpipe.wfdb_records import read_record

TITLE = "Chapman-Shaoxing 12-lead ECG database"
RELEASE = _challenge.RELEASE
LICENCE = _challenge.LICENCE
CITATION = (
    "Zheng J, Zhang J, Danioko S, Yao H, Guo H, Rakovski C. A 12-lead electrocardiogram database "
    "for arrhythmia research covering more than 10,000 patients. Sci Data 7:48 (2020), "
    "doi:10.1038/s41597-020-0386-x; "
    f"{_challenge.CITATION}"
)
PATIENTS = _challenge.PATIENTS
URL = _challenge.URL
MIRROR = _challenge.MIRROR
SIZE = 10_247
FOLDS = None
EXCLUDED: dict[str, str] = {}
SHARDS = 8
SOURCES = _challenge.SOURCES

PLACE = "training/chapman_shaoxing"


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source."""
    return _challenge.files(PLACE, source, listing)


def records(folder: Path) -> list[Record]:
    """List the recordings whose headers are there."""
    return _challenge.records(folder, PLACE, EXCLUDED)


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read a recording."""
    return read_record(folder / record.path)
