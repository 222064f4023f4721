"""Can it be told beforehand which pretraining will transfer? Two estimates against what came of it.

MELEP (`melep`) looks at what a pretrained network says of the task's labeled train records, in its
own labels; less is better. The probe is the best macro AUROC on valid of a head on the frozen
network. Rank correlations (Spearman) are over the runs of one recipe at one place, pretrainings by
seeds: with what finetuning scored on test, and with what it gained over scratch of the same seed.
They describe; runs of one pretraining are not independent. Signs are turned so that 1 foretells
all.
"""

import numpy as np
import pandas as pd

from ecgpipe import transfer
from ecgpipe.render import Needs, arm_of
from ecgpipe.tables import _text
from ecgpipe.transfer import AT, DIFFERENCE

NEEDS = ("scores", "comparisons", "costs", "histories", "estimates")
RUN = [*AT, "seed"]
FEWEST = 3  # runs, without which there is no order to foretell
ESTIMATES = {"melep": -1, "probe": 1}  # and the sign by which more is better
OUTCOMES = ("score", "gain")


def build(needs: Needs) -> pd.DataFrame:
    """Set the estimates of each arm's pretraining, means over seeds, beside its score and gain.

    Correlations are named by estimate and outcome, such as `melep_gain`, and counted in `runs`.
    """
    costs = needs.table("costs")
    pairs = transfer.pair(needs.study, costs)
    runs = add_outcomes(pairs, needs.table("scores"))
    runs = runs.merge(needs.table("estimates"), how="left", on=["pretraining", *RUN])
    runs = runs.merge(probes(pairs, needs.table("histories"), costs), how="left")
    means = runs.groupby([*AT, "arm"], as_index=False)[list(ESTIMATES)].mean()
    table = transfer.add_differences(pairs, needs.table("comparisons")).merge(means)
    table = transfer.add_scores(table, needs.table("scores"))
    adapted = runs[~runs["arm"].isin(transfer.frozen(costs)) & runs["melep"].notna()]
    foretold = [
        {**dict(zip([*AT, "recipe"], place, strict=True)), **correlate(own)}
        for place, own in adapted.groupby([*AT, "recipe"])
    ]
    columns = [*AT, "recipe", *correlate(adapted.iloc[:0])]
    table = table.merge(pd.DataFrame(foretold, columns=columns), how="left")
    told = table["arm"].isin(adapted["arm"])
    table.loc[~told, columns[len(AT) + 1 :]] = np.nan
    return _text.name_lines(table, needs)


def layout(table: pd.DataFrame) -> pd.DataFrame:
    """Set one line an arm."""
    lines = [line for _, line in table.iterrows()]
    return pd.DataFrame(
        {
            **_text.heading(table),
            "MELEP": [_text.number(value) for value in table["melep"]],
            "Probe, valid": [_text.number(value) for value in table["probe"]],
            "AUROC": [_text.number(value) for value in table["mean"]],
            "Gained": [_text.difference(*line[DIFFERENCE]) for line in lines],
            "MELEP to AUROC": [_correlation(value) for value in table["melep_score"]],
            "MELEP to gain": [_correlation(value) for value in table["melep_gain"]],
            "Probe to AUROC": [_correlation(value) for value in table["probe_score"]],
            "Probe to gain": [_correlation(value) for value in table["probe_gain"]],
            "Runs": ["–" if np.isnan(value) else f"{value:.0f}" for value in table["runs"]],
        }
    )


def add_outcomes(pairs: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """List every run with its `score` on test and its `gain` over scratch of the same seed."""
    own = transfer.scores_of_runs(scores)[[*RUN, "arm", "value"]]
    of_scratch = own.rename(columns={"arm": "reference", "value": "scratch"})
    runs = pairs.merge(own.rename(columns={"value": "score"}), on=[*AT, "arm"])
    runs = runs.merge(of_scratch, how="left", on=[*RUN, "reference"])
    return runs.assign(gain=runs["score"] - runs["scratch"])


def probes(pairs: pd.DataFrame, histories: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """Take the best score on valid of each pretraining's first frozen arm, as `probe`."""
    first = pairs[pairs["arm"].isin(transfer.frozen(costs))]
    first = first.drop_duplicates([*AT, "pretraining"])[[*AT, "arm", "pretraining"]]
    own = histories[histories["stage"] == "finetune"]
    own = own.assign(arm=arm_of(own)).drop(columns="pretraining")
    best = own.groupby([*RUN, "arm"], as_index=False)["valid_auroc"].max()
    found = first.merge(best, on=[*AT, "arm"]).rename(columns={"valid_auroc": "probe"})
    return found[["pretraining", *RUN, "probe"]]


def correlate(runs: pd.DataFrame) -> dict[str, float]:
    """Correlate each estimate with each outcome; NaN where runs are too few, or all alike."""
    found = {
        f"{estimate}_{outcome}": rank_correlation(sign * runs[estimate], runs[outcome])
        for estimate, sign in ESTIMATES.items()
        for outcome in OUTCOMES
    }
    return {**found, "runs": len(runs)}


def rank_correlation(one: pd.Series, other: pd.Series) -> float:
    """Return Spearman's rank correlation of what both know."""
    ranks = pd.DataFrame({"one": one, "other": other}).dropna().rank()
    if len(ranks) < FEWEST or (ranks.nunique() == 1).any():
        return np.nan
    return float(ranks["one"].corr(ranks["other"]))


def _correlation(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")
