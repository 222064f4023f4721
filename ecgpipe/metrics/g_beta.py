"""G-beta of the PhysioNet Challenge, TP / (TP + FP + beta FN), at thresholds from valid."""

import numpy as np
from jaxtyping import Float

from ecgpipe.metrics._decisions import count_decisions
from ecgpipe.scores import Sample, ratio

PER = "label"
HIGHER_IS_BETTER = True
BETA = 2


def score(
    sample: Sample, weight: Float[np.ndarray, "resample record"]
) -> Float[np.ndarray, "resample label"]:
    """Score each label; NaN without positives."""
    true, false_alarm, missed = count_decisions(sample, weight)
    g_beta = ratio(true, true + false_alarm + BETA * missed)
    return np.where(true + missed > 0, g_beta, np.nan)
