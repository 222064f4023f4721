"""Cost against score: what training an arm takes and what it scores; a row of panels a task."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ecgpipe import convergence
from ecgpipe.figures import _style
from ecgpipe.render import (
    LEARNT,
    PLACE,
    Needs,
    arm_of,
    budget_label,
    largest_budget,
    over_seeds,
    own_scores,
    place_labels,
)

NEEDS = ("scores", "costs")
METRIC = "auroc"
TRAINED = ["arm", "task", "split", "budget"]
COSTS = {
    "total": "with pretraining, minutes",
    "minutes": "finetuning, minutes",
    "millions": "trainable parameters, millions",
    "gigabytes": "peak memory, GB",
}
FRONT = {"label": "Pareto front", "color": _style.GREY, "linewidth": 0.8, "marker": None}
NEAR = 0.01  # of an axis: points closer than this are set apart by as much at most


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw an arm's mean over seeds at the largest budget, with the 95 % interval of patients.

    Every arm on the Pareto front scores more than all that cost no more. Pretraining is all that an
    arm goes on from. Arms no better than chance (`LEARNT`) are left out.
    """
    scores = own_scores(needs.table("scores"), [METRIC])
    means = largest_budget(over_seeds(scores[scores["label"] == "macro"]))
    means = means[means["mean"] > LEARNT]
    points = means.merge(costs_of_arms(needs.table("costs")), on=TRAINED)
    points = points.sort_values("mean", ascending=False)  # of equal costs the best stands left
    places = {
        name: own
        for place, name in place_labels(needs.study).items()
        if place[0] == place[2]
        and len(own := points[(points[PLACE] == list(place)).all(axis=1)]) > 1
    }
    if not places:
        return _style.said("no two arms share a task: there is nothing to compare")
    looks = _style.looks(needs, (arm for own in places.values() for arm in own["arm"]))
    pretrained = (points["total"] > points["minutes"]).any()
    shown = {name: said for name, said in COSTS.items() if pretrained or name != "total"}
    figure, panels = _style.grid(len(places), len(shown), height=1.9, sharey="row")
    for row, (name, own) in zip(panels, places.items(), strict=True):
        row[0].set_title(f"{name}, {budget_label(own['budget'].iloc[0])}")
        row[0].set_ylabel("macro AUROC")
        for panel, cost in zip(row, shown, strict=True):
            _panel(panel, own, cost, looks)
    for panel, label in zip(panels[-1], shown.values(), strict=True):
        panel.set_xlabel(label)
    dots = [{**look, "linestyle": "none"} for look in looks.values()]
    _style.legend(figure, [*dots, FRONT])
    return figure


def costs_of_arms(costs: pd.DataFrame) -> pd.DataFrame:
    """Add up the rounds of each finetuning, then average the seeds; no step is no finetuning.

    `total` has the pretraining too, and all that it goes on from.
    """
    before = convergence.pretraining_costs(costs)["seconds"] / 60
    costs = costs[(costs["stage"] == "finetune") & (costs["steps"] > 0)]
    costs = costs.assign(
        arm=arm_of(costs),
        minutes=costs["seconds"] / 60,
        millions=costs["trainable"] / 1e6,
        gigabytes=costs["peak_bytes"].fillna(costs["peak_host_bytes"]) / 1e9,
    )
    how = {"minutes": "sum", "millions": "max", "gigabytes": "max"}
    by = ["pretraining", *TRAINED]
    means = costs.groupby([*by, "seed"]).agg(how).groupby(by).mean().reset_index()
    start = pd.MultiIndex.from_frame(means[["pretraining", "split"]])
    return means.assign(total=means["minutes"] + before.reindex(start, fill_value=0.0).to_numpy())


def front(points: pd.DataFrame, cost: str) -> pd.DataFrame:
    """Keep, from the cheapest on, the arms that score more than all that cost no more."""
    ordered = points.sort_values([cost, "mean"], ascending=[True, False])
    best = ordered["mean"].cummax().shift(fill_value=-np.inf)
    return ordered[ordered["mean"] > best]


def _panel(panel: Axes, own: pd.DataFrame, cost: str, looks: dict[str, dict]) -> None:
    """Draw the points of a task over their front, which goes on beyond the last."""
    pad = max((own[cost].max() / own[cost].min()) ** 0.12, 1.3)
    low, high = own[cost].min() / pad, own[cost].max() * pad
    across, best = set_apart(own[cost], low, high), front(own, cost)
    along, up = [*across[best.index], high], [*best["mean"], best["mean"].iloc[-1]]
    thin = FRONT["linewidth"]
    panel.step(along, up, where="post", color=_style.GREY, linewidth=thin, zorder=1)
    for arm, look in looks.items():
        of_arm = own["arm"] == arm
        lines = own[of_arm]
        panel.errorbar(across[of_arm], lines["mean"], _style.bars(lines), **_style.dot(look))
    panel.set(xscale="log", xlim=(low, high))
    panel.xaxis.set_major_locator(LogLocator(subs=_ticks(high / low)))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())
    _style.ruled(panel)


def set_apart(cost: pd.Series, low: float, high: float) -> pd.Series:
    """Move points that would hide each other on a logarithmic axis to stand side by side."""
    along = np.log(cost / low) / np.log(high / low)
    return low * (high / low) ** _style.spread(along, NEAR)


def _ticks(span: float) -> tuple[float, ...]:
    """Choose which multiples of the powers of ten an axis names."""
    if span < 8:
        return 1.0, 1.5, 2.0, 3.0, 4.0, 6.0
    return (1.0, 2.0, 5.0) if span < 100 else (1.0,)
