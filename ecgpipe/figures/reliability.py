"""Reliability diagram: how often a label is there when a model says it is so probable."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgpipe import predictions
from ecgpipe.figures import _style
from ecgpipe.render import Needs, largest_budget_runs, place_labels

NEEDS = ("predictions",)
EDGES = np.linspace(0, 1, 11)
WIDEST = 5  # panels side by side
LEAST = 10  # pairs of record and label in a bin, below which a share says nothing


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw a panel an arm, task by task, at the largest budget; seeds thin, their mean thick."""
    rows = list(_rows(needs))
    columns = max(len(own) for _, own in rows)
    width = min(_style.DOUBLE, 1.0 + 1.5 * columns)
    figure, panels = _style.grid(
        2 * len(rows),
        columns,
        height=((width - 0.6) / columns + 0.9) / 2,
        width=width,
        height_ratios=[3, 1] * len(rows),
        sharex=True,
        sharey="row",
    )
    for (name, own), shares, counts in zip(rows, panels[::2], panels[1::2], strict=True):
        shares[0].set_ylabel(f"{name}\nshare present")
        counts[0].set_ylabel("pairs")
        for place, (look, paths) in enumerate(own):
            _panel(shares[place], counts[place], paths, look["color"])
            shares[place].set_title(look["label"].replace(" + ", "\n+ "), fontsize=7)
        for panel in (*shares[len(own) :], *counts[len(own) :]):
            panel.set_visible(False)
    figure.align_ylabels()
    return figure


def _rows(needs: Needs) -> Iterator[tuple[str, list[tuple[dict, list[Path]]]]]:
    """Give each task's name and arms, so many at a time: how one looks, and what its seeds said."""
    looks, names = _style.looks(needs), place_labels(needs.study)
    for place, runs in largest_budget_runs(needs.predictions).items():
        paths = {arm: [path for run, path in runs if run.arm == arm] for arm in looks}
        own = [(looks[arm], seeds) for arm, seeds in paths.items() if seeds]
        for first in range(0, len(own), WIDEST):
            yield names[place], own[first : first + WIDEST]


def _panel(shares: Axes, counts: Axes, paths: list[Path], colour: str) -> None:
    """Draw shares above, and below how many pairs of record and label they stand on."""
    shares.plot([0, 1], [0, 1], color=_style.GREY, linewidth=0.6, linestyle=(0, (3, 2)))
    shares.set(xlim=(0, 1), ylim=(-0.03, 1.03), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    shares.set_xticklabels(["0", "0.5", "1"])
    shares.set_yticklabels(["0", "0.5", "1"])
    counts.set_xlabel("probability")
    counts.tick_params(labelbottom=True)
    counts.set_yscale("log")
    counts.yaxis.set_major_formatter("{x:g}")
    test = [predictions.read(path).of("test") for path in paths]
    binned = np.array([bin_pairs(each.target, each.probability) for each in test])
    for said, present, _ in binned:
        shares.plot(said, present, color=colour, linewidth=0.4, alpha=0.6)
    said, present, number = binned.mean(axis=0)
    shares.plot(said, present, color=colour, marker="o", markersize=2.5)
    counts.bar(EDGES[:-1], number, width=np.diff(EDGES), align="edge", color=colour, alpha=0.6)
    counts.set_ylim(bottom=1)


def bin_pairs(
    target: Bool[np.ndarray, "record label"], probability: Float[np.ndarray, "record label"]
) -> Float[np.ndarray, "3 bin"]:
    """Give each bin's mean probability, share present and count; NaN where pairs are few."""
    place = np.clip(np.digitize(probability.ravel(), EDGES) - 1, 0, len(EDGES) - 2)
    sums = [
        np.bincount(place, weights=values, minlength=len(EDGES) - 1)
        for values in (probability.ravel(), target.ravel(), np.ones(place.size))
    ]
    number = sums[2]
    few = number < LEAST
    said, present = (np.where(few, np.nan, each / np.maximum(number, 1)) for each in sums[:2])
    return np.array([said, present, number])
