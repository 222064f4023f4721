"""External validation: macro AUROC where a model was trained, and on records from elsewhere."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgpipe.figures import _style
from ecgpipe.render import Needs, largest_budget, over_seeds, own_scores

NEEDS = ("scores",)
METRIC = "auroc"


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw a line for every task scored on, a panel for every task trained on.

    A line says how many labels entered the mean; those without a positive record did not.
    """
    scores = largest_budget(own_scores(needs.table("scores"), [METRIC]))
    means = over_seeds(scores[scores["label"] == "macro"])
    groups = {
        name: lines
        for name, lines in means.groupby(["task", "split"], sort=False)
        if lines["scored_on"].nunique() > 1
    }
    if not groups:
        return _style.said("no model was scored on a task besides its own")
    looks = _style.looks(needs, shown=(arm for lines in groups.values() for arm in lines["arm"]))
    heights = [_height(lines) for lines in groups.values()]
    made = _style.Sheet(figsize=(_style.DOUBLE, 0.4 + sum(heights)), layout="constrained")
    panels = made.subplots(len(groups), 1, squeeze=False, sharex=True, height_ratios=heights)
    for panel, ((task, split), lines) in zip(panels.flat, groups.items(), strict=True):
        _panel(panel, lines, {a: look for a, look in looks.items() if a in set(lines["arm"])})
        panel.set_title(f"trained on {task}" + ("" if split == "standard" else f", {split}"))
    panels[-1, 0].set_xlabel("macro AUROC")
    _style.legend(made, looks.values())
    return made


def _height(lines: pd.DataFrame) -> float:
    """Give the inches of a panel: each task's name takes two lines, each arm one."""
    each = max(0.28, 0.085 * (lines["arm"].nunique() + 1))
    return 0.2 + each * lines["scored_on"].nunique()


def _panel(panel: Axes, lines: pd.DataFrame, looks: dict[str, dict]) -> None:
    """Draw the task's own test records first, then those of other tasks in the study's order."""
    own = lines["task"] == lines["scored_on"]
    places = list(dict.fromkeys([*lines.loc[own, "scored_on"], *lines["scored_on"]]))
    offsets = _style.dodge(len(looks), width=0.6)
    for offset, (arm, look) in zip(offsets, looks.items(), strict=True):
        of_arm = lines[lines["arm"] == arm].set_index("scored_on").reindex(places)
        down = np.arange(len(places)) + offset
        panel.errorbar(of_arm["mean"], down, xerr=_style.bars(of_arm), **_style.dot(look))
    counted = lines.groupby("scored_on")[["n", "absent"]].max()
    panel.set_yticks(range(len(places)), [_name(place, counted.loc[place]) for place in places])
    panel.set_ylim(len(places) - 0.5, -0.5)
    panel.tick_params(axis="y", length=0)
    panel.set_ylabel("scored on")
    if own.any():  # the task's own records stand above the line
        panel.axhline(0.5, color=_style.FAINT, linewidth=0.6)
    _style.ruled(panel, axis="x")


def _name(place: str, counted: pd.Series) -> str:
    """Name a task, and say how many labels its mean is of."""
    absent = f", {counted['absent']:.0f} absent" if counted["absent"] else ""
    return f"{place}\n({counted['n']:.0f} labels{absent})"
