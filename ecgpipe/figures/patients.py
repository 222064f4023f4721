"""Each test patient's own AUROC, before a model was adapted to that patient and after."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from ecgpipe import patients, personal
from ecgpipe.figures import _style
from ecgpipe.render import LEARNT, Needs, largest_budget

NEEDS = ("predictions",)
WAYS = {"none": "not adapted", "chronological": "first {} of a class", "random": "any {}"}
STATES = {"before": (-0.17, _style.GREY), "after": (0.17, _style.COLOURS[0])}
ROW, HEAD = 0.24, 1.15  # inches: an arm, titles and axis


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw a block a task at its largest budget: a line an arm, a column a way of labeling.

    Dots are patients with both classes: means over labels, seeds and draws. A diamond is the mean
    over patients, a tick the tenth of them that does worst. An arm that knew nothing before it was
    adapted is drawn after that alone.
    """
    if not personal.select(needs):
        return _style.said("no arm adapts to patients")
    lines = largest_budget(personal.gather(needs)).dropna(subset="auroc")
    if lines.empty:
        return _style.said("no test patient has records with and without a label")
    places = list(lines.groupby(["task", "scored_on"], sort=False))
    heights = [HEAD + ROW * here["arm"].nunique() for _, here in places]
    made = _style.Sheet(figsize=(_style.DOUBLE, sum(heights)), layout="constrained")
    blocks = made.subfigures(len(places), 1, squeeze=False, height_ratios=heights)
    for block, ((task, scored_on), here) in zip(blocks.flat, places, strict=True):
        name = task if task == scored_on else f"{task} on {scored_on}"
        block.suptitle(name, x=0.01, ha="left", fontsize=8, weight="bold")
        _block(block, here, _style.looks(needs, here["arm"]))
    made.legend(handles=handles(), loc="outside lower center", ncols=2)
    return made


def _block(block: SubFigure, here: pd.DataFrame, looks: dict[str, dict]) -> None:
    """Draw a task's ways of labeling side by side."""
    ways = sorted(
        here.groupby(personal.WAY).groups, key=lambda way: (list(WAYS).index(way[0]), way)
    )
    panels = block.subplots(1, len(ways), squeeze=False, sharex=True, sharey=True)[0]
    for panel, (order, shots) in zip(panels, ways, strict=True):
        own = here[(here["order"] == order) & (here["shots"] == shots)]
        count = own["patient"].nunique()
        panel.set_title(f"{WAYS[order].format(shots)}\n{count} patients", fontsize=7)
        panel.set_xlabel("AUROC")
        _panel(panel, own, list(looks))
    panels[0].set_ylabel("arm")
    panels[0].set_yticks(range(len(looks)), [look["label"] for look in looks.values()])
    panels[0].set_ylim(len(looks) - 0.5, -0.5)


def handles() -> list[Line2D]:
    """Say which colour is before and which after."""
    return [
        Line2D([], [], color=colour, label=state, marker="o", linestyle="none")
        for state, (_, colour) in STATES.items()
    ]


def _panel(panel: Axes, own: pd.DataFrame, arms: list[str]) -> None:
    """Draw every arm's patients; an arm that was not adapted has them once."""
    _style.ruled(panel, "x")
    adapted = bool(own["shots"].any())
    for state, (offset, colour) in STATES.items():
        if state == "after" and not adapted:
            continue
        means = own[own["state"] == state].groupby(["arm", "patient"])["auroc"].mean()
        for arm, values in means.groupby("arm"):
            if adapted and state == "before" and values.mean() < LEARNT:
                continue
            height = arms.index(arm) + (offset if adapted else 0.0)
            panel.plot(values, [height] * len(values), "o", color=colour, alpha=0.45, markersize=2)
            once = np.ones((1, len(values)))
            worst = patients.quantile(values.to_numpy(), once, patients.DECILE)
            panel.plot(worst, [height], "|", color=colour, markersize=7)
            panel.plot([values.mean()], [height], "d", color=colour, markersize=4)
