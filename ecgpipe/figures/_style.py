"""How every figure looks: sizes, type, colours, markers; and saving to the same bytes."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ecgpipe.render import Needs, arm_labels

SINGLE, DOUBLE = 3.4, 7.0  # inches: one column, two columns
GREY, FAINT = "#666666", "#d9d9d9"

# Okabe and Ito 2008; yellow, hardly seen on white, is left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
WIDEST = 0.06  # of an axis: room for points that are set apart
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)))

RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same everywhere
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "pdf.fonttype": 42,  # embedded as TrueType: text stays text
    "svg.hashsalt": "ecgpipe",
}


class Sheet(Figure):
    """A figure that is saved without dates, so that the same numbers give the same bytes."""

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save in the style it was drawn in; `format`, or the name's suffix, says in which form."""
        kind = options.get("format") or Path(fname).suffix[1:]
        dates = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
        with _rc():
            super().savefig(fname, dpi=300, metadata=dates.get(kind), **options)


def styled(draw: Callable[[Needs], Figure]) -> Callable[[Needs], Figure]:
    """Draw in this project's style, whatever the reader's own matplotlibrc says."""

    @wraps(draw)
    def inner(needs: Needs) -> Figure:
        with _rc():
            made = draw(needs)
            made.draw_without_rendering()
            made.set_layout_engine("none")  # laid out once: a second time would move panels
            return made

    return inner


@contextmanager
def _rc() -> Iterator[None]:
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(RC)
        yield


def grid(
    rows: int, columns: int, height: float, width: float = DOUBLE, **shared: Any
) -> tuple[Sheet, np.ndarray]:
    """Start a figure of panels, each `height` inches high."""
    made = Sheet(figsize=(width, rows * height), layout="constrained")
    return made, made.subplots(rows, columns, squeeze=False, **shared)


def looks(needs: Needs, shown: Iterable[str] | None = None) -> dict[str, dict]:
    """Give every arm of the study its label, colour, marker and dash; only those `shown`, if told.

    An arm looks the same whichever others are shown.
    """
    every = {
        arm: {
            "label": label,
            "color": COLOURS[index % len(COLOURS)],
            "marker": MARKERS[(index + index // len(COLOURS)) % len(MARKERS)],
            "linestyle": DASHES[index // len(COLOURS) % len(DASHES)],
        }
        for index, (arm, label) in enumerate(arm_labels(needs.study).items())
    }
    arms = set(every if shown is None else shown)
    return {arm: look for arm, look in every.items() if arm in arms}


def line(look: dict) -> dict:
    """Take what a line without markers looks like."""
    return {key: value for key, value in look.items() if key != "marker"}


def minus(number: str) -> str:
    """Write a number with the sign that print has, not a hyphen."""
    return number.replace("-", "\N{MINUS SIGN}")


def dot(look: dict) -> dict:
    """Take what a single point with its interval looks like."""
    marked = {key: value for key, value in look.items() if key != "linestyle"}
    return {**marked, "linestyle": "none", "elinewidth": 0.8}


def bars(means: pd.DataFrame) -> np.ndarray:
    """Give the lengths of the intervals below and above means, as `errorbar` takes them."""
    mean, low, high = (means[name].to_numpy(float) for name in ("mean", "low", "high"))
    return np.array([mean - low, high - mean])


def spread(along: pd.Series, near: float) -> pd.Series:
    """Set points of an axis apart that would hide each other: those of one bin `near` wide.

    Places are shares of the axis; many points at one place take no more than `WIDEST` of it.
    """
    bins = along.groupby((along / near).round())
    size = bins.transform("size")
    beside = bins.rank(method="first") - (size + 1) / 2
    return bins.transform("mean") + (WIDEST / size).clip(upper=near) * beside


def legend(made: Figure, shown: Iterable[dict], markers: bool = True) -> None:
    """Put one legend of arms under the panels, in as many columns as fit; the page grows for it."""
    shown = list(shown)
    handles = [Line2D([], [], **(look if markers else line(look))) for look in shown]
    longest = max(len(look["label"]) for look in shown)
    fitting = max(1, math.floor(made.get_figwidth() / (0.45 + 0.062 * longest)))
    rows = math.ceil(len(shown) / fitting)
    made.set_figheight(made.get_figheight() + 0.1 + 0.15 * rows)
    made.legend(handles=handles, loc="outside lower center", ncols=math.ceil(len(shown) / rows))


def said(text: str) -> Sheet:
    """Say in place of a figure why it cannot be drawn."""
    made = Sheet(figsize=(SINGLE, 1.0), layout="constrained")
    panel = made.subplots()
    panel.set_axis_off()
    panel.text(0.5, 0.5, text, ha="center", va="center", color=GREY, transform=panel.transAxes)
    return made


def ruled(panel: Axes, axis: Literal["x", "y"] = "y") -> None:
    """Rule faint lines at an axis's ticks, behind what is drawn."""
    panel.grid(axis=axis, color=FAINT, linewidth=0.4)
    panel.set_axisbelow(True)


def dodge(count: int, width: float) -> np.ndarray:
    """Offsets that set `count` bars beside each other within a width."""
    return (np.arange(count) - (count - 1) / 2) * width / max(count, 1)
