"""Label efficiency: macro AUROC against the labeling budget, one panel a task."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgpipe.figures import _style
from ecgpipe.render import (
    PLACE,
    Needs,
    budget_label,
    budget_order,
    over_seeds,
    own_scores,
    place_labels,
)

NEEDS = ("scores",)
METRIC = "auroc"


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw means over seeds with the 95 % interval of patients."""
    scores = own_scores(needs.table("scores"), [METRIC])
    means = over_seeds(scores[scores["label"] == "macro"])
    places = [
        (name, means[(means[PLACE] == list(place)).all(axis=1)])
        for place, name in place_labels(needs.study).items()
    ]
    # one budget says nothing of efficiency, unless there is nothing else to show
    places = [(name, lines) for name, lines in places if lines["budget"].nunique() > 1] or places
    looks = _style.looks(needs, (arm for _, lines in places for arm in lines["arm"]))
    columns = min(3, len(places))
    rows = -(-len(places) // columns)
    figure, panels = _style.grid(
        rows, columns, height=2.0, width=_style.SINGLE if columns == 1 else _style.DOUBLE
    )
    for panel, (name, lines) in zip(panels.flat, places, strict=False):
        _panel(panel, lines, looks)
        panel.set_title(name)
    for panel in panels.flat[len(places) :]:
        panel.remove()
    for row in panels[:, 0]:
        row.set_ylabel("macro AUROC")
    _style.legend(figure, looks.values())
    return figure


def _panel(panel: Axes, lines: pd.DataFrame, looks: dict[str, dict]) -> None:
    """Draw each arm beside the others, so that no interval hides another."""
    budgets = budget_order(lines["budget"])
    offsets = _style.dodge(len(looks), width=0.5)
    for offset, (arm, look) in zip(offsets, looks.items(), strict=True):
        own = lines[lines["arm"] == arm].set_index("budget").reindex(budgets)
        across = np.arange(len(budgets)) + offset
        look = {**look, "elinewidth": 0.7, "linewidth": 0.9}
        panel.errorbar(across, own["mean"], _style.bars(own), **look)
    panel.set_xticks(range(len(budgets)), [budget_label(budget) for budget in budgets])
    panel.set_xlabel("labeled training patients")
    panel.set_xlim(-0.5, len(budgets) - 0.5)
    _style.ruled(panel)
