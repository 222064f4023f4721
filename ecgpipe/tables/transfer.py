"""Transfer or scratch? What pretraining gains, how much sooner, and after how many tasks it pays.

Every arm is held against training the same backbone from scratch on the same records. The verdict
is by the 95 % interval of the difference in macro AUROC, paired by patients, and a margin declared
beforehand: as good, where the interval lies within it.
"""

import math

import numpy as np
import pandas as pd

from ecgpipe import transfer
from ecgpipe.render import Needs, over_seeds, own_scores
from ecgpipe.tables import _text
from ecgpipe.transfer import AT, MARGIN

NEEDS = ("scores", "comparisons", "costs", "histories")


def build(needs: Needs) -> pd.DataFrame:
    """Hold each arm against scratch of its backbone, at every task and budget.

    `mean` is the arm's score and `scratch` that of its `reference`; steps, FLOPs and seconds are
    medians over seeds, of what it took to reach scratch's best score on valid.
    """
    costs = needs.table("costs")
    pairs = transfer.pair(needs.study, costs)
    if pairs["reference"].isna().all():
        raise ValueError(f"transfer: {transfer.NONE}; add such an arm to the study's grids")
    table = transfer.add_differences(pairs, needs.table("comparisons"))
    table = transfer.add_convergence(table, needs.table("histories"), costs)
    table = _with_scores(table, needs.table("scores"))
    itself = table["arm"] == table["reference"]
    table.loc[itself, ["break_even_flops", "break_even_seconds"]] = np.nan
    table["verdict"] = [judge(*ends) for ends in zip(table["low"], table["high"], strict=True)]
    table.loc[itself, "verdict"] = "reference"
    return _text.name_lines(table, needs)


def layout(table: pd.DataFrame) -> pd.DataFrame:
    """Set one line an arm; steps say, where not all seeds get there, how many do."""
    lines = [line for _, line in table.iterrows()]
    return pd.DataFrame(
        {
            "Task": table["place"],
            "Budget": table["labeled"],
            "Arm": table["name"],
            "AUROC": [_number(line["mean"]) for line in lines],
            "From scratch": [_number(line["scratch"]) for line in lines],
            "Difference": [_difference(line) for line in lines],
            "Verdict": table["verdict"],
            "Steps to 95 %": [_steps(line, 95) for line in lines],
            "Steps to 100 %": [_steps(line, 100) for line in lines],
            "Area": [_number(line["area"]) for line in lines],
            "FLOPs to 100 %": [_flops(value) for value in table["flops"]],
            "Pays from, by FLOPs": [_tasks(value) for value in table["break_even_flops"]],
            "by seconds": [_tasks(value) for value in table["break_even_seconds"]],
        }
    )


def judge(low: float, high: float, margin: float = MARGIN) -> str:
    """Judge a difference by its interval: `as good` within the margin, else by its sign."""
    if math.isnan(low):
        return "–"
    if -margin <= low and high <= margin:
        return "as good"
    if low > 0:
        return "better"
    return "worse" if high < 0 else "undecided"


def _with_scores(table: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Add the test scores, means over seeds; arms that were not scored on their own task go."""
    scores = own_scores(scores, [transfer.METRIC])
    means = over_seeds(
        scores[(scores["label"] == "macro") & (scores["scored_on"] == scores["task"])]
    )
    own = means[[*AT, "scored_on", "arm", "mean"]]
    of_reference = means[[*AT, "arm", "mean"]]
    of_reference = of_reference.rename(columns={"arm": "reference", "mean": "scratch"})
    return table.merge(own, on=[*AT, "arm"]).merge(of_reference, how="left", on=[*AT, "reference"])


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _difference(line: pd.Series) -> str:
    if math.isnan(line["difference"]):
        return "–"
    text = f"{line['difference']:+.3f} [{line['low']:+.3f}, {line['high']:+.3f}]"
    return text.replace("-", "\N{MINUS SIGN}")


def _steps(line: pd.Series, share: int) -> str:
    """Write `800`, or `800 (4 of 5 seeds)`."""
    steps, reached, seeds = (line[name] for name in (f"steps_{share}", f"reached_{share}", "seeds"))
    if math.isnan(steps):
        return "–"
    text = "not reached" if math.isinf(steps) else f"{steps:.0f}"
    return f"{text} ({reached} of {seeds} seeds)" if reached not in (0, seeds) else text


def _flops(value: float) -> str:
    return "not reached" if math.isinf(value) else _text.quantity(value)


def _tasks(value: float) -> str:
    """Write a break-even count: `0.88` is with the first task, `12` with the twelfth."""
    if math.isnan(value):
        return "–"
    return "never" if math.isinf(value) else f"{value:.2f}" if value < 10 else f"{value:.0f}"
