"""Transfer matrix: what pretraining on each upstream gains on each downstream task, by network."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from ecgpipe import transfer
from ecgpipe.figures import _style
from ecgpipe.render import Needs, distinct, largest_budget

NEEDS = ("comparisons", "costs")
WORSE, BETTER = "#D55E00", "#0072B2"
PALE = 0.75  # how much of its colour the largest gain has, so that text stays readable
CELL = 0.36  # inches high
TOLD = ("better", "worse")  # verdicts that are printed bold


@_style.styled
def draw(needs: Needs) -> Figure:
    """Write each gain over scratch and its verdict; a panel is a network and a recipe.

    Drawn are the recipes that finetune every weight, at each task's largest budget.
    """
    lines = read_lines(needs)
    if lines.empty:
        return _style.said("no pretrained arm that learns every weight\nwas compared with scratch")
    backbones = distinct(list(lines["backbone"].unique()))
    recipes = distinct(list(lines["recipe"].unique()))
    panels = list(lines.groupby(["recipe", "backbone"], sort=False))
    rows = list(dict.fromkeys(lines["upstream"]))
    columns = distinct(list(dict.fromkeys(lines["downstream"])))
    across = min(2, len(panels))
    width = _style.SINGLE if across == 1 else _style.DOUBLE
    height = CELL * len(rows) + 1.1
    figure, axes = _style.grid(-(-len(panels) // across), across, height=height, width=width)
    largest = lines["difference"].abs().max() / PALE
    for panel, ((recipe, backbone), own) in zip(axes.flat, panels, strict=False):
        words = [backbones[backbone]] + [recipes[recipe]] * (len(recipes) > 1)
        panel.set_title(", ".join(words))
        _panel(panel, own, rows, columns, largest)
    for panel in axes.flat[len(panels) :]:
        panel.remove()
    return figure


def read_lines(needs: Needs) -> pd.DataFrame:
    """Read the gains of the pretrained arms that learn every weight."""
    costs = needs.table("costs")
    pairs = transfer.pair(needs.study, costs).dropna(subset="reference")
    upstreams = transfer.name_upstreams(pairs)
    pairs = pairs.assign(upstream=pairs["pretraining"].map(upstreams), scored_on=pairs["task"])
    kept = (pairs["upstream"] != transfer.UNTRAINED) & pairs["arm"].isin(transfer.whole(costs))
    lines = largest_budget(pairs[kept]) if kept.any() else pairs[kept]
    lines = transfer.add_differences(lines, needs.table("comparisons"))
    lines = lines.dropna(subset="difference")
    return lines.assign(downstream=transfer.name_downstreams(lines))


def _panel(
    panel: Axes, own: pd.DataFrame, rows: list[str], columns: dict[str, str], largest: float
) -> None:
    """Draw one matrix; a pair that did not run is grey."""
    values = own.pivot_table(index="upstream", columns="downstream", values="difference")
    values = values.reindex(index=rows, columns=list(columns))
    colours = LinearSegmentedColormap.from_list("gain", [WORSE, "white", BETTER])
    limits = {"vmin": -largest, "vmax": largest} if largest > 0 else {"vmin": -1, "vmax": 1}
    panel.imshow(values, cmap=colours.with_extremes(bad=_style.FAINT), aspect="auto", **limits)
    for line in own.itertuples():
        place = list(columns).index(line.downstream), rows.index(line.upstream)
        verdict = transfer.judge(line.low, line.high)
        text = f"{_style.minus(f'{line.difference:+.3f}')}\n{verdict}"
        weight = "bold" if verdict in TOLD else "normal"
        panel.text(*place, text, ha="center", va="center", weight=weight, size=6)
    several = len(columns) > 3
    panel.set_xticks(
        range(len(columns)),
        columns.values(),
        rotation=30 if several else 0,
        ha="right" if several else "center",
    )
    panel.set_yticks(range(len(rows)), rows)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    panel.set(xlabel="downstream", ylabel="upstream")
