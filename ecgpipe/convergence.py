"""How fast an arm learns, what that costs, and from how many tasks on its pretraining pays.

A score is reached at the first validation that shows it, so steps are known to the steps between
two validations; what is never reached takes infinitely long. Shares of a score are counted above
chance: 95 % of an AUROC of 0.90 is 0.88, for 0.855 would be reached with a ninth of the learning
undone.

A cost is that of the fit that was kept, without validation; what the search for its learning rate
took is not in it. Floating-point operations are those that `fit` counted in steps, forward and
backward, of all views of a record; see `operations` for what counts.
"""

import math

import numpy as np
import pandas as pd
from jaxtyping import Float

CHANCE = 0.5  # AUROC of what has learnt nothing
MOST = 0.95  # of scratch's best score: what is nearly as good
RUN = ["pretraining", "recipe", "task", "split", "budget", "seed"]
COSTS = ["step", "seconds", "flops"]
ENCODING = ["encoding_seconds", "encoding_flops"]  # of tokens kept, behind a frozen backbone


def curves(histories: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """Lay the rounds of each finetuning end to end; give `COSTS` so far at every validation.

    `histories` and `costs` are those that `collect` writes. The lines of a run follow each other.
    """
    encoding = costs[costs["stage"] == "finetune"].reindex(columns=[*RUN, "round", *ENCODING])
    own = histories[histories["stage"] == "finetune"].merge(
        encoding.fillna(dict.fromkeys(ENCODING, 0.0)), on=[*RUN, "round"]
    )
    own = own.sort_values([*RUN, "round", "step"], ignore_index=True)
    own[["seconds", "flops"]] += own[ENCODING].to_numpy()
    ends = own.groupby([*RUN, "round"])[COSTS].max()
    before = ends.groupby(RUN).cumsum() - ends
    rounds = pd.MultiIndex.from_frame(own[[*RUN, "round"]])
    own[COSTS] = own[COSTS] + before.reindex(rounds).to_numpy()
    return own[[*RUN, *COSTS, "valid_auroc"]]


def pretraining_costs(costs: pd.DataFrame) -> pd.DataFrame:
    """Add up what each pretraining and those it goes on from cost: columns `seconds`, `flops`.

    The index is (pretraining, split). Of each the median over its seeds is taken.
    """
    own = costs[costs["stage"] == "pretrain"].reindex(
        columns=["pretraining", "split", "steps", "seconds_per_step", "flops_per_step"]
    )
    for cost in ("seconds", "flops"):
        own[cost] = own["steps"] * own[f"{cost}_per_step"]
    alone = own.groupby(["pretraining", "split"])[["seconds", "flops"]].median()
    stages = chains(costs)
    totals = [
        alone.loc[[(stage, split) for stage in stages[name]]].sum() for name, split in alone.index
    ]
    return pd.DataFrame(totals, index=alone.index, columns=alone.columns)


def chains(costs: pd.DataFrame) -> dict[str, list[str]]:
    """List each pretraining and all that it goes on from, the last one first.

    An ensemble goes on from every copy of its members: a name stands there once a training.
    """
    own = costs[costs["stage"] == "pretrain"].reindex(columns=["pretraining", "start"])
    start = dict(own.dropna().to_numpy())
    return {name: [name, *start.get(name, "").split()] for name in own["pretraining"].unique()}


def share_of(best: float, share: float) -> float:
    """Give the score that is a share of the best one, counted above chance."""
    return CHANCE + share * (best - CHANCE)


def cost_to_reach(curve: pd.DataFrame, score: float) -> pd.Series:
    """Read from one run's curve what it took to reach a score; infinite if it never did."""
    reached = curve[curve["valid_auroc"] >= score]
    return reached[COSTS].iloc[0] if len(reached) else pd.Series(math.inf, index=COSTS)


def area(
    step: Float[np.ndarray, " validation"], score: Float[np.ndarray, " validation"], until: float
) -> float:
    """Average a learning curve over the steps from 0 to `until`: the area under it, over steps.

    Before the first validation and after the last the score is taken to stay as it is there, so
    that runs which stopped at different steps compare.
    """
    along = np.array([0.0, *step[step < until], until])
    return float(np.trapezoid(np.interp(along, step, score), along) / until)


def measure(curve: pd.DataFrame, scratch: pd.DataFrame) -> dict[str, float]:
    """Measure how one run learns against training from scratch with the same seed.

    `steps_95`, `steps_100`, `flops`, `seconds` are what it took to reach scratch's best score on
    valid, or `MOST` of it; `area` is taken over scratch's steps.
    """
    best = scratch["valid_auroc"].max()
    whole = cost_to_reach(curve, best)
    score = curve["valid_auroc"].to_numpy(float)
    return {
        "steps_95": cost_to_reach(curve, share_of(best, MOST))["step"],
        "steps_100": whole["step"],
        "flops": whole["flops"],
        "seconds": whole["seconds"],
        "area": area(curve["step"].to_numpy(float), score, float(scratch["step"].max())),
    }


def measure_seeds(curves: pd.DataFrame, scratch: pd.DataFrame) -> dict[str, float]:
    """Take medians over the seeds that an arm and scratch share; NaN if they share none.

    `reached_95` and `reached_100` count the seeds that get there, `scratch_flops` and
    `scratch_seconds` are what scratch itself took to its best score.
    """
    of_arm, of_scratch = dict(list(curves.groupby("seed"))), dict(list(scratch.groupby("seed")))
    seeds = sorted(of_arm.keys() & of_scratch.keys())
    columns = ["steps_95", "steps_100", "flops", "seconds", "area"]
    own, itself = (
        pd.DataFrame([measure(of[s], of_scratch[s]) for s in seeds], columns=columns, dtype=float)
        for of in (of_arm, of_scratch)
    )
    counts = {
        f"reached_{share}": int(np.isfinite(own[f"steps_{share}"]).sum()) for share in (95, 100)
    }
    references = {f"scratch_{name}": itself[name].median() for name in ("flops", "seconds")}
    return {**own.median().to_dict(), **counts, **references, "seeds": len(seeds)}


def break_even(pretraining: float, scratch: float, finetuned: float) -> float:
    """Count the tasks from which on pretraining once is cheaper than starting from scratch.

    N* = C_pretraining / (C_scratch - C_finetuned), the costs of one task being those to reach the
    same score; infinite where finetuning is not cheaper than scratch.
    """
    saved = scratch - finetuned
    return math.inf if saved <= 0 else pretraining / saved
