"""Gain over scratch: AUROC that pretraining adds, against how much is labeled, by backbone."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ecgpipe import studies, transfer
from ecgpipe.figures import _style
from ecgpipe.render import Needs, budget_label, budget_order, distinct, part_budget

NEEDS = ("comparisons", "costs")
LABELED = {"": "labeled training patients", "-records": "labeled", "-shot": "labeled records"}
MARGIN = {"label": f"as good: within {transfer.MARGIN:g}", "color": _style.FAINT, "linewidth": 5}
WIDEST = 4  # panels side by side


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw differences from scratch, paired by patients, with their 95 % intervals.

    A row of panels is a task, a column a recipe; a colour is a backbone, a marker what it learnt
    before. Only what ran with several budgets is drawn.
    """
    lines = read_lines(needs)
    if lines.empty:
        return _style.said("no gain over scratch was measured with several budgets")
    looks = pretraining_looks(lines)
    recipes = distinct(list(lines["recipe"].unique()))
    panels = list(lines.groupby(["task", "split", "kind", "recipe"], sort=False))
    columns = len(recipes) if 1 < len(recipes) <= WIDEST else min(3, len(panels))
    width = _style.SINGLE if columns == 1 else _style.DOUBLE
    rows = -(-len(panels) // columns)
    figure, axes = _style.grid(rows, columns, height=2.0, width=width)
    several_splits = lines["split"].nunique() > 1
    for panel, ((task, split, kind, recipe), own) in zip(axes.flat, panels, strict=False):
        words = [f"{task}, {split}" if several_splits else task]
        words += [recipes[recipe]] if len(recipes) > 1 else []
        panel.set_title("\n".join(words))
        panel.set_xlabel(LABELED[kind])
        _panel(panel, own, looks)
    for panel in axes.flat[len(panels) :]:
        panel.remove()
    for row in axes[:, 0]:
        row.set_ylabel("AUROC gained over scratch")
    _style.legend(figure, [*looks.values(), {**MARGIN, "marker": None}])
    return figure


def read_lines(needs: Needs) -> pd.DataFrame:
    """Read each arm's differences from scratch where its recipe ran with several budgets of a kind.

    The lines of a task are in the order in which the study names its recipes.
    """
    recipes = list(dict.fromkeys(run.recipe for run in studies.runs(needs.study)))
    pairs = transfer.pair(needs.study, needs.table("costs"))
    lines = transfer.add_differences(pairs, needs.table("comparisons"))
    lines = lines.dropna(subset="difference")
    parts = [part_budget(budget) for budget in lines["budget"]]
    lines = lines.assign(
        amount=[amount for amount, _ in parts],
        kind=[kind for _, kind in parts],
        order=lines["recipe"].map(recipes.index),
    )
    tried = lines.groupby(["task", "split", "kind", "recipe"])["budget"]
    several = tried.transform("nunique") > 1
    tasks = lines.groupby(["task", "split", "kind"], sort=False).ngroup()
    ordered = lines.assign(place=tasks).sort_values(["place", "order"], kind="stable")
    return ordered[several.loc[ordered.index]]


def pretraining_looks(lines: pd.DataFrame) -> dict[str, dict]:
    """Give each pretraining the colour of its backbone, a marker and dash among its equals."""
    backbone_of = dict(zip(lines["pretraining"], lines["backbone"], strict=True))
    backbones = list(dict.fromkeys(backbone_of.values()))
    names = distinct(sorted(backbone_of, key=lambda name: backbones.index(backbone_of[name])))
    looks: dict[str, dict] = {}
    for pretraining, name in names.items():
        backbone = backbone_of[pretraining]
        equals = sum(backbone_of[before] == backbone for before in looks)
        looks[pretraining] = {
            "label": name,
            "color": _style.COLOURS[backbones.index(backbone) % len(_style.COLOURS)],
            "marker": _style.MARKERS[equals % len(_style.MARKERS)],
            "linestyle": _style.DASHES[equals % len(_style.DASHES)],
        }
    return looks


def _panel(panel: Axes, own: pd.DataFrame, looks: dict[str, dict]) -> None:
    """Draw each pretraining over the margin; a band is its interval."""
    panel.axhspan(-transfer.MARGIN, transfer.MARGIN, color=_style.FAINT, alpha=0.6, linewidth=0)
    panel.axhline(0, color=_style.GREY, linewidth=0.6)
    ordered = own.sort_values("amount")
    for pretraining in [name for name in looks if name in set(own["pretraining"])]:
        look, line = looks[pretraining], ordered[ordered["pretraining"] == pretraining]
        band = {"color": look["color"], "alpha": 0.15, "linewidth": 0}
        panel.fill_between(line["amount"], line["low"], line["high"], **band)
        panel.plot(line["amount"], line["difference"], **look)
    budgets = budget_order(own["budget"])
    amounts = [part_budget(budget)[0] for budget in budgets]
    panel.set(xscale="log", xlim=(amounts[0] / 1.2, amounts[-1] * 1.2))
    panel.set_xticks(amounts, [budget_label(budget) for budget in budgets])
    panel.xaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(lambda gain, _: _style.minus(f"{gain:+.2f}") if gain else "0")
