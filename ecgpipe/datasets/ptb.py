"""PTB Diagnostic ECG Database (Bousseljot et al. 1995), 516 recordings of 32 to 120 s at 1000 Hz.

The original has 549 recordings of 290 people, several of some; the Challenge renamed them and lost
the patients, and the leads of Frank. Who is the same person is not known, so that recordings that
tell the same age and sex are taken for one patient's: groups too large, but no leak between parts
unless a person came back at another age. Nothing is left out.
"""

from pathlib import Path

from ecgpipe.datasets import _challenge
from ecgpipe.records import Record, Signal
from ecgpipe.wfdb_records import read_record

TITLE = "PTB Diagnostic ECG Database"
RELEASE = _challenge.RELEASE
LICENCE = _challenge.LICENCE
CITATION = (
    "Bousseljot R, Kreiseler D, Schnabel A. Nutzung der EKG-Signaldatenbank CARDIODAT der PTB über "
    "das Internet. Biomed Tech 40(s1):317-318 (1995), doi:10.1515/bmte.1995.40.s1.317; "
    f"{_challenge.CITATION}"
)
PATIENTS = "none ship: recordings of one age and sex may be of one person, and share a patient"
URL = _challenge.URL
MIRROR = _challenge.MIRROR
SIZE = 516
FOLDS = None
EXCLUDED: dict[str, str] = {}
SHARDS = 4
SOURCES = _challenge.SOURCES

PLACE = "training/ptb"


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source."""
    return _challenge.files(PLACE, source, listing)


def records(folder: Path) -> list[Record]:
    """List the recordings whose headers are there."""
    return _challenge.by_age_and_sex(_challenge.records(folder, PLACE, EXCLUDED))


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read a recording."""
    return read_record(folder / record.path)
