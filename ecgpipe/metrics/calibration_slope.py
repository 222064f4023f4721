"""Calibration slope (Cox 1958): what to multiply logits by; best 1, below it they are too sure."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from ecgpipe.metrics._ranking import score_labels
from ecgpipe.metrics._recalibration import logits, recalibrate
from ecgpipe.scores import Sample

PER = "label"
HIGHER_IS_BETTER = None


def score(
    sample: Sample, weight: Float[np.ndarray, "resample record"]
) -> Float[np.ndarray, "resample label"]:
    """Score each label; NaN without overlap of positives and negatives: no slope is best."""
    logit = logits(sample).astype(weight.dtype)
    solvable = score_labels(_overlap, replace(sample, probability=logit), weight)
    columns = zip(sample.target.T, np.ascontiguousarray(logit.T), solvable.T, strict=True)
    return np.column_stack([_slope(*column, weight) for column in columns])


def _slope(
    target: Bool[np.ndarray, " record"],
    logit: Float[np.ndarray, " record"],
    solvable: Bool[np.ndarray, " resample"],
    weight: Float[np.ndarray, "resample record"],
) -> Float[np.ndarray, " resample"]:
    design = np.column_stack([np.ones_like(logit), logit - logit.mean()])
    return 1 + recalibrate(target, logit, design, weight, solvable)[:, 1]


def _overlap(
    positive: Float[np.ndarray, "rank resample"],
    above: Float[np.ndarray, "rank resample"],
    reached: Float[np.ndarray, "rank resample"],
    total: Float[np.ndarray, " resample"],
) -> Bool[np.ndarray, " resample"]:
    """Tell where some negative lies above a positive and some below one."""
    found = np.cumsum(positive, axis=0)
    negatives_above = above - (found - positive)
    negatives_below = (total - reached) - (positive.sum(axis=0) - found)
    return (positive * negatives_above).any(axis=0) & (positive * negatives_below).any(axis=0)
