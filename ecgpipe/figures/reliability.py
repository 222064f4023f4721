"""Reliability diagram: how often a label is there when a model says it is so probable."""

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
LEAST = 10  # pairs of record and label in a bin, below which a share says nothing


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw a row a task and a column an arm at the largest budget; seeds thin, their mean thick."""
    looks, names = _style.looks(needs), place_labels(needs.study)
    places = largest_budget_runs(needs)
    width = min(_style.DOUBLE, 1.0 + 1.5 * len(looks))
    side = (width - 0.6) / len(looks)
    figure, panels = _style.grid(
        2 * len(places),
        len(looks),
        height=(side + 0.75) / 2,
        width=width,
        height_ratios=[3, 1] * len(places),
        sharex=True,
        sharey="row",
    )
    for row, (place, runs) in enumerate(places.items()):
        shares, counts = panels[2 * row], panels[2 * row + 1]
        for column, (arm, look) in enumerate(looks.items()):
            own = [path for run, path in runs if run.arm == arm]
            if own:
                _panel(shares[column], counts[column], own, look["color"])
            else:  # an arm that this task does not have
                shares[column].set_visible(False)
                counts[column].set_visible(False)
        shares[0].set_ylabel(f"{names[place]}\nshare present")
        counts[0].set_ylabel("pairs")
    for panel, look in zip(panels[0], looks.values(), strict=True):
        panel.set_title(look["label"].replace(" + ", "\n+ "), fontsize=7)
    for panel in panels[-1]:
        panel.set_xlabel("probability")
    figure.align_ylabels()
    return figure


def _panel(shares: Axes, counts: Axes, paths: list[Path], colour: str) -> None:
    """Draw shares above, and below how many pairs of record and label they stand on."""
    shares.plot([0, 1], [0, 1], color=_style.GREY, linewidth=0.6, linestyle=(0, (3, 2)))
    shares.set(xlim=(0, 1), ylim=(-0.03, 1.03), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    shares.set_xticklabels(["0", "0.5", "1"])
    shares.set_yticklabels(["0", "0.5", "1"])
    counts.set_yscale("log")
    counts.yaxis.set_major_formatter("{x:g}")
    if not paths:
        return
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
