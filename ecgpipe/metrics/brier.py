"""Brier score: the mean squared distance of the probability from the truth."""

import numpy as np
from jaxtyping import Float

from ecgpipe.scores import Sample, ratio

PER = "label"
HIGHER_IS_BETTER = False


def score(
    sample: Sample, weight: Float[np.ndarray, "resample record"]
) -> Float[np.ndarray, "resample label"]:
    """Score each label, absent ones too."""
    distance = sample.probability.astype(weight.dtype) - sample.target
    return ratio(weight @ distance**2, weight.sum(axis=1)[:, None])
