"""Long recordings as PhysioNet annotates them: rhythms, beats and signal quality, mark by mark.

What a mark means is said at https://wfdb.io/wfdb/annot-5.html: `+` begins the rhythm that its text
names, `[` and `]` enclose flutter or fibrillation of the ventricles, `~` changes the signal
quality, and the symbols of BEATS are beats. Every other mark (`|` an artefact that looks like a
beat, `x` a P wave that no beat follows, a comment) says nothing of what is read here.
"""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from ecgpipe.annotations import Beats, Span
from ecgpipe.wfdb_annotations import Annotations, read_annotations
from ecgpipe.wfdb_headers import Header, read_header

BEATS = "NLRBAaJSVrFejnE/fQ?!"  # `!` is a wave of ventricular flutter
FLUTTER = "(VFL"  # of the ventricles
NOISE = "(NOISE"  # stands where a rhythm is named; the rhythm before it goes on
UNREADABLE = 0xF0  # bits of a signal quality, one for each signal; -1 has them all
SUFFIXES = {"metadata": (".hea", ".atr"), "signals": (".dat",)}
AGE_AND_SEX = re.compile(r"(-?\d{1,3}) ([FM])\b")  # how a header's first comment begins
SEX = {"F": "female", "M": "male"}


def files(source: str, names: list[str]) -> list[str]:
    """Pick the files of a source: headers and annotations, or signals."""
    listed = ["RECORDS"] if source == "metadata" else []
    return listed + [name + suffix for name in names for suffix in SUFFIXES[source]]


def names(folder: Path) -> list[str]:
    """Name the recordings that are there, sorted."""
    return sorted((folder / "RECORDS").read_text().split())


def annotated(header: Path) -> dict[str, Any]:
    """Read what is annotated of a recording, as the `spans`, `beats`, `unreadable` of a Record.

    Raises ValueError where the header does not tell how long the recording is, or where it or the
    annotations cannot be read.
    """
    marks, fs, seconds = read_marks(header)
    return {
        "spans": rhythms(marks, fs, seconds, FLUTTER),
        "beats": beats(marks, fs),
        "unreadable": unreadable(marks, fs, seconds),
    }


def read_marks(header: Path) -> tuple[Annotations, float, float]:
    """Read the annotations beside a header, its sampling frequency (Hz) and its length (s)."""
    told = read_header(header)
    if told.samples is None:
        raise ValueError(f"{header}: no number of samples; it says where the last rhythm ends")
    marks = read_annotations(header.with_suffix(".atr"), told.samples)
    if marks.fs not in (None, told.fs):
        raise ValueError(f"{header}: {told.fs} Hz, but its annotations count at {marks.fs} Hz")
    return marks, told.fs, told.samples / told.fs


def rhythms(marks: Annotations, fs: float, seconds: float, enclosed: str) -> tuple[Span, ...]:
    """Find the spans of rhythm: each lasts until the next mark, the last to the end.

    `enclosed` is the code of what `[` and `]` enclose. What comes after `]`, or after a mark
    without a text, is unknown until the next one.
    """
    told = np.isin(marks.symbol, ["+", "[", "]"])
    changes: list[tuple[float, str | None]] = [(0.0, None)]
    for sample, symbol, aux in zip(
        marks.sample[told].tolist(), marks.symbol[told], marks.aux[told], strict=True
    ):
        code = changes[-1][1]
        after = _rhythm_after(str(symbol), aux.strip(), code, enclosed)
        if after != code:
            changes.append((sample / fs, after))
    return tuple(
        Span(code, onset, offset)
        for (onset, code), (offset, _) in pairwise([*changes, (seconds, None)])
        if code is not None and offset > onset
    )


def beats(marks: Annotations, fs: float) -> Beats:
    """Pick the beats."""
    held = np.isin(marks.symbol, list(BEATS))
    return Beats(marks.sample[held] / fs, marks.symbol[held])


def unreadable(marks: Annotations, fs: float, seconds: float) -> tuple[tuple[float, float], ...]:
    """Find what nobody could read: `(NOISE`, and `~` of a quality that says so of any signal.

    A noisy signal (the lower bits of a quality) can be read.
    """
    rhythm, quality = marks.symbol == "+", marks.symbol == "~"
    noise = marks.aux[rhythm] == NOISE
    lost = (marks.subtype[quality] & UNREADABLE) != 0
    found = lasting(marks.sample[rhythm] / fs, noise, seconds)
    return tuple(sorted(found + lasting(marks.sample[quality] / fs, lost, seconds)))


def lasting(
    time: Float[np.ndarray, " mark"], chosen: Bool[np.ndarray, " mark"], seconds: float
) -> list[tuple[float, float]]:
    """Give the stretches from each chosen mark to the next mark, the last one to the end."""
    until = np.append(time[1:], seconds)
    return [
        (float(onset), float(offset))
        for onset, offset in zip(time[chosen], until[chosen], strict=True)
        if offset > onset
    ]


def age_and_sex(header: Header) -> tuple[float | None, str | None]:
    """Read `69 M ...` of a header's first comment; an age of -1 is unknown."""
    match = AGE_AND_SEX.match(header.comments[0]) if header.comments else None
    if match is None:
        return None, None
    return (float(match[1]) if int(match[1]) >= 0 else None), SEX[match[2]]


def _rhythm_after(symbol: str, aux: str, code: str | None, enclosed: str) -> str | None:
    """Say which rhythm a mark leaves; None is unknown."""
    if symbol == "[":
        return enclosed
    if symbol == "]":
        return None if code == enclosed else code
    return code if aux == NOISE else aux or None
