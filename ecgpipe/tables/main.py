"""The main table: macro AUROC of every arm, task and budget, over seeds and patients."""

import pandas as pd

from ecgpipe.render import Needs, over_seeds, own_scores
from ecgpipe.tables import _text

NEEDS = ("scores",)
METRIC = "auroc"


def build(needs: Needs) -> pd.DataFrame:
    """Average the macro score over seeds; mark the best arm of each task and budget."""
    scores = own_scores(needs.table("scores"), [METRIC])
    table = over_seeds(scores[scores["label"] == "macro"])
    shown = table["mean"].round(3)
    groups = shown.groupby([table["task"], table["split"], table["scored_on"], table["budget"]])
    table["best"] = shown == groups.transform("max")
    table = table.rename(columns={"n": "labels"}).drop(columns="label")
    return _text.name_lines(table, needs)


def layout(table: pd.DataFrame) -> pd.DataFrame:
    """Set one line an arm and task, one column a budget."""
    cells = table.assign(
        cell=[
            _text.score(*line)
            for line in table[["mean", "seed_sd", "low", "high", "best"]].itertuples(index=False)
        ],
        averaged=[
            f"{int(labels)}" + (f" ({int(absent)} absent)" if absent else "")
            for labels, absent in zip(table["labels"], table["absent"], strict=True)
        ],
    )
    headings = list(dict.fromkeys(table["labeled"]))
    rows = cells.pivot_table(
        index=["place", "averaged", "name"],
        columns="labeled",
        values="cell",
        aggfunc="first",
        sort=False,
    )
    return (
        rows.reindex(columns=headings)
        .fillna("–")
        .reset_index()
        .rename(columns={"place": "Task", "averaged": "Labels", "name": "Arm"})
        .rename_axis(columns=None)
    )
