"""Calibration intercept: what all logits lack for the mean probability to be right; best 0.

The slope is held at 1: this is calibration in the large (Cox 1958).
"""

import numpy as np
from jaxtyping import Float

from ecgpipe.metrics._recalibration import logits, recalibrate
from ecgpipe.scores import Sample

PER = "label"
HIGHER_IS_BETTER = None


def score(
    sample: Sample, weight: Float[np.ndarray, "resample record"]
) -> Float[np.ndarray, "resample label"]:
    """Score each label; NaN without positives or without negatives."""
    positives = weight @ sample.target.astype(weight.dtype)
    solvable = (positives > 0) & (positives < weight.sum(axis=1)[:, None])
    logit = logits(sample).astype(weight.dtype)
    columns = zip(sample.target.T, np.ascontiguousarray(logit.T), solvable.T, strict=True)
    fitted = [
        recalibrate(target, logit, np.ones_like(logit)[:, None], weight, rows)[:, 0]
        for target, logit, rows in columns
    ]
    return np.column_stack(fitted)
