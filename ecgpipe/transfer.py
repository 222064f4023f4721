"""Transfer against scratch: which arm from scratch each arm is held against, and what it gains.

An arm from scratch trains all weights of an untrained network of the same backbone, on the same
task, split and budget. A pretrained arm is held against that of its own recipe, where there is one;
every other arm against the first of the study: declared by the study, not chosen by its results.
Two pretrainings are of one backbone where some of their networks have the same number of
parameters.
"""

import math

import pandas as pd

from ecgpipe import convergence, studies
from ecgpipe.render import arm_of, over_seeds, own_scores, untrained
from ecgpipe.studies import Study

METRIC = "auroc"
MARGIN = 0.01  # of AUROC, declared beforehand: what differs by less is as good
AT = ["task", "split", "budget"]
DIFFERENCE = ["difference", "low", "high"]
NONE = "no arm trains a whole network of the same backbone from scratch"
UNTRAINED = "untrained"  # stands for what a network as initialised was pretrained on
TURNED = {"arm": "reference", "reference": "arm"}


def pair(study: Study, costs: pd.DataFrame) -> pd.DataFrame:
    """List the arms of a study at each task, split and budget, each with its `reference`.

    The reference of a scratch arm may be itself; it is missing where there is none. `backbone`
    names the untrained pretraining it starts from.
    """
    arms = list_arms(study)
    found = beside_scratch(arms, costs)
    scratch = from_scratch(costs)
    own = (found["recipe"] == found["recipe_scratch"]) & ~found["arm"].isin(scratch)
    ordered = found.assign(other=~own).sort_values(["other", "order"], kind="stable")
    first = ordered.drop_duplicates([*AT, "arm"])
    return arms.merge(first[[*AT, "arm", "reference", "backbone"]], how="left", on=[*AT, "arm"])


def list_arms(study: Study) -> pd.DataFrame:
    """List the arms of a study at each task, split and budget, in the order of its grids."""
    names = ["arm", "pretraining", "recipe", *AT]
    lines = [[getattr(run, name) for name in names] for run in studies.runs(study)]
    return pd.DataFrame(lines, columns=names).drop_duplicates(ignore_index=True)


def beside_scratch(arms: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """Set beside each arm all arms from scratch of its backbone at the same place, by `order`.

    Each is a `reference`, from the untrained pretraining `backbone` by `recipe_scratch`.
    """
    scratch = arms[arms["arm"].isin(from_scratch(costs))]
    scratch = scratch.rename(
        columns={"arm": "reference", "pretraining": "backbone", "recipe": "recipe_scratch"}
    )
    scratch = scratch.assign(order=range(len(scratch)))
    return arms.merge(scratch, on=AT).merge(same_backbone(costs), on=["pretraining", "backbone"])


def from_scratch(costs: pd.DataFrame) -> set[str]:
    """Name the arms that train all weights of a network that was not pretrained."""
    return whole(costs[costs["pretraining"].isin(untrained(costs))])


def whole(costs: pd.DataFrame) -> set[str]:
    """Name the arms that train all weights."""
    every = (costs["stage"] == "finetune") & (costs["trainable"] == costs["parameters"])
    return set(arm_of(costs[every]))


def frozen(costs: pd.DataFrame) -> set[str]:
    """Name the arms whose backbone is frozen: its tokens were computed once."""
    once = costs.reindex(columns=["encoding_seconds"]).notna()["encoding_seconds"]
    return set(arm_of(costs[(costs["stage"] == "finetune") & once]))


def same_backbone(costs: pd.DataFrame) -> pd.DataFrame:
    """Pair the pretrainings whose networks have, for some task, the same number of parameters.

    An adapter or another head adds parameters, but not to every recipe's network.
    """
    sizes = costs.reindex(columns=["pretraining", "task", "parameters"]).fillna({"task": ""})
    sizes = sizes.dropna().drop_duplicates()
    alike = sizes.rename(columns={"pretraining": "backbone"})
    pairs = sizes.merge(alike, on=["task", "parameters"])
    return pairs[["pretraining", "backbone"]].drop_duplicates()


def name_upstreams(pairs: pd.DataFrame) -> dict[str, str]:
    """Name what each pretraining learnt from: the words that its untrained network's name lacks.

    So `cpc-gru` beside `random-gru` is `cpc`, whichever the network.
    """
    known = pairs[["pretraining", "backbone"]].dropna().drop_duplicates("pretraining")
    names = {}
    for pretraining, backbone in known.itertuples(index=False):
        words = [word for word in pretraining.split("-") if word not in backbone.split("-")]
        names[pretraining] = "-".join(words).replace("_", "-") or pretraining
    return {name: UNTRAINED if name in set(known["backbone"]) else names[name] for name in names}


def name_downstreams(pairs: pd.DataFrame) -> pd.Series:
    """Name the task of every line, and its split where there are several."""
    several = pairs["split"].nunique() > 1
    return pairs["task"] + ", " + pairs["split"] if several else pairs["task"]


def add_differences(pairs: pd.DataFrame, comparisons: pd.DataFrame) -> pd.DataFrame:
    """Add the arm's score less its reference's, `difference`, and its interval, `low`, `high`."""
    own = comparisons[
        (comparisons["condition"] == "clean")
        & (comparisons["metric"] == METRIC)
        & (comparisons["scored_on"] == comparisons["task"])
    ].rename(columns={"arm_a": "arm", "arm_b": "reference"})
    turned = own.rename(columns=TURNED).assign(
        difference=-own["difference"], low=-own["high"], high=-own["low"]
    )
    keys = [*AT, "arm", "reference"]
    both = pd.concat([own, turned])[[*keys, *DIFFERENCE]]
    return pairs.merge(both, how="left", on=keys)


def add_scores(pairs: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Add the test scores of an arm, `mean`, and of its reference, `scratch`: means over seeds.

    Arms that were not scored on their own task go.
    """
    means = over_seeds(scores_of_runs(scores))
    own = means[[*AT, "scored_on", "arm", "mean"]]
    of_reference = means[[*AT, "arm", "mean"]]
    of_reference = of_reference.rename(columns={"arm": "reference", "mean": "scratch"})
    return pairs.merge(own, on=[*AT, "arm"]).merge(of_reference, how="left", on=[*AT, "reference"])


def scores_of_runs(scores: pd.DataFrame) -> pd.DataFrame:
    """Take the macro score of every run on its own task."""
    scores = own_scores(scores, [METRIC])
    return scores[(scores["label"] == "macro") & (scores["scored_on"] == scores["task"])]


def add_convergence(
    pairs: pd.DataFrame, histories: pd.DataFrame, costs: pd.DataFrame
) -> pd.DataFrame:
    """Add what `convergence` measures: steps, costs to scratch's best score, break-even counts.

    `pretraining_flops` and `pretraining_seconds` are the cost of the pretraining and of those it
    goes on from, `break_even_flops` and `break_even_seconds` the numbers of tasks from which on it
    pays.
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


def judge(low: float, high: float, margin: float = MARGIN) -> str:
    """Judge a difference by its interval: `as good` within the margin, else by its sign."""
    if math.isnan(low):
        return "–"
    if -margin <= low and high <= margin:
        return "as good"
    if low > 0:
        return "better"
    return "worse" if high < 0 else "undecided"
