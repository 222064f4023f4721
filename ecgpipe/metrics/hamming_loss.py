"""Hamming loss: the share of wrong decisions at thresholds from valid."""

import numpy as np
from jaxtyping import Float

from ecgpipe.metrics._decisions import count_decisions
from ecgpipe.scores import Sample, ratio

PER = "label"
HIGHER_IS_BETTER = False


def score(
    sample: Sample, weight: Float[np.ndarray, "resample record"]
) -> Float[np.ndarray, "resample label"]:
    """Score each label; an absent label has false alarms, so it counts."""
    _, false_alarm, missed = count_decisions(sample, weight)
    return ratio(false_alarm + missed, weight.sum(axis=1)[:, None])
