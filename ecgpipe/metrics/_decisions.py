"""Right and wrong decisions at each label's threshold, for every resample at once."""

import numpy as np
from jaxtyping import Float

from ecgpipe.scores import Sample


def count_decisions(
    sample: Sample, weight: Float[np.ndarray, "resample record"]
) -> tuple[Float[np.ndarray, "resample label"], ...]:
    """Weigh the true positives, the false positives and the false negatives."""
    decided = sample.probability >= sample.threshold
    truth = (decided & sample.target, decided & ~sample.target, ~decided & sample.target)
    return tuple(weight @ cell.astype(weight.dtype) for cell in truth)
