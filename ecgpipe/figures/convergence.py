"""Convergence: AUROC on valid against steps, by network and budget; scratch's best is ruled."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgpipe import convergence, transfer
from ecgpipe.figures import _style
from ecgpipe.figures._upstream import Looks, looks
from ecgpipe.render import Needs, arm_of, budget_label, budget_order, distinct
from ecgpipe.transfer import AT

NEEDS = ("costs", "histories")
RULES: dict[float, dict[str, Any]] = {  # at a share of scratch's best score, above chance
    1.0: {"color": _style.GREY, "linewidth": 0.6, "linestyle": "-"},
    convergence.MOST: {"color": _style.GREY, "linewidth": 0.6, "linestyle": ":"},
}


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw seeds thin and their mean thick; a row of panels is a task and budget, a column a net.

    A colour is what the network was pretrained on, a dash a recipe. Of the recipes those are drawn
    that ran with the most budgets.
    """
    lines = read_lines(needs)
    if lines.empty:
        return _style.said("no arm has an arm from scratch to be held against")
    colours, dashes = looks(lines)
    backbones = distinct(list(lines["backbone"].unique()))
    tasks = distinct(list(lines["downstream"].unique()))
    places = list(lines.groupby(["downstream", "budget"], sort=False))
    width = _style.SINGLE if len(backbones) == 1 else _style.DOUBLE
    figure, axes = _style.grid(
        len(places), len(backbones), height=1.5, width=width, sharex="row", sharey="row"
    )
    for panel, name in zip(axes[0], backbones.values(), strict=True):
        panel.set_title(name)
    for row, ((downstream, budget), own) in zip(axes, places, strict=True):
        words = [tasks[downstream]] if len(tasks) > 1 else []
        row[0].set_ylabel("\n".join([*words, budget_label(budget), "macro AUROC, valid"]))
        for panel, backbone in zip(row, backbones, strict=True):
            _panel(panel, own[own["backbone"] == backbone], colours, dashes)
    for panel in axes[-1]:
        panel.set_xlabel("steps")
    shown = [*colours.values(), *dashes.values()]
    shown += [{"label": f"{100 * at:g} % of scratch's best", **rule} for at, rule in RULES.items()]
    _style.legend(figure, shown, markers=False)
    return figure


def read_lines(needs: Needs) -> pd.DataFrame:
    """Read the learning curves of all arms that have a reference, by place in the study's order."""
    costs = needs.table("costs")
    pairs = transfer.pair(needs.study, costs).dropna(subset="reference")
    upstreams = transfer.name_upstreams(pairs)
    pairs = pairs.assign(upstream=pairs["pretraining"].map(upstreams))
    place = ["task", "split"]
    tried = pairs.groupby([*place, "recipe"])["budget"].transform("nunique")
    pairs = pairs[tried == tried.groupby([pairs[name] for name in place]).transform("max")]
    curves = convergence.curves(needs.table("histories"), costs)
    curves = curves.assign(arm=arm_of(curves)).drop(columns=["pretraining", "recipe"])
    chosen = choose_places(pairs)
    shown = pairs.merge(chosen, on=AT).merge(curves, on=["arm", *AT])
    shown = shown.sort_values("order", kind="stable")
    return shown.assign(downstream=transfer.name_downstreams(shown))


def choose_places(pairs: pd.DataFrame) -> pd.DataFrame:
    """Choose every budget of the task that has most, and the largest of the others, in `order`."""
    budgets = pairs.groupby(["task", "split"], sort=False)["budget"].agg(budget_order)
    first = budgets.map(len).idxmax() if len(budgets) else None
    kept = {place: of if place == first else of[-1:] for place, of in budgets.items()}
    found = [(*place, budget) for place, of in kept.items() for budget in of]
    return pd.DataFrame(found, columns=AT).assign(order=range(len(found)))


def _panel(panel: Axes, own: pd.DataFrame, colours: Looks, dashes: Looks) -> None:
    """Draw the arms of one network; a mean stops where the first seed stopped."""
    for (upstream, recipe), lines in own.groupby(["upstream", "recipe"], sort=False):
        look: dict[str, Any] = {"color": colours[upstream]["color"]}
        look["linestyle"] = dashes[recipe]["linestyle"]
        seeds = lines.pivot_table(index="step", columns="seed", values="valid_auroc")
        panel.plot(seeds, **look, linewidth=0.4, alpha=0.4)
        panel.plot(seeds.dropna().mean(axis=1), **look)
    scratch = own[own["arm"] == own["reference"]]
    if len(scratch):
        first = scratch[scratch["arm"] == scratch["arm"].iloc[0]]
        best = first.groupby("seed")["valid_auroc"].max().mean()
        for share, rule in RULES.items():
            panel.axhline(convergence.share_of(best, share), zorder=1, **rule)
    panel.locator_params(nbins=4)
