"""St Petersburg INCART Arrhythmia Database (Tihonenko et al. 2008), 74 half hours at 257 Hz.

The original has 75 recordings, cut from Holter recordings of 32 people; the Challenge renamed them
and lost the patients, the beats and I36. Recordings that tell the same age and sex are taken for
one patient's: groups too large, but no leak between parts. A diagnosis is told of a half hour,
which need not show it in every window. I0002 and I0069 have missing samples, as users of the
release report: a preparation with windows and `missing_samples: leave_out` keeps the rest of them.
"""

from pathlib import Path

from ecgpipe.datasets import _challenge
from ecgpipe.records import Record, Signal
from ecgpipe.wfdb_records import read_record

TITLE = "St Petersburg INCART 12-lead Arrhythmia Database"
RELEASE = _challenge.RELEASE
LICENCE = _challenge.LICENCE
CITATION = (
    "Tihonenko V, Khaustov A, Ivanov S, Rivin A, Yakushenko E. St Petersburg INCART 12-lead "
    "Arrhythmia Database. PhysioNet (2008), doi:10.13026/C2V88N; "
    f"{_challenge.CITATION}"
)
PATIENTS = "none ship: recordings of one age and sex may be of one person, and share a patient"
URL = _challenge.URL
MIRROR = _challenge.MIRROR
SIZE = 74
FOLDS = None
EXCLUDED: dict[str, str] = {}
SHARDS = 4
SOURCES = _challenge.SOURCES

PLACE = "training/st_petersburg_incart"


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source."""
    return _challenge.files(PLACE, source, listing)


def records(folder: Path) -> list[Record]:
    """List the recordings whose headers are there."""
    return _challenge.by_age_and_sex(_challenge.records(folder, PLACE, EXCLUDED))


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read a recording."""
    return read_record(folder / record.path)
