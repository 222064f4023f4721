"""Scores: thresholds from valid, a bootstrap of patients, intervals, and the long table of a run.

Every arm scored on the same test patients meets the same resamples, so differences between arms are
paired, and a label that loses its positives in a resample is skipped there for every arm alike.
"""

import math
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float32, Int

from ecgpipe.predictions import Predictions

RESAMPLES = 1000
SEED = 0  # of the resamples: one set for every run, so that differences pair
INTERVAL = (0.025, 0.975)
BETA = 2.0  # thresholds are chosen for recall, as in the PhysioNet Challenge and CE-SSL
UNDECIDED = 0.5  # the threshold of a label without positives in valid
MACRO = "macro"
TINY = 1e-12  # no spread is narrower, so that nothing is divided by zero


@dataclass(frozen=True)
class Sample:
    """What a metric sees of the test part."""

    target: Bool[np.ndarray, "record label"]
    probability: Float[np.ndarray, "record label"]
    threshold: Float[np.ndarray, " label"]  # present from here on, chosen on valid


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide; NaN where there is nothing to divide by."""
    undefined = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator > 0)


def choose_thresholds(
    target: Bool[np.ndarray, "record label"], probability: Float[np.ndarray, "record label"]
) -> Float[np.ndarray, " label"]:
    """Give each label the probability that maximises F-beta; the highest, if several do."""
    columns = zip(target.T, probability.T, strict=True)
    return np.array([_threshold(positive, scores) for positive, scores in columns])


def _threshold(
    positive: Bool[np.ndarray, " record"], scores: Float[np.ndarray, " record"]
) -> float:
    if not positive.any():
        return UNDECIDED
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # of its equals: they are decided together
    found = np.cumsum(positive[order])[last]
    decided = np.flatnonzero(last) + 1
    f_beta = (1 + BETA**2) * found / (BETA**2 * positive.sum() + decided)
    return float(scores[order][last][np.argmax(f_beta)])


def resample_patients(
    patient: np.ndarray, *, seed: int = SEED, resamples: int = RESAMPLES
) -> Float32[np.ndarray, "resample record"]:
    """Draw patients with replacement; a record's weight is how often its patient was drawn."""
    names, of_record = np.unique(patient, return_inverse=True)
    drawn = np.random.default_rng(seed).integers(len(names), size=(resamples, len(names)))
    drawn += len(names) * np.arange(resamples)[:, None]
    times = np.bincount(drawn.ravel(), minlength=resamples * len(names))
    of_patient = times.reshape(resamples, len(names)).astype(np.float32)
    return np.take(of_patient, of_record, axis=1)  # rows stay contiguous, unlike indexed


def average(per_label: Float[np.ndarray, "resample label"]) -> Float[np.ndarray, " resample"]:
    """Average each resample over the labels that are defined in it."""
    return ratio(np.nansum(per_label, axis=1), (~np.isnan(per_label)).sum(axis=1))


def replicate(
    metric: ModuleType, sample: Sample, weight: Float[np.ndarray, "resample record"]
) -> Float[np.ndarray, "resample score"]:
    """Score every resample: the macro score, or the only one, then the labels'."""
    scores = metric.score(sample, weight)
    if metric.PER == "record":
        return scores[:, None]
    return np.column_stack([average(scores), scores])


def estimate(metric: ModuleType, sample: Sample) -> Float[np.ndarray, " score"]:
    """Score the test part as it is, in the same order."""
    return replicate(metric, sample, np.ones((1, len(sample.target))))[0]


@dataclass(frozen=True)
class Measured:
    """A metric on the test part as it is, and on every resample of its patients; macro first."""

    value: Float[np.ndarray, " score"]
    replicates: Float[np.ndarray, "resample score"]


def measure(
    metrics: dict[str, ModuleType],
    test: Predictions,
    threshold: Float[np.ndarray, " label"],
    weight: Float[np.ndarray, "resample record"],
) -> dict[str, Measured]:
    """Score the test part with every metric, on the same resamples of its patients."""
    sample = Sample(test.target, test.probability, threshold)
    return {
        name: Measured(estimate(metric, sample), replicate(metric, sample, weight))
        for name, metric in metrics.items()
    }


def table(measured: dict[str, Measured], test: Predictions) -> pd.DataFrame:
    """One line a score, the macro score's and then the labels', with its interval."""
    positives = test.target.sum(axis=0)
    tables = [_lines(name, scored, positives, test.labels) for name, scored in measured.items()]
    return pd.concat(tables, ignore_index=True)


def change_table(disturbed: dict[str, Measured], clean: dict[str, Measured]) -> pd.DataFrame:
    """One line a metric: how the macro score of the same records changed from `clean`, paired."""
    lines = []
    for name, scored in disturbed.items():
        paired = pd.Series(scored.replicates[:, 0] - clean[name].replicates[:, 0])
        low, high = paired.quantile(INTERVAL)
        change = scored.value[0] - clean[name].value[0]
        lines.append((name, MACRO, change, low, high))
    return pd.DataFrame(lines, columns=["metric", "label", "change", "change_low", "change_high"])


def judge_difference(
    difference: float, replicates: Float[np.ndarray, " resample"]
) -> tuple[float, float, float]:
    """Bound a paired difference, and tell how often chance alone would be as large (two-sided).

    Resamples scatter around the difference as they would around none. The p-value is that of a
    normal distribution as wide (Efron & Tibshirani 1993, ch. 13): unlike a share of 1,000
    resamples, it can be small enough to survive the correction for a hundred comparisons.
    """
    low, high = np.quantile(replicates, INTERVAL)
    if difference == 0:
        return float(low), float(high), 1.0
    spread = float(np.sqrt(np.mean((replicates - difference) ** 2)))
    return float(low), float(high), math.erfc(abs(difference) / (spread * math.sqrt(2) + TINY))


def correct_holm(p: Float[np.ndarray, " comparison"]) -> Float[np.ndarray, " comparison"]:
    """Adjust the p-values of one family (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(adjusted, 1)


def _lines(
    name: str, scored: Measured, positives: Int[np.ndarray, " label"], labels: tuple[str, ...]
) -> pd.DataFrame:
    low, high = pd.DataFrame(scored.replicates).quantile(INTERVAL).to_numpy()
    absent = int(np.isnan(scored.value[1:]).sum())
    single = len(scored.value) == 1  # a metric per record
    return pd.DataFrame(
        {
            "metric": name,
            "label": [MACRO] if single else [MACRO, *labels],
            "value": scored.value,
            "low": low,
            "high": high,
            # labels averaged, or positives of the label
            "n": [len(labels) - absent, *([] if single else positives)],
            "absent": [absent, *([] if single else np.isnan(scored.value[1:]).astype(int))],
        }
    )
