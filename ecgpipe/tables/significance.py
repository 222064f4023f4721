"""Is an arm better than another? Tests over patients and, as published for CE-SSL, over seeds.

Every arm is held against a reference, the first of the study's arms at the same place and budget.
Two tests stand side by side: the paired bootstrap of patients (stage `compare`), corrected by Holm,
and two-sided paired t-tests over seeds, corrected for the false discovery rate (Benjamini &
Hochberg 1995, as in Zhou et al. 2024); a family is the arms of one task, budget and metric. Seeds
share their test patients: the second test tells whether training again would give the same order,
not whether other patients would.
"""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from ecgpipe.render import PLACE, Needs, arm_labels, own_scores
from ecgpipe.scores import correct_holm
from ecgpipe.tables import _text

NEEDS = ("scores", "comparisons")
METRICS = {
    "auroc": "AUROC",
    "average_precision": "AP",
    "f_beta": "F2",
    "g_beta": "G2",
    "ranking_loss": "Ranking loss (less is better)",
    "coverage_error": "Coverage (less is better)",
}
BLOCK = [*PLACE, "budget", "metric"]
FEWEST = 3  # seeds, without which a t-test says nothing
LEVEL = 0.05  # p-values up to here are printed bold


def build(needs: Needs) -> pd.DataFrame:
    """Test the macro scores of every arm against those of its `reference`, which has no test.

    `difference` is the arm's mean less the reference's over the `seeds` that both have; `low`,
    `high`, `p` and `p_holm` are of the bootstrap, `p_t` and `p_fdr` of the t-test.
    """
    scores = own_scores(needs.table("scores"), METRICS)
    scores = scores[scores["label"] == "macro"]
    arms, tables = list(arm_labels(needs.study)), []
    for block, own in scores.groupby(BLOCK):
        values = own.pivot(index="seed", columns="arm", values="value")
        if values.shape[1] > 1:
            values = values[[arm for arm in arms if arm in values]]
            tables.append(against_first(values).assign(**dict(zip(BLOCK, block, strict=True))))
    if not tables:
        raise ValueError("significance needs two arms that share a task, split and budget")
    table = pd.concat(tables, ignore_index=True)
    bootstrap = less_reference(needs.table("comparisons"))
    table = table.merge(bootstrap, how="left", on=[*BLOCK, "reference", "arm"])
    families = table.groupby(BLOCK)
    table["p_holm"] = families["p"].transform(correct, by=correct_holm)
    table["p_fdr"] = families["p_t"].transform(correct, by=stats.false_discovery_control)
    named = _text.name_lines(table, needs)
    blocks = named.groupby([*PLACE, "budget"], sort=False).ngroup()
    order = pd.DataFrame({"block": blocks, "metric": named["metric"].map(list(METRICS).index)})
    return named.loc[order.sort_values(["block", "metric"]).index].reset_index(drop=True)


def layout(table: pd.DataFrame) -> pd.DataFrame:
    """Set one line an arm and metric."""
    lines = [line for _, line in table.iterrows()]
    return pd.DataFrame(
        {
            "Task": table["place"],
            "Budget": table["labeled"],
            "Metric": table["metric"].map(METRICS),
            "Arm": table["name"],
            "Score": [_text.score(line["mean"], line["seed_sd"], np.nan, np.nan) for line in lines],
            "Difference": [_difference(line) for line in lines],
            "p, patients": [_p(line["p_holm"]) for line in lines],
            "p, seeds": [_p_over_seeds(line) for line in lines],
            "Seeds": table["seeds"].map(str),
        }
    )


def against_first(values: pd.DataFrame) -> pd.DataFrame:
    """Test each arm, a column, against the first, over the seeds, rows, that both have."""
    reference = values.columns[0]
    differences = [(values[arm] - values[reference]).dropna() for arm in values]
    table = pd.DataFrame(
        {
            "arm": list(values),
            "reference": reference,
            "mean": values.mean().to_numpy(),
            "seed_sd": values.std().to_numpy(),
            "seeds": [len(difference) for difference in differences],
            "difference": [difference.mean() for difference in differences],
            "p_t": [t_test(difference.to_numpy()) for difference in differences],
        }
    )
    table.loc[0, ["difference", "p_t"]] = np.nan
    return table


def t_test(difference: Float[np.ndarray, " seed"]) -> float:
    """Return p of a two-sided paired t-test (Student 1908); NaN where seeds are too few."""
    if len(difference) < FEWEST:
        return math.nan
    error = difference.std(ddof=1) / math.sqrt(len(difference))
    if error == 0:
        return 0.0 if difference[0] else 1.0
    return float(2 * stats.t.sf(abs(difference.mean()) / error, len(difference) - 1))


def correct(p: pd.Series, by: Callable[[np.ndarray], np.ndarray]) -> pd.Series:
    """Correct the p-values of one family; what is undefined stays so."""
    known = p.dropna()
    return pd.Series(by(known.to_numpy()), known.index).reindex(p.index)


def less_reference(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Turn what is known of `arm_a` less `arm_b` into that of an arm less its reference."""
    own = comparisons[comparisons["condition"] == "clean"]
    turned = own.assign(low=-own["high"], high=-own["low"])
    turned = turned.rename(columns={"arm_a": "reference", "arm_b": "arm"})
    return turned[[*BLOCK, "reference", "arm", "low", "high", "p"]]


def _difference(line: pd.Series) -> str:
    if line["arm"] == line["reference"]:
        return "reference"
    text = f"{line['difference']:+.3f}"
    if not math.isnan(line["low"]):
        text += f" [{line['low']:+.3f}, {line['high']:+.3f}]"
    return text.replace("-", "\N{MINUS SIGN}")


def _p_over_seeds(line: pd.Series) -> str:
    too_few = line["seeds"] < FEWEST and line["arm"] != line["reference"]
    return f"needs {FEWEST} seeds" if too_few else _p(line["p_fdr"])


def _p(value: float) -> str:
    """Write a corrected p-value, bold up to the level."""
    if math.isnan(value):
        return "–"
    text = "< 0.001" if value < 0.001 else f"{value:.3f}"
    return f"**{text}**" if value <= LEVEL else text
