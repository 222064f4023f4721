"""Coverage error: how far down its ranked labels a record's last present one stands."""

import numpy as np
from jaxtyping import Float

from ecgpipe.scores import Sample, ratio

PER = "record"
HIGHER_IS_BETTER = False


def score(
    sample: Sample, weight: Float[np.ndarray, "resample record"]
) -> Float[np.ndarray, " resample"]:
    """Average over records; one without labels needs no step."""
    lowest = np.where(sample.target, sample.probability, np.inf).min(axis=1, keepdims=True)
    depth = (sample.probability >= lowest).sum(axis=1)
    return ratio(weight @ depth.astype(weight.dtype), weight.sum(axis=1))
