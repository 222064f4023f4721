"""F-beta at thresholds from valid; beta 2 counts a missed positive four times a false alarm."""

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
    f_beta = ratio((1 + BETA**2) * true, (1 + BETA**2) * true + false_alarm + BETA**2 * missed)
    return np.where(true + missed > 0, f_beta, np.nan)
