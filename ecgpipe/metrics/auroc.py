"""Area under the ROC curve: how often a positive scores above a negative."""

import numpy as np
from jaxtyping import Float

from ecgpipe.metrics._ranking import score_labels
from ecgpipe.scores import Sample, ratio

PER = "label"
HIGHER_IS_BETTER = True


def score(
    sample: Sample, weight: Float[np.ndarray, "resample record"]
) -> Float[np.ndarray, "resample label"]:
    """Score each label; NaN without positives or without negatives."""
    return score_labels(_area, sample, weight)


def _area(
    positive: Float[np.ndarray, "rank resample"],
    above: Float[np.ndarray, "rank resample"],
    reached: Float[np.ndarray, "rank resample"],
    total: Float[np.ndarray, " resample"],
) -> Float[np.ndarray, " resample"]:
    positives = positive.sum(axis=0, dtype=float)
    outranked = (positive * (total - (above + reached) / 2)).sum(axis=0, dtype=float)
    # of all records; among themselves positives outrank each other in half of all pairs
    return ratio(outranked - positives**2 / 2, positives * (total - positives))
