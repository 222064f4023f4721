"""How well waves are delineated, against boundaries that were marked by hand.

An onset, peak or offset is found if one of the same kind of wave lies within 150 ms in the same
lead (ANSI/AAMI EC57), each the nearest of the other. What was found before the first or after the
last marked wave of a lead counts neither way: there, nobody marked anything.
"""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Int8, Int32

from ecgpipe.records import WAVES
from ecgpipe.regions import REGIONS, UNKNOWN, of_each_lead

MARKS = ("onset", "peak", "offset")  # in the order of a wave's columns
NEAR = 0.15  # seconds
APART = 1 << 20  # samples between the leads where all are laid end to end; a lead has fewer


def errors(
    marked: Int32[np.ndarray, "marked 6"],
    found: Int32[np.ndarray, "found 6"],
    leads: int,
    fs: float,
) -> pd.DataFrame:
    """Compare waves as `records.read_waves` gives them: a line a kind of wave and mark.

    Columns: wave, mark, marked and found (counts), sensitivity, precision (positive predictive
    value), mean and sd in milliseconds (found minus marked, over what was matched).
    """
    marked, found = of_each_lead(marked, leads), of_each_lead(found, leads)
    found = found[_where_marked(marked, found, leads)]
    lines = []
    for kind, wave in enumerate(WAVES):
        true, said = marked[marked[:, 1] == kind], found[found[:, 1] == kind]
        for column, mark in enumerate(MARKS, start=3):
            off = _matched(_laid_out(true, column, leads), _laid_out(said, column, leads), fs)
            lines.append(
                {
                    "wave": wave,
                    "mark": mark,
                    "marked": len(true),
                    "found": len(said),
                    "sensitivity": _share(len(off), len(true)),
                    "precision": _share(len(off), len(said)),
                    "mean": off.mean() if len(off) else np.nan,
                    "sd": off.std(ddof=1) if len(off) > 1 else np.nan,
                }
            )
    return pd.DataFrame(lines)


def agreement(
    marked: Int8[np.ndarray, "record lead time"], found: Int8[np.ndarray, "record lead time"]
) -> pd.DataFrame:
    """Compare the regions of all samples that both name: a line a region.

    Columns: region, share (of all samples that marks name), sensitivity and precision (of samples),
    and unnamed: the share of the region's samples for which the found waves name no region.
    """
    named, both = marked != UNKNOWN, (marked != UNKNOWN) & (found != UNKNOWN)
    lines = []
    for place, region in enumerate(REGIONS):
        true, said = marked == place, found == place
        shared = (true & said).sum()
        lines.append(
            {
                "region": region,
                "share": _share(true.sum(), named.sum()),
                "sensitivity": _share(shared, (true & both).sum()),
                "precision": _share(shared, (said & both).sum()),
                "unnamed": _share((true & ~both).sum(), true.sum()),
            }
        )
    return pd.DataFrame(lines)


def _share(part: int | np.integer, whole: int | np.integer) -> float:
    """Divide; NaN of nothing."""
    return float(part / whole) if whole else np.nan


def _where_marked(
    marked: Int32[np.ndarray, "marked 6"], found: Int32[np.ndarray, "found 6"], leads: int
) -> Bool[np.ndarray, " found"]:
    """Say which found peaks lie between the first and the last marked wave of their lead."""
    lanes = 1 + max(waves[:, 0].max(initial=0) for waves in (marked, found)) * leads + leads
    first, last = np.full(lanes, APART), np.full(lanes, -1)
    lane = marked[:, 0] * leads + marked[:, 2]
    np.minimum.at(first, lane, marked[:, 3])
    np.maximum.at(last, lane, marked[:, 5])
    lane = found[:, 0] * leads + found[:, 2]
    return (found[:, 4] >= first[lane]) & (found[:, 4] <= last[lane])


def _laid_out(
    waves: Int32[np.ndarray, "wave 6"], column: int, leads: int
) -> Int[np.ndarray, " wave"]:
    """Lay a mark of all leads end to end, far enough apart, in order."""
    lane = waves[:, 0].astype(np.int64) * leads + waves[:, 2]
    return np.sort(lane * APART + waves[:, column])


def _matched(
    true: Int[np.ndarray, " true"], said: Int[np.ndarray, " said"], fs: float
) -> Float[np.ndarray, " matched"]:
    """Give the errors, in milliseconds, of pairs that are the nearest of each other."""
    if not len(true) or not len(said):
        return np.empty(0)
    there, back = _nearest(true, said), _nearest(said, true)
    mutual = back[there] == np.arange(len(true))
    off = (said[there] - true)[mutual]
    return 1000 / fs * off[np.abs(off) <= NEAR * fs]


def _nearest(
    of: Int[np.ndarray, " of"], among: Int[np.ndarray, " among"]
) -> Int[np.ndarray, " of"]:
    """Find the nearest sorted time to each."""
    after = np.searchsorted(among, of).clip(1, len(among) - 1) if len(among) > 1 else 0 * of
    before = np.maximum(after - 1, 0)
    return np.where(of - among[before] <= among[after] - of, before, after)
