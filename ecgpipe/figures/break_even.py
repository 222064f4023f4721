"""Break-even: what learning n tasks costs with pretraining and without, and where the two cross."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from ecgpipe import transfer
from ecgpipe.figures import _style
from ecgpipe.figures._upstream import Looks, looks
from ecgpipe.render import Needs, budget_label, distinct, largest_budget

NEEDS = ("costs", "histories")
CROSSING = {"label": "pays from here on", "color": _style.GREY, "marker": "o", "linestyle": "none"}
LEAST, MOST = 10.0, 1e5  # tasks: how far the axis goes at least and at most
WIDEST = 4  # panels side by side


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw total operations against the number of tasks, each at its largest budget.

    A row of panels is a task, a column a backbone, a colour what it was pretrained on, a dash a
    recipe. One task costs what it takes to reach scratch's best score on valid, the median of the
    seeds.
    """
    lines = read_lines(needs)
    panels = list(lines.groupby(["downstream", "backbone"], sort=False))
    panels = [(place, own) for place, own in panels if len(own) > 1]
    if not panels:
        return _style.said("no pretrained arm has an arm from scratch to be held against")
    colours, dashes = looks(pd.concat([own for _, own in panels]))
    backbones = distinct(list(dict.fromkeys(backbone for (_, backbone), _ in panels)))
    tasks = distinct(list(dict.fromkeys(downstream for (downstream, _), _ in panels)))
    columns = len(backbones) if 1 < len(backbones) <= WIDEST else min(3, len(panels))
    width = _style.SINGLE if columns == 1 else _style.DOUBLE
    figure, axes = _style.grid(-(-len(panels) // columns), columns, height=2.0, width=width)
    for panel, ((downstream, backbone), own) in zip(axes.flat, panels, strict=False):
        words = [f"{tasks[downstream]}, {budget_label(own['budget'].iloc[0])}"]
        words += [backbones[backbone]] if len(backbones) > 1 else []
        panel.set_title("\n".join(words))
        panel.set_xlabel("tasks learnt")
        _panel(panel, own, colours, dashes)
    for panel in axes.flat[len(panels) :]:
        panel.remove()
    for row in axes[:, 0]:
        row.set_ylabel("operations, pretraining included")
    _style.legend(figure, [*colours.values(), *dashes.values(), CROSSING])
    return figure


def read_lines(needs: Needs) -> pd.DataFrame:
    """Read what each arm that was pretrained costs, and the arm from scratch beside it."""
    costs = needs.table("costs")
    pairs = transfer.pair(needs.study, costs).dropna(subset="reference")
    if pairs.empty:
        return pairs.assign(downstream=pairs["task"])
    upstream = pairs["pretraining"].map(transfer.name_upstreams(pairs))
    pairs = largest_budget(pairs.assign(scored_on=pairs["task"], upstream=upstream))
    lines = transfer.add_convergence(pairs, needs.table("histories"), costs)
    lines = lines[(lines["pretraining_flops"] > 0) | (lines["arm"] == lines["reference"])]
    lines = lines.assign(downstream=transfer.name_downstreams(lines))
    place = lines.groupby("downstream", sort=False).ngroup()
    return lines.loc[place.sort_values(kind="stable").index]


def _panel(panel: Axes, own: pd.DataFrame, colours: Looks, dashes: Looks) -> None:
    """Draw each arm's total, and where it comes to be cheaper; say how many never learn as well."""
    crossings = own.loc[np.isfinite(own["break_even_flops"]), "break_even_flops"]
    last = min(max(LEAST, 4 * crossings.max()), MOST) if len(crossings) else LEAST
    along = np.geomspace(1, last, 200)
    for line in own[np.isfinite(own["flops"])].itertuples():
        colour, dash = colours[line.upstream]["color"], dashes[line.recipe]["linestyle"]
        spent = line.pretraining_flops + along * line.flops
        panel.plot(along, spent, color=colour, linestyle=dash)
        first = max(1.0, line.break_even_flops)
        if first <= last:
            spent = line.pretraining_flops + first * line.flops
            panel.plot(first, spent, "o", color=colour, clip_on=False)
    never = int(np.isinf(own["flops"]).sum())
    if never:
        said = f"{never} of {len(own) - 1} never reach scratch"
        panel.text(0.98, 0.02, said, ha="right", color=_style.GREY, transform=panel.transAxes)
    panel.set(xscale="log", yscale="log", xlim=(1, last))
    for axis, (low, high) in ((panel.xaxis, panel.get_xlim()), (panel.yaxis, panel.get_ylim())):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,)))
        axis.set_major_formatter(EngFormatter())
        axis.set_minor_formatter(NullFormatter())
    _style.ruled(panel)
