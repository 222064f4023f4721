"""What came of the links of a chain, and of all of them together."""

import math
from dataclasses import dataclass
from typing import Any

from ecgpipe import outcomes
from ecgpipe.model import Classifier
from ecgpipe.outcomes import History
from ecgpipe.pretraining import Learnt
from ecgpipe.scores import Measured

MEASURE = "valid_probe"


@dataclass
class Link:
    """What came of one pretext at one place of the chain."""

    place: int  # from 1
    pretext: str
    rate: float
    loss: float
    gain: float
    standard_error: float
    valid_probe: float
    cost: dict[str, Any]
    kept: bool = False


def sum_up(
    chain: Classifier,
    tried: list[Link],
    probed: tuple[Measured, Measured],
    labels: tuple[str, ...],
) -> Learnt:
    """Put together what the links came to; `probed` are the chain's encoders, first and last."""
    start, end = (float(measured.value[0]) for measured in probed)
    history = tell(tried, start)
    kept = [link for link in tried if link.kept]
    cost = outcomes.add_up([link.cost for link in tried]) | {
        "best_step": max(row["step"] for row in history if row["kept"]),
        "best_score": end,
        "kept_steps": sum(link.cost["steps"] for link in kept),
        "links": len(tried),
    }
    same = {"labels": [], "probed": list(labels)}
    seen = tuple({"objective": link.pretext, "steps": link.cost["steps"], **same} for link in kept)
    return Learnt(chain, history, cost, MEASURE, seen, {"chain": [link.pretext for link in kept]})


def tell(tried: list[Link], start: float) -> History:
    """Write a line for the encoder started from and for every link; what they took adds up."""
    nothing = {"steps": 0, "seconds_per_step": 0.0, "flops_per_step": 0.0}
    first = Link(0, "start", math.nan, math.nan, math.nan, math.nan, start, nothing, kept=True)
    history: History = []
    spent = {"step": 0, "seconds": 0.0, "flops": 0.0}
    for link in [first, *tried]:
        steps = link.cost["steps"]
        spent["step"] += steps
        spent["seconds"] += steps * link.cost["seconds_per_step"]
        spent["flops"] += steps * link.cost["flops_per_step"]
        told = {key: value for key, value in vars(link).items() if key != "cost"}
        history.append(spent | told)
    return history
