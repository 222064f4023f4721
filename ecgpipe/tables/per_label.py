"""Scores of every label at the largest budget: how many there are, AUROC, AP and F2."""

import pandas as pd

from ecgpipe.render import PLACE, Needs, largest_budget, over_seeds, own_scores
from ecgpipe.tables import _text

NEEDS = ("scores",)
METRICS = {"auroc": "AUROC", "average_precision": "AP", "f_beta": "F2"}


def build(needs: Needs) -> pd.DataFrame:
    """Average each label's scores over seeds; the most prevalent labels come first."""
    scores = own_scores(needs.table("scores"), METRICS)
    table = over_seeds(scores[scores["label"] != "macro"]).drop(columns="absent")
    named = _text.name_lines(largest_budget(table), needs)
    places = named.groupby(PLACE, sort=False).ngroup()
    metrics = named["metric"].map(list(METRICS).index)
    order = pd.DataFrame({"place": places, "n": -named["n"], "label": named["label"]})
    order = order.assign(metric=metrics).sort_values(["place", "n", "label", "metric"])
    return named.loc[order.index].reset_index(drop=True)


def layout(table: pd.DataFrame) -> pd.DataFrame:
    """Set one line a label and arm, one column a metric."""
    lines = table[["mean", "seed_sd", "low", "high"]].itertuples(index=False)
    cells = table.assign(cell=[_text.score(*line) for line in lines], n=table["n"].map(str))
    rows = cells.pivot_table(
        index=["place", "label", "n", "name"],
        columns="metric",
        values="cell",
        aggfunc="first",
        sort=False,
    )
    headings = {"place": "Task", "label": "Label", "n": "n", "name": "Arm", **METRICS}
    return (
        rows.reindex(columns=[metric for metric in METRICS if metric in rows])
        .fillna("–")
        .reset_index()
        .rename(columns=headings)
        .rename_axis(columns=None)
    )
