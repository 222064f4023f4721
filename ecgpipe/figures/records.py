"""Four records at random on paper at 25 mm/s and 10 mm/mV: what a dataset looks like.

A record cut into windows shows one of them. The choice depends on the records alone, not on how
they lie in shards.
"""

import math
import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecgpipe import records
from ecgpipe.figures import _paper, _style
from ecgpipe.render import Needs

NEEDS = ("records",)
SHOWN, SEED = 4, 0
NARROWEST, WIDEST = 90, 265  # mm: a sheet with its heading; all that stand side by side
HEAD, FOOT, EDGE = 9, 8, 4  # mm: a heading over each sheet, the scale below all, margins
LETTER = 2.1  # mm of width that a letter of a heading takes


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw the sheets one below the other; narrow ones stand two in a row."""
    chosen = choose(records.read_table(list(needs.shards)))
    if chosen.empty:
        return _style.said("there are no records")
    sheets = [
        _paper.read(needs.shards[shard], row)
        for shard, row in chosen[["shard", "row"]].itertuples(index=False)
    ]
    wide, high = max(sheets[0].width, NARROWEST) + EDGE, sheets[0].height + HEAD
    columns = max(1, WIDEST // wide)
    page = EDGE + columns * wide, FOOT + math.ceil(len(sheets) / columns) * high
    figure = _style.Sheet(figsize=(page[0] / _paper.MM, page[1] / _paper.MM))
    for place, (sheet, (_, held)) in enumerate(zip(sheets, chosen.iterrows(), strict=True)):
        down, across = divmod(place, columns)
        corner = EDGE + across * wide, page[1] - (down + 1) * high
        panel = _paper.axes(figure, *corner, sheet.width, sheet.height)
        _paper.draw(panel, sheet)
        panel.set_title(textwrap.shorten(_heading(held), round(wide / LETTER), placeholder=" …"))
    panel.set_xlabel(_paper.SCALE, loc="left")
    return figure


def choose(table: pd.DataFrame) -> pd.DataFrame:
    """Choose records, and one row of each."""
    rng = np.random.default_rng(SEED)
    of_record = dict(tuple(table.sort_values(["record", "start"]).groupby("record")))
    names = rng.choice(sorted(of_record), min(SHOWN, len(of_record)), replace=False)
    rows = [of_record[name].iloc[[rng.integers(len(of_record[name]))]] for name in names]
    return pd.concat(rows) if rows else table


def _heading(held: pd.Series) -> str:
    """Name a record, where in the recording its window starts, and its labels."""
    minutes, seconds = divmod(round(held["start"]), 60)
    start = f", at {minutes}:{seconds:02d} min" if held["start"] else ""
    rhythms = [f"{code} {100 * share:.0f} %" for code, share in held["rhythms"].items()]
    beats = [f"{count} × {symbol}" for symbol, count in held["beats"].items()]
    labels = ", ".join([*held["statements"], *rhythms, *beats])
    return f"{_paper.heading(held)}{start}" + (f": {labels}" if labels else "")
