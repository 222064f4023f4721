"""What each arm costs to train: parameters, bytes, seconds, memory and work.

From the start means with every pretraining that it goes on from, one after the other.
"""

from typing import Any

import pandas as pd

from ecgpipe import convergence
from ecgpipe.render import Needs, arm_labels, arm_of, budget_label, budget_order
from ecgpipe.tables import _text

NEEDS = ("costs",)
RUN = ["stage", "arm", "pretraining", "task", "split", "budget"]
SUMMED = ["seconds", "steps"]  # over rounds
LARGEST = ["trainable", "adapter_bytes", "peak_bytes", "peak_host_bytes", "flops_per_sample"]
AVERAGED = ["seconds_per_step", "samples_per_second"]
SHOWN = {
    "trainable": ("Trainable", _text.quantity),
    "adapter_bytes": ("Adapter", _text.size),
    "seconds_per_step": ("Step", _text.duration),
    "seconds": ("Total", _text.duration),
    "seconds_from_start": ("From the start", _text.duration),
    "samples_per_second": ("Samples/s", _text.quantity),
    "peak": ("Peak memory", _text.size),
    "flops_per_sample": ("FLOPs/sample", _text.quantity),
}


def build(needs: Needs) -> pd.DataFrame:
    """Add up the rounds of each run, then average the seeds; pretrainings come first."""
    costs = needs.table("costs")
    pretraining = costs["stage"] == "pretrain"
    costs = costs.assign(arm=arm_of(costs).where(~pretraining, costs["pretraining"]))
    costs[["task", "budget"]] = costs[["task", "budget"]].fillna("")
    how: dict[str, Any] = {name: (name, "sum") for name in SUMMED} | {
        name: (name, "max") for name in LARGEST
    }
    how |= {name: (name, "mean") for name in AVERAGED}
    how |= {"rounds": ("round", "nunique"), "device": ("device", _joined)}
    runs = costs.groupby([*RUN, "seed"], as_index=False).agg(**how)
    means: dict[str, Any] = {
        name: (name, "mean") for name in [*SUMMED, *LARGEST, *AVERAGED, "rounds"]
    }
    means |= {"seeds": ("seed", "nunique"), "device": ("device", _joined)}
    table = runs.groupby(RUN, as_index=False).agg(**means)
    return _in_order(add_before(table, convergence.chains(costs)), needs)


def add_before(table: pd.DataFrame, chains: dict[str, list[str]]) -> pd.DataFrame:
    """Add `seconds_from_start`: with those of all that the line goes on from."""
    own = table[table["stage"] == "pretrain"].set_index(["pretraining", "split"])["seconds"]
    whole = {
        (name, split): sum(own[stage, split] for stage in chains[name]) for name, split in own.index
    }
    places = zip(table["pretraining"], table["split"], strict=True)
    before = pd.Series([whole.get(place, 0.0) for place in places], table.index)
    itself = table["seconds"].where(table["stage"] != "pretrain", 0.0)
    return table.assign(seconds_from_start=before + itself)


def layout(table: pd.DataFrame) -> pd.DataFrame:
    """Write quantities with units; memory is the host's where no device had its own."""
    table = table.assign(peak=table["peak_bytes"].fillna(table["peak_host_bytes"]))
    columns = {
        "Task": table["task"].replace("", "pretraining"),
        "Arm": table["name"],
        "Budget": table["labeled"],
    }
    for name, (heading, write) in SHOWN.items():
        columns[heading] = [write(value) for value in table[name]]
    return pd.DataFrame({**columns, "Device": table["device"]})


def _joined(devices: pd.Series) -> str:
    return ", ".join(sorted(set(devices)))


def _in_order(table: pd.DataFrame, needs: Needs) -> pd.DataFrame:
    """Order lines as the study does, and name arms and budgets in words."""
    arms = arm_labels(needs.study)
    budgets = {"": "–"} | {
        b: budget_label(b) for b in budget_order(table["budget"][table["budget"] != ""])
    }
    tasks = ["", *dict.fromkeys(task for grid in needs.study.grids for task in grid.tasks)]
    ranks = pd.DataFrame(
        {
            "task": table["task"].map(tasks.index),
            "split": table["split"],
            "budget": table["budget"].map(list(budgets).index),
            "arm": [[*arms, arm].index(arm) for arm in table["arm"]],
            "name": table["arm"],
        }
    )
    named = table.assign(
        name=table["arm"].map(lambda arm: arms.get(arm, arm)),
        labeled=table["budget"].map(budgets),
    )
    return named.loc[ranks.sort_values(list(ranks)).index].reset_index(drop=True)
