"""Paper as electrocardiographs print it: 25 mm/s and 10 mm/mV in true size, a grid of 1 and 5 mm.

Twelve leads stand in three rows of four over a rhythm strip; other leads have a row each.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgpipe import records

ROWS = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
RHYTHM = "II"
SPEED, GAIN = 25, 10  # mm/s, mm/mV
LONGEST = 10  # seconds on one page
PULSE = ((0, 0), (1, 0), (1, GAIN), (6, GAIN), (6, 0), (7, 0))  # mm: 1 mV for 0.2 s
START = 10  # mm, where signals begin, after the pulse
PITCH, MARGIN = 30, 5  # mm from row to row; above the first and below the last
SCALE = f"{SPEED} mm/s, {GAIN} mm/mV; the pulse is 1 mV for 0.2 s"
FINE, COARSE = "#fae1e1", "#efb5b5"
MM = 25.4  # in an inch
# keeps a lead's name legible where a tall wave runs through it
PLATE = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8}


@dataclass(frozen=True)
class Piece:
    """One lead's part of a row, in millimetres on the paper."""

    lead: str
    samples: slice  # of the recording, that it shows
    base: float  # where 0 mV lies
    across: Float[np.ndarray, " time"]
    up: Float[np.ndarray, " time"]


@dataclass(frozen=True)
class Recording:
    """What is drawn on one sheet of paper: millivolts, each lead about its median."""

    signal: Float[np.ndarray, "lead time"]
    fs: int
    leads: tuple[str, ...]

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The leads of each row, from the top."""
        if {lead for row in ROWS for lead in row} <= set(self.leads):
            return (*ROWS, (RHYTHM,))
        return tuple((lead,) for lead in self.leads)

    @property
    def width(self) -> int:
        """The paper's width in millimetres, up to a coarse line of the grid."""
        return 5 * math.ceil((START + SPEED * self.signal.shape[1] / self.fs + 5) / 5)

    @property
    def height(self) -> int:
        """The paper's height in millimetres."""
        return PITCH * len(self.rows) + 2 * MARGIN


def read(shard: Path, row: int) -> Recording:
    """Read a row of a shard."""
    attributes = records.read_attributes(shard)
    fs = attributes["fs"]
    millivolts = records.read_signals(shard)[row, :, : LONGEST * fs] / 1000
    centred = millivolts - np.median(millivolts, axis=1, keepdims=True)
    return Recording(centred, fs, attributes["leads"])


def heading(held: pd.Series) -> str:
    """Name a record and its patient's age and sex."""
    age = "" if np.isnan(held["age"]) else f", {held['age']:.0f} years"
    sex = f", {held['sex']}" if held["sex"] else ""
    return f"{held['dataset']} {held['record']}{age}{sex}"


def axes(figure: Figure, *millimetres: int) -> Axes:
    """Place a panel by its left, bottom, width and height in millimetres."""
    page = MM * np.tile(figure.get_size_inches(), 2)
    return figure.add_axes(tuple(np.array(millimetres) / page))


def draw(panel: Axes, recording: Recording) -> None:
    """Draw the grid and the leads; one unit of the panel is one millimetre."""
    width, height = recording.width, recording.height
    for step, colour, thick in ((1, FINE, 0.25), (5, COARSE, 0.45)):
        look: dict[str, Any] = {"color": colour, "linewidth": thick, "zorder": 1}
        panel.vlines(np.arange(0, width + 1, step), 0, height, **look)
        panel.hlines(np.arange(0, height + 1, step), 0, width, **look)
    panel.set(xlim=(0, width), ylim=(0, height), xticks=[])
    panel.yaxis.set_visible(False)
    panel.spines[:].set_visible(False)
    for piece in pieces(recording):
        _lead(panel, piece)


def pieces(recording: Recording) -> Iterator[Piece]:
    """Lay out the leads, row by row."""
    time = recording.signal.shape[1]
    for place, names in enumerate(recording.rows):
        base = recording.height - MARGIN - PITCH * (place + 0.5)
        ends = np.linspace(0, time, len(names) + 1).round().astype(int)
        for name, first, last in zip(names, ends, ends[1:], strict=False):
            along = GAIN * recording.signal[recording.leads.index(name), first:last]
            along = _kept_in(along) if len(names) == 1 else along
            across = START + SPEED * np.arange(first, last) / recording.fs
            yield Piece(name, slice(first, last), base, across, base + along)


def _lead(panel: Axes, piece: Piece) -> None:
    """Draw one lead's part of a row, its name, and before the first of a row the pulse."""
    left, base = piece.across[0], piece.base
    if left == START:
        panel.plot(*(np.array(PULSE) + [2, base]).T, color="black", linewidth=0.7)
    top, said = base + PITCH / 2 - 3, piece.lead.replace("|", " or ")
    panel.text(left + 1, top, said, weight="bold", va="center", bbox=PLATE, zorder=3)
    panel.vlines(left, base - 3, base + 3, color="black", linewidth=0.5)
    panel.plot(piece.across, piece.up, color="black", linewidth=0.7, solid_joinstyle="round")


def _kept_in(along: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """Move a lead that has a row to itself no further than keeps it there."""
    lowest, highest = -PITCH / 2 - along.min(), PITCH / 2 - along.max()
    return along + (np.clip(0, lowest, highest) if lowest < highest else (lowest + highest) / 2)
