"""Georgia 12-lead database (Emory University), 10,344 recordings of 5 to 10 s at 500 Hz.

Published by the Challenge alone. 92 groups of recordings are equal sample by sample (E07509 and
E07510, for one); they count as one patient's and all stay. 14 headers that the Challenge never
rewrote carry `.mat` in the record's name, and some of those the gain it has withdrawn.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ecgpipe.datasets import _challenge
from ecgpipe.records import Record, Signal
from ecgpipe.wfdb_records import read_header, read_record

TITLE = "Georgia 12-Lead ECG Challenge Database"
RELEASE = _challenge.RELEASE
LICENCE = _challenge.LICENCE
CITATION = _challenge.CITATION
PATIENTS = _challenge.PATIENTS
URL = _challenge.URL
MIRROR = _challenge.MIRROR
SIZE = 10_344
FOLDS = None
SPIKED = "E04603 E06072 E06909 E07675 E07941 E08321"
EXCLUDED = dict.fromkeys(SPIKED.split(), _challenge.MISSING)
SHARDS = 8
SOURCES = _challenge.SOURCES

PLACE = "training/georgia"
WITHDRAWN, RIGHT = 4880.0, 1000.0  # steps per millivolt


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source."""
    return _challenge.files(PLACE, source, listing)


def records(folder: Path) -> list[Record]:
    """List the recordings whose headers are there."""
    return _challenge.records(folder, PLACE, EXCLUDED)


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read a recording; its steps are microvolts, also where the header says 4880 a millivolt.

    Samples are multiples of 2.44 microvolts, cut to whole ones, under both gains; the Challenge
    told 4880 of all of them at first, and 1000 since August 2020.
    """
    signal = read_record(folder / record.path)
    gains = {channel.gain for channel in read_header(folder / record.path).channels}
    if gains != {WITHDRAWN}:
        return signal
    return replace(signal, millivolts=signal.millivolts * np.float32(WITHDRAWN / RIGHT))
