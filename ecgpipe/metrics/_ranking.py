"""Where the positives of a label stand among all records, for every resample at once.

Sorting once is enough: a resample only changes how much each record weighs. Between two positives
nothing needs to be told apart, so the records there are summed first.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy.sparse import csr_array

from ecgpipe.scores import Sample


def score_labels(
    score: Callable[..., np.ndarray], sample: Sample, weight: Float[np.ndarray, "resample record"]
) -> Shaped[np.ndarray, "resample label"]:
    """Call `score(positive, above, reached, total)` for each label; see `rank_positives`."""
    by_record = np.ascontiguousarray(weight.T)
    total = by_record.sum(axis=0)
    columns = zip(sample.target.T, sample.probability.T, strict=True)
    return np.column_stack(
        [score(*rank_positives(*column, by_record), total) for column in columns]
    )


def rank_positives(
    target: Bool[np.ndarray, " record"],
    probability: Float[np.ndarray, " record"],
    weight: Float[np.ndarray, "record resample"],
) -> tuple[Float[np.ndarray, "rank resample"], ...]:
    """Weigh, for each distinct score of a positive: positives at it, records above, at or above."""
    scores, rank = np.unique(-probability[target], return_inverse=True)
    positive = _sum_groups(rank, len(scores), weight[target])
    # even: strictly between two scores; odd: one of the scores
    place = np.searchsorted(scores, -probability) + np.searchsorted(
        scores, -probability, side="right"
    )
    cumulative = np.cumsum(_sum_groups(place, 2 * len(scores) + 1, weight), axis=0)
    return positive, cumulative[:-1:2], cumulative[1::2]


def _sum_groups(
    group: Int[np.ndarray, " record"], groups: int, weight: Float[np.ndarray, "record resample"]
) -> Float[np.ndarray, "group resample"]:
    order = np.argsort(group, kind="stable")
    start = np.searchsorted(group[order], np.arange(groups + 1))
    return (
        csr_array((np.ones(len(order), weight.dtype), order, start), (groups, len(order))) @ weight
    )
