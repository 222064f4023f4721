"""Creighton University Ventricular Tachyarrhythmia Database, 35 recordings (Nolle et al. 1986).

Eight and a half minutes of one lead, each of a patient who fibrillates. `[` and `]` enclose
ventricular fibrillation, here `(VF`; one that is never closed lasts to the end of the recording.
Its onset is hard to place, tachycardia before it is mostly not marked, and what is outside is "not
fibrillation", which is not "normal": it has no rhythm here unless the annotators named one. The 15
seconds before an onset are `(ONSET`, so that a task can leave them out: of cu10 they hold 11 of
tachycardia. Beats are marked without their type: all are `Q`, unclassifiable.

Samples are missing (NaN), many where the signal leaves the range of the converter; windows are cut
between them. Noise (`~`) is left out. Where copies of this database have lost which marks begin
noise and which end it, it is what lies between two marks that are at most half a minute apart.

The publisher made no split.
"""

from pathlib import Path

import numpy as np

from ecgpipe.annotations import Beats, Span
from ecgpipe.datasets import _ambulatory
from ecgpipe.records import Record, Signal
from ecgpipe.wfdb_annotations import Annotations
from ecgpipe.wfdb_records import read_record

TITLE = "CU Ventricular Tachyarrhythmia Database"
RELEASE = "1.0.0"
LICENCE = "ODC-By 1.0"
CITATION = (
    "Nolle FM, Badura FK, Catlett JM, Bowser RW, Sketch MH. CREI-GARD, a new concept in "
    "computerized arrhythmia monitoring systems. Computers in Cardiology 13:515-518 (1986); "
    "PhysioNet: Goldberger AL et al. Circulation 101(23):e215-e220 (2000), doi:10.13026/C2X59M"
)
PATIENTS = "the record"
URL = "https://physionet.org/files/cudb/1.0.0/"
MIRROR = "cudb/1.0.0"
SIZE = 35
FOLDS = None
UNMARKED = "no fibrillation is marked in this recording of a patient chosen for it"
EXCLUDED = {"cu02": UNMARKED, "cu14": UNMARKED}  # nothing in them can be called free of it
SHARDS = 4
SOURCES = ("metadata", "signals")

FIBRILLATION = "(VF"
LEAD_IN, BEFORE = "(ONSET", 15.0  # seconds before a fibrillation
LONGEST = 30.0  # seconds of noise, where its two ends look alike


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source."""
    return _ambulatory.files(source, [name for name in records if name not in EXCLUDED])


def records(folder: Path) -> list[Record]:
    """List the records."""
    here = (name for name in _ambulatory.names(folder) if name not in EXCLUDED)
    return [_record(folder, name) for name in here]


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read the one lead of a recording."""
    return read_record(folder / record.path)


def _record(folder: Path, name: str) -> Record:
    """Describe a record by its annotations."""
    path = Path(f"{name}.hea")
    marks, fs, seconds = _ambulatory.read_marks(folder / path)
    time = _ambulatory.beats(marks, fs).time
    spans = _ambulatory.rhythms(marks, fs, seconds, FIBRILLATION)
    return Record(
        id=name,
        patient=name,
        path=path,
        spans=tuple(sorted([*spans, *lead_ins(spans)], key=lambda span: span.onset)),
        beats=Beats(time, np.full(len(time), "Q")),
        unreadable=tuple(_noise(marks, fs, seconds)),
    )


def lead_ins(spans: tuple[Span, ...]) -> list[Span]:
    """Find what leads into each fibrillation, from the end of the one before at the earliest."""
    found, free = [], 0.0
    for span in spans:
        if span.code == FIBRILLATION:
            begin = max(span.onset - BEFORE, free)
            found += [Span(LEAD_IN, begin, span.onset)] if begin < span.onset else []
            free = span.offset
    return found


def _noise(marks: Annotations, fs: float, seconds: float) -> list[tuple[float, float]]:
    """Find the noise between marks of quality."""
    quality = marks.symbol == "~"
    time, told = marks.sample[quality] / fs, marks.subtype[quality] != 0
    close = np.diff(time, append=seconds) <= LONGEST
    return _ambulatory.lasting(time, told if told.any() else close, seconds)
