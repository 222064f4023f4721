"""Recordings that were filled with zeros on both sides to one length."""

import numpy as np
from jaxtyping import Float


def without_padding(tracing: Float[np.ndarray, "time lead"]) -> Float[np.ndarray, "lead kept"]:
    """Cut off the zeros before and after a recording, as float32; one of zeros alone is kept."""
    recorded = np.flatnonzero(tracing.any(axis=1))
    if len(recorded):
        tracing = tracing[recorded[0] : recorded[-1] + 1]
    return np.ascontiguousarray(tracing.T, np.float32)
