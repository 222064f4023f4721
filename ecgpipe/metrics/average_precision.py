"""Average precision: the area under the precision-recall steps, without interpolation."""

import numpy as np
from jaxtyping import Float

from ecgpipe.metrics._ranking import score_labels
from ecgpipe.scores import Sample, ratio

PER = "label"
HIGHER_IS_BETTER = True


def score(
    sample: Sample, weight: Float[np.ndarray, "resample record"]
) -> Float[np.ndarray, "resample label"]:
    """Score each label; NaN without positives."""
    return score_labels(_average, sample, weight)


def _average(
    positive: Float[np.ndarray, "rank resample"],
    above: Float[np.ndarray, "rank resample"],
    reached: Float[np.ndarray, "rank resample"],
    total: Float[np.ndarray, " resample"],
) -> Float[np.ndarray, " resample"]:
    found = np.cumsum(positive, axis=0)
    precision = found / np.maximum(reached, 1)  # what weighs nothing adds nothing
    positives = positive.sum(axis=0, dtype=float)
    return ratio((positive * precision).sum(axis=0, dtype=float), positives)
