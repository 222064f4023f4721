"""External validation: macro AUROC where a model was trained, and on records from elsewhere."""

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
    groups = list(means.groupby(["task", "split"], sort=False))
    looks = _style.looks(needs)
    heights = [lines["scored_on"].nunique() for _, lines in groups]
    made = _style.Sheet(
        figsize=(_style.DOUBLE, 0.6 * len(groups) + 0.26 * sum(heights)), layout="constrained"
    )
    panels = made.subplots(
        len(groups), 1, squeeze=False, sharex=True, gridspec_kw={"height_ratios": heights}
    )
    for panel, ((task, split), lines) in zip(panels.flat, groups, strict=True):
        _panel(panel, lines, looks)
        panel.set_title(f"trained on {task}" + ("" if split == "standard" else f", {split}"))
    panels[-1, 0].set_xlabel("macro AUROC, 95 % interval of patients")
    _style.legend(made, looks.values())
    return made


def _panel(panel: Axes, lines: pd.DataFrame, looks: dict[str, dict]) -> None:
    """Draw the task's own test records first, then those of other tasks in the study's order."""
    own = lines["task"] == lines["scored_on"]
    places = list(dict.fromkeys([*lines.loc[own, "scored_on"], *lines["scored_on"]]))
    offsets = _style.dodge(len(looks), width=0.6)
    for offset, (arm, look) in zip(offsets, looks.items(), strict=True):
        of_arm = lines[lines["arm"] == arm].set_index("scored_on").reindex(places)
        down = [place + offset for place in range(len(places))]
        bars = [of_arm["mean"] - of_arm["low"], of_arm["high"] - of_arm["mean"]]
        marked = {key: value for key, value in look.items() if key != "linestyle"}
        panel.errorbar(of_arm["mean"], down, xerr=bars, **marked, linestyle="none", elinewidth=0.8)
    counted = lines.groupby("scored_on")[["n", "absent"]].max()
    panel.set_yticks(range(len(places)), [_name(place, counted.loc[place]) for place in places])
    panel.set_ylim(len(places) - 0.4, -0.6)
    panel.axvline(0.5, color=_style.GREY, linewidth=0.6, linestyle=(0, (2, 2)))
    panel.grid(axis="x", color=_style.FAINT, linewidth=0.4)
    panel.set_axisbelow(True)


def _name(place: str, counted: pd.Series) -> str:
    """Name a task, and say how many labels its mean is of."""
    absent = f", {counted['absent']:.0f} absent" if counted["absent"] else ""
    return f"{place}\n({counted['n']:.0f} labels{absent})"
