"""Ningbo First Hospital (Zheng et al. 2020), 34,905 recordings of 10 s at 500 Hz.

40,258 patients gave one recording each, of which the Challenge has 34,905. Where chest leads are
flat (three to six of them in JS11438, JS20004, JS20008, JS45542, JS45544, JS45551) the recording
stays and preprocess counts it: its other leads are sound, electrodes do come off, and there are
surely more such recordings than these.
"""

from pathlib import Path

from ecgpipe.datasets import _challenge
from ecgpipe.records import Record, Signal
from ecgpipe.wfdb_records import read_record

TITLE = "Ningbo First Hospital 12-lead ECG database"
RELEASE = _challenge.RELEASE
LICENCE = _challenge.LICENCE
CITATION = (
    "Zheng J, Chu H, Struppa D, Zhang J, Yacoub SM, El-Askary H, et al. Optimal multi-stage "
    "arrhythmia classification approach. Sci Rep 10:2898 (2020), doi:10.1038/s41598-020-59821-7; "
    f"{_challenge.CITATION}"
)
PATIENTS = _challenge.PATIENTS
URL = _challenge.URL
MIRROR = _challenge.MIRROR
SIZE = 34_905
FOLDS = None
SPIKED = (
    "JS10765 JS10767 JS10890 JS10951 JS11887 JS11897 JS11956 JS12751 JS13181 JS14161 JS14343 "
    "JS14627 JS14659 JS15624 JS16169 JS16222 JS16813 JS19309 JS19708 JS20330 JS20656 JS21144 "
    "JS21617 JS21668 JS21701 JS21853 JS21881 JS23116 JS23450 JS23482 JS23588 JS23786 JS23950 "
    "JS24016 JS25106 JS25322 JS25458 JS26009 JS26130 JS26145 JS26245 JS26605 JS26793 JS26843 "
    "JS26977 JS27034 JS27170 JS27271 JS27278 JS27407 JS27460 JS27835 JS27985 JS28075 JS28648 "
    "JS28757 JS33280 JS34479 JS34509 JS34788 JS34868 JS34879 JS35050 JS35065 JS35192 JS35654 "
    "JS35727 JS36015 JS36018 JS36189 JS36244 JS36568 JS36731 JS37105 JS37173 JS37176 JS37439 "
    "JS37592 JS37609 JS37781 JS38231 JS38252 JS41844 JS41908 JS41935 JS42026 JS42330"
)
EXCLUDED = dict.fromkeys(SPIKED.split(), _challenge.MISSING)
SHARDS = 8
SOURCES = _challenge.SOURCES

PLACE = "training/ningbo"


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source."""
    return _challenge.files(PLACE, source, listing)


def records(folder: Path) -> list[Record]:
    """List the recordings whose headers are there."""
    return _challenge.records(folder, PLACE, EXCLUDED)


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read a recording."""
    return read_record(folder / record.path)
