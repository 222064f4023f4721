"""Where models look, and how robust they are: enrichment of regions beside losses of AUROC.

What is printed is by the study's first attribution; the numbers hold the others too. More relevance
in the right place is no proof that a model holds elsewhere, so both stand side by side.
"""

import pandas as pd

from ecgpipe import enrichment
from ecgpipe.enrichment import AT, CONFOUNDING, EVERY, EXPECTED, SURE, UNITED, WHAT
from ecgpipe.expected_regions import expected
from ecgpipe.render import Needs, arm_of, over_seeds, own_scores
from ecgpipe.settings import Condition
from ecgpipe.tables import _text

NEEDS = ("scores", "conditions", "attributions")
METRIC = "auroc"
RUN = ["pretraining", "recipe", "task", "split", "budget", "seed"]
TRAINED = ["arm", "task", "split", "budget"]
SHOWN = {EXPECTED: "Expected regions", "QRS": "QRS", CONFOUNDING: "TP and padding"}
ROBUST = {METRIC: "AUROC", "elsewhere": "Lost elsewhere", "noise": "Lost under noise"}
ROW = ["place", "labeled", "name"]


def build(needs: Needs) -> pd.DataFrame:
    """Summarise patients by arm, place, label, attribution, region and measure.

    `difference` is from the first arm that was explained. Lines without a region hold the macro
    AUROC, and what is lost of it on other tasks and under noise: means over seeds.
    """
    patients = enrichment.gather(needs)
    table = enrichment.summarise(patients, first=needs.attributions[0][0].arm)
    pairs = zip(table["label"], table["region"], strict=True)
    table["expected"] = [is_expected(label, region) for label, region in pairs]
    explained = table[["arm", *AT]].drop_duplicates()
    facts = robustness(needs.table("scores"), needs.conditions or {})
    table = pd.concat([table, *(explained.merge(each) for each in facts)], ignore_index=True)
    return _text.name_lines(_in_order(table, list(patients["attribution"].unique())), needs)


def layout(table: pd.DataFrame) -> pd.DataFrame:
    """Set one line an arm and task scored on, labels pooled.

    Beside an enrichment and its interval stands what the two nulls give.
    """
    rows = []
    for place, own in table.groupby(ROW, sort=False):
        looks = own[(own["measure"] == "enrichment") & (own["label"] == EVERY)]
        looks = looks[looks["attribution"] == looks["attribution"].iloc[0]]
        lines = {(line["among"], line["region"]): line for _, line in looks.iterrows()}
        losses = own[own["region"].isna()].set_index("measure")["value"]
        rows.append(
            dict(zip(("Task", "Budget", "Arm"), place, strict=True))
            | {"By": looks["attribution"].iloc[0].replace("_", " ")}
            | {f"{name} (nulls)": _ratio(lines.get((EVERY, at))) for at, name in SHOWN.items()}
            | {"Expected, from the first arm": _difference(lines.get((EVERY, EXPECTED)))}
            | {"Expected, where sure (nulls)": _ratio(lines.get((SURE, EXPECTED)))}
            | {name: _text.number(losses.get(of, float("nan"))) for of, name in ROBUST.items()}
        )
    return pd.DataFrame(rows)


def is_expected(label: str, region: str) -> str:
    """Say whether a region was declared for a label; of labels pooled, none is by itself."""
    if label == EVERY and region != EXPECTED:
        return ""
    return "yes" if region == EXPECTED or region in expected(label) else "no"


def robustness(scores: pd.DataFrame, conditions: dict[str, Condition]) -> list[pd.DataFrame]:
    """Give the macro AUROC where a run is scored, and what it loses elsewhere and under noise."""
    own = own_scores(scores, [METRIC])
    means = over_seeds(own[own["label"] == "macro"]).rename(columns={"mean": "value"})
    noise = [name for name, condition in conditions.items() if condition.noise is not None]
    return [
        means[["arm", *AT, "value", "low", "high", "seed_sd"]].assign(measure=METRIC),
        lost_elsewhere(own).assign(measure="elsewhere"),
        lost_under_noise(scores, noise).assign(measure="noise"),
    ]


def lost_elsewhere(own: pd.DataFrame) -> pd.DataFrame:
    """Average what AUROC falls by on the other tasks a run is scored on, over labels of both."""
    labels = own[own["label"] != "macro"]
    here = labels["scored_on"] == labels["task"]
    by = [*RUN, "label"]
    both = labels[~here].merge(labels[here], on=by, suffixes=("_there", ""))
    both = both.assign(arm=arm_of(both), lost=both["value"] - both["value_there"])
    tasks = both.groupby([*TRAINED, "scored_on_there"])["lost"].mean()
    return tasks.groupby(TRAINED).mean().rename("value").reset_index()


def lost_under_noise(scores: pd.DataFrame, noise: list[str]) -> pd.DataFrame:
    """Average what noise takes from the macro AUROC of a run on its own task."""
    macro = (scores["metric"] == METRIC) & (scores["label"] == "macro")
    own = scores[macro & scores["condition"].isin(noise) & (scores["scored_on"] == scores["task"])]
    own = own.assign(arm=arm_of(own), value=-own.reindex(columns=["change"])["change"])
    return own.groupby(TRAINED)["value"].mean().reset_index()


def _in_order(table: pd.DataFrame, attributions: list[str]) -> pd.DataFrame:
    """Order the lines of an arm: labels pooled first, attributions and regions as declared."""
    ranks = {"attribution": attributions, "region": UNITED, "among": (EVERY, SURE)}

    def rank(column: pd.Series) -> pd.Series:
        if column.name == "label":
            return column.where(column != EVERY, "")
        order = ranks.get(str(column.name))
        return column if order is None else column.map(dict(zip(order, range(99), strict=False)))

    return table.sort_values(WHAT, key=rank, kind="stable")


def _ratio(line: pd.Series | None) -> str:
    """Write `1.83 [1.70, 1.95] (1.01, 0.99)`: an enrichment, its interval, and both nulls."""
    if line is None:
        return "–"
    numbers = [line[name] for name in ("value", "low", "high", *enrichment.NULLS)]
    written = ["–" if pd.isna(number) else f"{number:.2f}" for number in numbers]
    return "{} [{}, {}] ({}, {})".format(*written)


def _difference(line: pd.Series | None) -> str:
    """Write how far an enrichment is from that of the first arm."""
    names = ["difference", "difference_low", "difference_high"]
    return "–" if line is None else _text.difference(*line[names])
