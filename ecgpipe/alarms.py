"""A threshold fixed beforehand: the lowest that alarms at most once an hour where nothing is wrong.

An alarm is a stretch of windows that a threshold calls so (`patients`). A window begins one at
every threshold up to its score, but not at those at which the window before it belongs to the same.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from ecgpipe.patients import HOUR, Course, follow
from ecgpipe.predictions import Predictions

PER_HOUR = 1.0  # alarms


def choose_thresholds(valid: Predictions) -> Float[np.ndarray, " label"]:
    """Choose each label's threshold by the valid patients who do not have it.

    At it, and at any above, they have at most one alarm an hour: none in less than an hour of them.
    NaN where all have the label, and where recordings were not cut into windows.
    """
    ordered, course = follow(valid)
    columns = zip(ordered.target.T, ordered.probability.T, strict=True)
    return np.array([_threshold(course, *told) for told in columns])


def _threshold(
    course: Course, target: Bool[np.ndarray, " row"], probability: Float[np.ndarray, " row"]
) -> float:
    """Find the threshold of one label, just above the highest with too many alarms."""
    free = (course.total(target) == 0)[course.patient]
    allowed = PER_HOUR * free.sum() * course.seconds / HOUR
    if not allowed > 0:
        return np.nan
    score = probability.astype(np.float64)
    ongoing = np.minimum(score[1:], score[:-1])[(free & course.follows)[1:]]
    levels = np.unique(score[free])  # between two of them nothing changes
    alarms = _at_least(levels, score[free]) - _at_least(levels, ongoing)
    refused = levels[alarms > allowed]
    return float(np.nextafter(refused[-1], np.inf)) if len(refused) else 0.0


def _at_least(
    levels: Float[np.ndarray, " level"], values: Float[np.ndarray, " value"]
) -> Int[np.ndarray, " level"]:
    """Count the values that reach each level."""
    return len(values) - np.searchsorted(np.sort(values), levels)
