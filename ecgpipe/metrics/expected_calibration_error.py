"""Expected calibration error (Naeini et al. 2015): mean probability against frequency, in bins."""

import numpy as np
from jaxtyping import Float

from ecgpipe.scores import Sample, ratio

PER = "label"
HIGHER_IS_BETTER = False
BINS = 10  # of equal width


def score(
    sample: Sample, weight: Float[np.ndarray, "resample record"]
) -> Float[np.ndarray, "resample label"]:
    """Score each label, absent ones too."""
    distance = sample.probability.astype(weight.dtype) - sample.target
    bins = np.minimum(sample.probability * BINS, BINS - 1).astype(int)
    gaps = [abs(weight @ np.where(bins == place, distance, 0)) for place in np.unique(bins)]
    return ratio(np.sum(gaps, axis=0), weight.sum(axis=1)[:, None])
