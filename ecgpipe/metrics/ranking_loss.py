"""Ranking loss: the share of a record's (present, absent) label pairs ordered wrongly or tied."""

import numpy as np
from jaxtyping import Float

from ecgpipe.scores import Sample, ratio

PER = "record"
HIGHER_IS_BETTER = False


def score(
    sample: Sample, weight: Float[np.ndarray, "resample record"]
) -> Float[np.ndarray, " resample"]:
    """Average over records; one with all labels, or none, has no pair and loses nothing."""
    wrong = np.zeros(len(sample.target), weight.dtype)
    for label, present in enumerate(sample.target.T):
        rival = sample.probability[present] >= sample.probability[present, label, None]
        wrong[present] += (rival & ~sample.target[present]).sum(axis=1)
    pairs = sample.target.sum(axis=1) * (~sample.target).sum(axis=1)
    return ratio(weight @ (wrong / np.maximum(pairs, 1)), weight.sum(axis=1))
