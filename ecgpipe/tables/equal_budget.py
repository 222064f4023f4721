"""How much labeling an arm needs to score what training from scratch scores on all labels.

Between two budgets the score is taken to be linear in the logarithm of the budget. The interval is
that of the seeds, from the one that needs least to the one that needs most, each against scratch
of the same seed; patients are not resampled.
"""

import numpy as np
import pandas as pd
from jaxtyping import Float

from ecgpipe.render import (
    PLACE,
    Needs,
    budget_label,
    budget_order,
    own_scores,
    part_budget,
)
from ecgpipe.tables import _text
from ecgpipe.transfer import from_scratch

NEEDS = ("scores", "costs")
METRIC = "auroc"


def build(needs: Needs) -> pd.DataFrame:
    """Find the amount of labeling that every arm needs; infinite where it never gets there.

    It is at least `least`, the smallest budget that was run. The score to reach is that of the best
    arm from scratch, `scratch`, on the largest budget that it has, `budget`.
    """
    scores = own_scores(needs.table("scores"), [METRIC])
    scores = scores[scores["label"] == "macro"]
    scratch = from_scratch(needs.table("costs"))
    tables = [
        compare(own, scratch).assign(**dict(zip(PLACE, place, strict=True)))
        for place, own in scores.groupby(PLACE, sort=False)
        if scratch & set(own["arm"]) and own["budget"].nunique() > 1
    ]
    if not tables:
        raise ValueError(
            "equal_budget needs an arm that trains a whole network from scratch and several budgets"
        )
    return _text.name_lines(pd.concat(tables, ignore_index=True), needs)


def layout(table: pd.DataFrame) -> pd.DataFrame:
    """Set one line an arm and task."""
    lines = [line for _, line in table.iterrows()]
    return pd.DataFrame(
        {
            "Task": table["place"],
            "From scratch": [f"{line['scratch']:.3f} with {line['labeled']}" for line in lines],
            "Arm": table["name"],
            "As good with": [_cell(line) for line in lines],
        }
    )


def compare(own: pd.DataFrame, scratch: set[str]) -> pd.DataFrame:
    """Follow every arm of one place over budgets of one kind to the score of scratch."""
    full = budget_order(own.loc[own["arm"].isin(scratch), "budget"])[-1]
    kind = part_budget(full)[1]
    budgets = [each for each in budget_order(own["budget"]) if part_budget(each)[1] == kind]
    amount = np.array([part_budget(budget)[0] for budget in budgets])
    curves = own.pivot_table(index=["arm", "seed"], columns="budget", values="value")[budgets]
    means = curves.groupby("arm").mean()
    best = means.loc[means.index.isin(scratch), full].idxmax()
    target = curves.loc[best, full]
    lines = []
    for arm, seeds in curves.groupby("arm"):
        each = [
            reach(amount, curve, target[seed])
            for (_, seed), curve in zip(seeds.index, seeds.to_numpy(), strict=True)
            if seed in target
        ]
        lines.append(
            {
                "arm": arm,
                "budget": full,
                "reference": best,
                "scratch": means.loc[best, full],
                "least": amount[means.loc[arm].notna()][0],
                "needed": reach(amount, means.loc[arm].to_numpy(), means.loc[best, full]),
                "needed_low": min(each, default=np.nan),
                "needed_high": max(each, default=np.nan),
                "seeds": len(each),
            }
        )
    return pd.DataFrame(lines)


def reach(
    amount: Float[np.ndarray, " budget"], score: Float[np.ndarray, " budget"], target: float
) -> float:
    """Give the least amount at which a curve reaches a score; infinite if it never does."""
    amount, score = amount[~np.isnan(score)], score[~np.isnan(score)]
    reached = np.flatnonzero(score >= target)
    if not len(reached):
        return np.inf
    after = reached[0]
    if after == 0:
        return float(amount[0])
    share = (target - score[after - 1]) / (score[after] - score[after - 1])
    return float(amount[after - 1] * (amount[after] / amount[after - 1]) ** share)


def _cell(line: pd.Series) -> str:
    """Write `12 % [8 %, 20 %]`."""
    kind = part_budget(line["budget"])[1]

    def write(needed: float) -> str:
        if np.isinf(needed):
            return "not reached"
        text = budget_label(f"{float(f'{needed:.2g}'):g}{kind}")
        return f"≤ {text}" if needed == line["least"] else text

    ends = [write(line["needed_low"]), write(line["needed_high"])] if line["seeds"] > 1 else []
    text = write(line["needed"])
    return text if set(ends) <= {text} else f"{text} [{', '.join(ends)}]"
