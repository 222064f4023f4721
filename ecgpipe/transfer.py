"""Transfer against scratch: which arm from scratch each arm is held against, and what it gains.

That is the first arm of the study that trains all weights of an untrained network of the same
backbone, on the same task, split and budget: declared by the study, not chosen by its results. Two
pretrainings are of one backbone where some of their networks have the same number of parameters.
"""

import pandas as pd

from ecgpipe import convergence, studies
from ecgpipe.render import arm_of, untrained
from ecgpipe.studies import Study

METRIC = "auroc"
MARGIN = 0.01  # of AUROC, declared beforehand: what differs by less is as good
AT = ["task", "split", "budget"]
NONE = "no arm trains a whole network of the same backbone from scratch"


def pair(study: Study, costs: pd.DataFrame) -> pd.DataFrame:
    """List the arms of a study at each task, split and budget, each with its `reference`.

    The reference of a scratch arm may be itself; it is missing where there is none. `backbone`
    names the untrained pretraining it starts from.
    """
    names = ["arm", "pretraining", "recipe", *AT]
    arms = pd.DataFrame(
        [[getattr(run, name) for name in names] for run in studies.runs(study)], columns=names
    ).drop_duplicates(ignore_index=True)
    scratch = arms[arms["arm"].isin(from_scratch(costs))].drop(columns="recipe")
    scratch = scratch.rename(columns={"arm": "reference", "pretraining": "backbone"})
    scratch["order"] = range(len(scratch))
    found = arms.merge(scratch, on=AT).merge(same_backbone(costs), on=["pretraining", "backbone"])
    first = found.sort_values("order").drop_duplicates([*AT, "arm"])
    return arms.merge(first[[*AT, "arm", "reference", "backbone"]], how="left", on=[*AT, "arm"])


def from_scratch(costs: pd.DataFrame) -> set[str]:
    """Name the arms that train all weights of a network that was not pretrained."""
    whole = (costs["stage"] == "finetune") & (costs["trainable"] == costs["parameters"])
    return set(arm_of(costs[whole & costs["pretraining"].isin(untrained(costs))]))


def same_backbone(costs: pd.DataFrame) -> pd.DataFrame:
    """Pair the pretrainings whose networks have, for some task, the same number of parameters.

    An adapter or another head adds parameters, but not to every recipe's network.
    """
    sizes = costs.reindex(columns=["pretraining", "task", "parameters"]).fillna({"task": ""})
    sizes = sizes.dropna().drop_duplicates()
    alike = sizes.rename(columns={"pretraining": "backbone"})
    pairs = sizes.merge(alike, on=["task", "parameters"])
    return pairs[["pretraining", "backbone"]].drop_duplicates()


def add_differences(pairs: pd.DataFrame, comparisons: pd.DataFrame) -> pd.DataFrame:
    """Add the arm's score less its reference's, `difference`, and its interval, `low`, `high`."""
    own = comparisons[
        (comparisons["condition"] == "clean")
        & (comparisons["metric"] == METRIC)
        & (comparisons["scored_on"] == comparisons["task"])
    ].rename(columns={"arm_a": "arm", "arm_b": "reference"})
    turned = own.rename(columns={"arm": "reference", "reference": "arm"}).assign(
        difference=-own["difference"], low=-own["high"], high=-own["low"]
    )
    keys = [*AT, "arm", "reference"]
    both = pd.concat([own, turned])[[*keys, "difference", "low", "high"]]
    return pairs.merge(both, how="left", on=keys)


def add_convergence(
    pairs: pd.DataFrame, histories: pd.DataFrame, costs: pd.DataFrame
) -> pd.DataFrame:
    """Add what `convergence` measures: steps, costs to scratch's best score, break-even counts.

    `pretraining_flops` and `pretraining_seconds` are the cost of the pretraining itself,
    `break_even_flops` and `break_even_seconds` the numbers of tasks from which on it pays.
    """
    curves = convergence.curves(histories, costs)
    curves = curves.assign(arm=arm_of(curves))
    of_arm = dict(list(curves.groupby(["arm", *AT])))
    nothing = curves.iloc[:0]
    lines = []
    for line in pairs.itertuples():
        own, scratch = (
            of_arm.get((arm, line.task, line.split, line.budget), nothing)
            for arm in (line.arm, line.reference)
        )
        lines.append(convergence.measure_seeds(own, scratch))
    spent = convergence.pretraining_costs(costs).add_prefix("pretraining_").reset_index()
    table = pd.concat([pairs, pd.DataFrame(lines, index=pairs.index)], axis=1)
    table = table.merge(spent, how="left", on=["pretraining", "split"])
    for cost in ("flops", "seconds"):
        columns = (table[f"pretraining_{cost}"], table[f"scratch_{cost}"], table[cost])
        table[f"break_even_{cost}"] = [
            convergence.break_even(*each) for each in zip(*columns, strict=True)
        ]
    return table
