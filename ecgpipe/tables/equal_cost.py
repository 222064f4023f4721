"""Quality at equal cost: scratch with the operations that pretraining took, beside transfer.

Every arm is held against an arm from scratch of the same backbone at the same place: the dearest
of those that take no more operations than it does, its pretraining included. Every trial of a
search for the learning rate counts, as if each took as many steps as the one that was kept. To
have a rival of equal cost, a study trains from scratch for longer too.
"""

import pandas as pd

from ecgpipe import convergence, transfer
from ecgpipe.convergence import ENCODING, RUN
from ecgpipe.render import Needs, arm_labels, arm_of
from ecgpipe.tables import _text
from ecgpipe.transfer import AT, DIFFERENCE, judge

NEEDS = ("scores", "comparisons", "costs", "histories")
SLACK = 1.05  # times an arm's operations still count as no more
SPENT = ["seconds", "flops"]
NOBODY = "none as cheap"


def build(needs: Needs) -> pd.DataFrame:
    """Hold each arm against its `reference`, the arm from scratch that costs most but no more.

    `flops` and `seconds` (of training, without validation) are medians over seeds; those of the
    reference are called `reference_flops` and `reference_seconds`.
    """
    costs = needs.table("costs")
    arms = transfer.list_arms(needs.study)
    spent = add_up(needs.table("histories"), costs)
    beside = transfer.beside_scratch(arms, costs)
    if beside.empty:
        raise ValueError(f"equal_cost: {transfer.NONE}; add such an arm to the study's grids")
    table = arms.merge(spent, on=[*AT, "arm"]).merge(
        choose_rivals(beside, spent), how="left", on=[*AT, "arm"]
    )
    table = transfer.add_differences(table, needs.table("comparisons"))
    table = transfer.add_scores(table, needs.table("scores"))
    table["verdict"] = [judge(*ends) for ends in zip(table["low"], table["high"], strict=True)]
    table.loc[table["arm"] == table["reference"], "verdict"] = "reference"
    names = arm_labels(needs.study)
    return _text.name_lines(table.assign(rival=table["reference"].map(names)), needs)


def layout(table: pd.DataFrame) -> pd.DataFrame:
    """Set one line an arm."""
    lines = [line for _, line in table.iterrows()]
    return pd.DataFrame(
        {
            **_text.heading(table),
            "AUROC": [_text.number(value) for value in table["mean"]],
            "FLOPs": [_text.quantity(value) for value in table["flops"]],
            "Seconds": [_text.quantity(value) for value in table["seconds"]],
            "From scratch": table["rival"].fillna(NOBODY),
            "its AUROC": [_text.number(value) for value in table["scratch"]],
            "its FLOPs": [_text.quantity(value) for value in table["reference_flops"]],
            "its seconds": [_text.quantity(value) for value in table["reference_seconds"]],
            "Difference": [_text.difference(*line[DIFFERENCE]) for line in lines],
            "Verdict": table["verdict"],
        }
    )


def add_up(histories: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """Add up what each arm took at each place, from its pretraining on: medians over seeds.

    Tokens of a frozen backbone are computed once for all trials.
    """
    ends = convergence.curves(histories, costs).groupby(RUN)[SPENT].max()
    own = costs[costs["stage"] == "finetune"].reindex(columns=[*RUN, "trials", *ENCODING])
    told = own.fillna({"trials": 1} | dict.fromkeys(ENCODING, 0.0)).groupby(RUN)
    trials, once = told["trials"].max(), told[ENCODING].sum().set_axis(SPENT, axis=1)
    runs = ((ends - once).mul(trials, axis=0) + once).reset_index()
    place = ["pretraining", "recipe", *AT]
    finetuning = runs.groupby(place)[SPENT].median().reset_index()
    before = convergence.pretraining_costs(costs)[SPENT].reindex(
        pd.MultiIndex.from_frame(finetuning[["pretraining", "split"]]), fill_value=0.0
    )
    finetuning[SPENT] += before.to_numpy()
    return finetuning.assign(arm=arm_of(finetuning))[["arm", *AT, *SPENT]]


def choose_rivals(beside: pd.DataFrame, spent: pd.DataFrame) -> pd.DataFrame:
    """Choose for each arm, of those from scratch beside it, the dearest that costs no more.

    One that costs only more has no line.
    """
    renamed = {"arm": "reference"} | {name: f"reference_{name}" for name in SPENT}
    found = beside[[*AT, "arm", "reference"]].merge(spent, on=[*AT, "arm"])
    found = found.merge(spent.rename(columns=renamed), on=[*AT, "reference"])
    found = found[found["reference_flops"] <= SLACK * found["flops"]]
    found = found.assign(itself=found["arm"] == found["reference"])
    ordered = found.sort_values(["itself", "reference_flops"], kind="stable")
    chosen = ordered.drop_duplicates([*AT, "arm"], keep="last")
    return chosen[[*AT, "arm", "reference", "reference_flops", "reference_seconds"]]
