"""Objectives compared: every pretraining under every recipe, against networks not pretrained."""

import itertools

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from ecgpipe import studies
from ecgpipe.figures import _style
from ecgpipe.render import (
    LEARNT,
    PLACE,
    Needs,
    arm_labels,
    budget_label,
    budget_order,
    distinct,
    over_seeds,
    own_scores,
    place_labels,
    untrained,
)

NEEDS = ("scores", "costs")
METRIC = "auroc"
AXIS, ROW, DOT = 0.6, 0.09, 0.085  # inches: title and axis; a pretraining, and each recipe of it


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw a row of panels a task, the smallest and the largest budget; the best comes first."""
    random = untrained(needs.table("costs"))
    scores = own_scores(needs.table("scores"), [METRIC])
    scores = scores[scores["label"] == "macro"]
    scores = without_nulls(scores.assign(reference=scores["pretraining"].isin(random)))
    places = {
        name: own
        for place, name in place_labels(needs.study).items()
        if not (own := scores[(scores[PLACE] == list(place)).all(axis=1)])["reference"].all()
    }
    if not places:
        return _style.said("no arm was pretrained: there is nothing to compare")
    looks = recipe_looks(needs, random)
    names = distinct(list(dict.fromkeys(run.pretraining for run in studies.runs(needs.study))))
    heights = [_height(own) for own in places.values()]
    made = _style.Sheet(figsize=(_style.DOUBLE, sum(heights)), layout="constrained")
    parts = made.subfigures(len(places), 1, squeeze=False, height_ratios=heights)
    for part, (name, own) in zip(parts.flat, places.items(), strict=True):
        _place(part, name, own, looks, names)
    arms = {arm for own in places.values() for arm in own["arm"]}
    shown = {look["label"]: look for arm, look in looks.items() if arm in arms}
    _style.legend(made, sorted(shown.values(), key=lambda look: look["marker"] is None))
    return made


def without_nulls(scores: pd.DataFrame) -> pd.DataFrame:
    """Leave out references that learnt nothing: their line would squeeze what is compared."""
    means = scores.groupby([*PLACE, "budget", "arm"])["value"].transform("mean")
    return scores[~scores["reference"] | (means > LEARNT)]


def recipe_looks(needs: Needs, random: set[str]) -> dict[str, dict]:
    """Give an arm the look of its recipe: points, or dashes where nothing was pretrained."""
    runs, labels = studies.runs(needs.study), arm_labels(needs.study)
    recipes = distinct(list(dict.fromkeys(run.recipe for run in runs)))
    nets = list(dict.fromkeys(run.pretraining for run in runs if run.pretraining in random))
    looks = {}
    for run in runs:
        index = list(recipes).index(run.recipe)
        colour = _style.COLOURS[index % len(_style.COLOURS)]
        if run.pretraining in random:
            dash = (0, (4, 1.5, *(1, 1.5) * nets.index(run.pretraining)))
            own = {"label": labels[run.arm], "marker": None, "linestyle": dash}
        else:
            turn = index // len(_style.COLOURS)  # a colour that comes again has another marker
            marker = _style.MARKERS[(index + turn) % len(_style.MARKERS)]
            own = {"label": recipes[run.recipe], "marker": marker, "linestyle": "-"}
        looks[run.arm] = {**own, "color": colour}
    return looks


def rank(scores: pd.DataFrame) -> list[str]:
    """Order pretrainings by the mean score of their best recipe."""
    means = scores.groupby(["pretraining", "arm"])["value"].mean()
    best = means.groupby("pretraining").max()
    return list(best.sort_values(ascending=False, kind="stable").index)


def _height(own: pd.DataFrame) -> float:
    arms = own[~own["reference"]].groupby("pretraining")["recipe"].nunique()
    return AXIS + max(0.5, len(arms) * (ROW + DOT * max(arms)))


def _place(
    part: SubFigure, name: str, own: pd.DataFrame, looks: dict[str, dict], names: dict[str, str]
) -> None:
    """Draw both budgets side by side on one scale, in the order of the larger, then the smaller."""
    budgets = budget_order(own["budget"])
    ends = list(dict.fromkeys((budgets[0], budgets[-1])))
    ranks = [rank(own[~own["reference"] & (own["budget"] == end)]) for end in reversed(ends)]
    order = list(dict.fromkeys(itertools.chain(*ranks)))
    panels = part.subplots(1, len(ends), squeeze=False, sharex=True, sharey=True)
    for panel, budget in zip(panels.flat, ends, strict=True):
        _panel(panel, own[own["budget"] == budget], order, looks)
        panel.set_title(f"{name}, {budget_label(budget)}")
        panel.set_xlabel("macro AUROC")
    panels[0, 0].set_ylabel("pretraining")
    panels[0, 0].set_yticks(range(len(order)), [names[pretraining] for pretraining in order])
    panels[0, 0].set_ylim(len(order) - 0.5, -0.5)


def _panel(panel: Axes, own: pd.DataFrame, order: list[str], looks: dict[str, dict]) -> None:
    """Draw means with the interval of patients and a tick a seed; references as lines across."""
    means = over_seeds(own, apart=("pretraining", "recipe", "reference"))
    for line in means[means["reference"]].itertuples():
        panel.axvline(line.mean, **_style.line(looks[line.arm]), linewidth=0.9, zorder=1)
    recipes = means[~means["reference"]].groupby("recipe", sort=False)
    offsets = _style.dodge(len(recipes), width=0.7)
    for offset, (recipe, lines) in zip(offsets, recipes, strict=True):
        look = _style.dot(looks[lines["arm"].iloc[0]])
        lines = lines.set_index("pretraining").reindex(order)
        down = np.arange(len(order)) + offset
        panel.errorbar(lines["mean"], down, xerr=_style.bars(lines), **look)
        seeds = own[(own["recipe"] == recipe) & own["pretraining"].isin(order)]
        at = [down[order.index(pretraining)] for pretraining in seeds["pretraining"]]
        panel.plot(seeds["value"], at, "|", color=look["color"], markersize=4, markeredgewidth=0.5)
    panel.tick_params(axis="y", length=0)
    _style.ruled(panel, axis="x")
