"""Transfer or scratch? What pretraining gains, how much sooner, and after how many tasks it pays.

Every arm is held against training the same backbone from scratch on the same records, by its own
recipe where a study has that. The verdict is by the 95 % interval of the difference in macro AUROC,
paired by patients, and a margin declared beforehand: as good, where the interval lies within it.
"""

import math

import numpy as np
import pandas as pd

from ecgpipe import transfer
from ecgpipe.render import Needs
from ecgpipe.tables import _text
from ecgpipe.transfer import DIFFERENCE, judge

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
    table = transfer.add_scores(table, needs.table("scores"))
    itself, untrained = table["arm"] == table["reference"], table["pretraining_flops"] == 0
    table.loc[itself | untrained, ["break_even_flops", "break_even_seconds"]] = np.nan
    table["verdict"] = [judge(*ends) for ends in zip(table["low"], table["high"], strict=True)]
    table.loc[itself, "verdict"] = "reference"
    return _text.name_lines(table, needs)


def layout(table: pd.DataFrame) -> pd.DataFrame:
    """Set one line an arm; steps say, where not all seeds get there, how many do."""
    lines = [line for _, line in table.iterrows()]
    return pd.DataFrame(
        {
            **_text.heading(table),
            "AUROC": [_text.number(line["mean"]) for line in lines],
            "From scratch": [_text.number(line["scratch"]) for line in lines],
            "Difference": [_text.difference(*line[DIFFERENCE]) for line in lines],
            "Verdict": table["verdict"],
            "Steps to 95 %": [_steps(line, 95) for line in lines],
            "Steps to 100 %": [_steps(line, 100) for line in lines],
            "Area": [_text.number(line["area"]) for line in lines],
            "FLOPs to 100 %": [_flops(value) for value in table["flops"]],
            "Pays from, by FLOPs": [_tasks(value) for value in table["break_even_flops"]],
            "by seconds": [_tasks(value) for value in table["break_even_seconds"]],
        }
    )


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
