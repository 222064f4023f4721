"""Attention: how many times more relevance than chance lies in each region, by arm and label."""

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from ecgpipe import enrichment
from ecgpipe.enrichment import EVERY, EXPECTED
from ecgpipe.expected_regions import expected
from ecgpipe.figures import _style
from ecgpipe.regions import REGIONS
from ecgpipe.render import PLACE, Needs, largest_budget, place_labels

NEEDS = ("attributions",)
LABELS = 5  # that have a panel, the most frequent ones
FEW = 4  # arms that three panels side by side have room for
HEIGHT = 1.75  # inches: a row of panels
CHANCE = 1.0
DECLARED = {"label": "expected of the label", "color": _style.FAINT, "linewidth": 5, "marker": None}
OF_NULL: dict[str, dict[str, Any]] = {
    "shifted": {"label": "regions shifted in time", "linestyle": "-"},
    "random": {"label": "random weights", "linestyle": (0, (1, 1))},
}
NULL: dict[str, Any] = {"color": _style.GREY, "linewidth": 1.0}


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw means over patients with their 95 % interval, at the largest budget; 1 is chance.

    The first panel of a place has the regions expected of each label, by every attribution; the
    others have single labels, by the first attribution. Grey is what the nulls give, on average
    over the arms.
    """
    if not needs.attributions:
        return _style.said("no grid of the study names an explanation")
    patients = enrichment.gather(needs)
    attributions = list(patients["attribution"].unique())
    table = enrichment.summarise(largest_budget(patients), first=needs.attributions[0][0].arm)
    table = table[(table["measure"] == "enrichment") & (table["among"] == EVERY)]
    table = table.rename(columns={"value": "mean"})
    looks = _style.looks(needs, table["arm"])
    places = {
        name: own
        for place, name in place_labels(needs.study).items()
        if len(own := table[(table[PLACE] == list(place)).all(axis=1)])
    }
    columns = 3 if len(looks) <= FEW else 2
    rows = [math.ceil((1 + len(labels_of(own))) / columns) for own in places.values()]
    heights = [0.2 + HEIGHT * count for count in rows]
    made = _style.Sheet(figsize=(_style.DOUBLE, sum(heights)), layout="constrained")
    parts = made.subfigures(len(places), 1, squeeze=False, height_ratios=heights)
    for part, count, (name, own) in zip(parts.flat, rows, places.items(), strict=True):
        part.suptitle(name, x=0.01, ha="left", fontsize=8, weight="bold")
        _place(part, own, looks, attributions, (count, columns))
    nulls = [{**look, **NULL, "marker": None} for look in OF_NULL.values()]
    dots = [{**look, "linestyle": "none"} for look in looks.values()]
    _style.legend(made, [*dots, *nulls, DECLARED])
    return made


def labels_of(own: pd.DataFrame) -> list[str]:
    """Choose the labels that most patients carry, the most frequent first."""
    patients = own[own["label"] != EVERY].groupby("label")["patients"].max()
    return list(patients.sort_values(ascending=False, kind="stable").index[:LABELS])


def _place(
    part: SubFigure,
    own: pd.DataFrame,
    looks: dict[str, dict],
    attributions: list[str],
    shape: tuple[int, int],
) -> None:
    """Draw the panels of one place."""
    panels = part.subplots(*shape, squeeze=False, sharey=True)
    first, *others = panels.flat
    pooled = own[(own["label"] == EVERY) & (own["region"] == EXPECTED)]
    shown = [name for name in attributions if name in set(pooled["attribution"])]
    _panel(first, pooled.assign(at=pooled["attribution"]), shown, looks)
    first.set_xticks(range(len(shown)), [name.replace("_", "\n") for name in shown])
    first.set_title(f"expected regions, {pooled['patients'].max()} patients")
    first.set_xlabel("attribution")
    labels = labels_of(own)
    regions = [region for region in REGIONS if region in set(own["region"])]
    for panel, label in zip(others, labels, strict=False):
        lines = own[(own["label"] == label) & (own["attribution"] == shown[0])]
        _panel(panel, lines.assign(at=lines["region"]), regions, looks, expected(label))
        panel.set_title(f"{label}, {lines['patients'].max()} patients")
        panel.set_xlabel("region")
    for panel in others[len(labels) :]:
        panel.remove()
    for row in panels[:, 0]:
        row.set_ylabel("enrichment")
    first.set_ylim(0, 1.05 * max(line.get_ylim()[1] for line in panels[:, 0]))


def _panel(
    panel: Axes,
    lines: pd.DataFrame,
    columns: list[str],
    looks: dict[str, dict],
    declared: Iterable[str] = (),
) -> None:
    """Draw the arms side by side over what the nulls give, a column a value of `at`."""
    for at in (columns.index(name) for name in declared if name in columns):
        panel.axvspan(at - 0.45, at + 0.45, color=_style.FAINT, alpha=0.6, linewidth=0)
    panel.axhline(CHANCE, color=_style.GREY, linewidth=0.4)
    nulls = lines.groupby("at")[list(OF_NULL)].mean().reindex(columns)
    across = range(len(columns))
    for null, look in OF_NULL.items():
        starts, ends = [at - 0.4 for at in across], [at + 0.4 for at in across]
        panel.hlines(nulls[null], starts, ends, linestyles=look["linestyle"], **NULL)
    offsets = _style.dodge(len(looks), width=0.7)
    for offset, (arm, look) in zip(offsets, looks.items(), strict=True):
        own = lines[lines["arm"] == arm].drop_duplicates("at").set_index("at").reindex(columns)
        places = [at + offset for at in across]
        panel.errorbar(places, own["mean"], _style.bars(own), **_style.dot(look))
    panel.set_xticks(across, columns)
    panel.set(xlim=(-0.6, len(columns) - 0.4))
    panel.tick_params(axis="x", length=0, labelsize=6)
