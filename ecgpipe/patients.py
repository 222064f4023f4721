"""What is measured patient by patient, of recordings cut into windows: ranks, alarms, events.

An event is a stretch of windows with a label, an alarm a stretch of windows that a threshold calls
so; both end where a window between is missing. The time to a detection runs from the beginning of
the event's first window to the end of the first window called so: no sooner is it known.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata

from ecgpipe.predictions import Predictions
from ecgpipe.scores import ratio

DECILE = 0.1
POOLED = "pooled_auroc"
HOUR = 3600.0  # seconds
TOLERANCE = 1e-3  # seconds, of a start

Rows = Bool[np.ndarray, " row"]


@dataclass(frozen=True)
class Course:
    """Windows in the order of patients, recordings and time."""

    names: np.ndarray  # of the patients, (patient,)
    patient: Int[np.ndarray, " row"]  # place among the names
    start: Float[np.ndarray, " row"]  # seconds
    follows: Rows  # the window before it in the same recording, without a gap
    seconds: float  # that a window stands for: from one to the next

    def total(self, of_row: np.ndarray) -> Float[np.ndarray, " patient"]:
        """Add up over the windows of each patient."""
        return np.bincount(self.patient, of_row.astype(float), len(self.names))

    def begins(self, on: Rows) -> Rows:
        """Tell where a stretch of windows begins."""
        return on & ~(self.follows & np.append(False, on[:-1]))


def measure(
    test: Predictions,
    threshold: Float[np.ndarray, " label"],
    limited: Float[np.ndarray, " label"],
) -> pd.DataFrame:
    """Measure each label in each patient, a line each, at two thresholds.

    `auroc` and `f1` are NaN where a patient has windows of one class only; `delay` sums, in
    seconds, over the events that were `found`; `false_alarms` are NaN where there is the label.
    `limited_` tells the same at the second threshold, that of `alarms`, and NaN if there is none.
    `pooled_auroc` is that of all windows of all patients, the same in every line. What is told in
    time is NaN where recordings were not cut into windows.
    """
    ordered, course = follow(test)
    thresholds = threshold, limited
    columns = zip(test.labels, ordered.target.T, ordered.probability.T, *thresholds, strict=True)
    tables = [_measure(course, *told).assign(label=label) for label, *told in columns]
    return pd.concat(tables, ignore_index=True)


def follow(unordered: Predictions) -> tuple[Predictions, Course]:
    """Put windows in order, and find which follow one another.

    The shortest step between two is what each lasts.
    """
    order = np.lexsort((unordered.start, unordered.record, unordered.patient))
    ordered = unordered.take(order)
    names, patient = np.unique(ordered.patient, return_inverse=True)
    same = (np.diff(patient) == 0) & (ordered.record[1:] == ordered.record[:-1])
    step = np.diff(ordered.start)
    later = step[same & (step > TOLERANCE)]
    seconds = float(later.min()) if len(later) else np.nan
    follows = np.append(False, same & (step <= seconds + TOLERANCE))
    return ordered, Course(names, patient, ordered.start, follows, seconds)


def summarise(
    patients: pd.DataFrame, weight: Float[np.ndarray, "resample patient"]
) -> dict[str, Float[np.ndarray, " resample"]]:
    """Summarise one label over patients, each of whom weighs so much in each resample."""
    columns = {name: patients[name].to_numpy(float) for name in patients.select_dtypes("number")}

    def rate(numerator: str, denominator: np.ndarray) -> Float[np.ndarray, " resample"]:
        known = ~np.isnan(columns[numerator] + denominator)
        count = weight @ np.where(known, columns[numerator], 0.0)
        return ratio(count, weight @ np.where(known, denominator, 0.0))

    free = np.ones(len(patients))
    return {
        "patient_auroc": rate("auroc", free),
        "worst_decile": quantile(columns["auroc"], weight, DECILE),
        "patient_f1": rate("f1", free),
        POOLED: rate(POOLED, free),
        "sensitivity": rate("true", columns["positives"]),
        "specificity": rate("rejected", columns["windows"] - columns["positives"]),
        "false_alarms_per_hour": rate("false_alarms", columns["hours"]),
        "event_sensitivity": rate("found", columns["events"]),
        "time_to_detection": rate("delay", columns["found"]),
        "limited_patient_f1": rate("limited_f1", free),
        "limited_sensitivity": rate("limited_true", columns["positives"]),
        "limited_event_sensitivity": rate("limited_found", columns["events"]),
        "limited_false_alarms_per_hour": rate("limited_false_alarms", columns["hours"]),
    }


def quantile(
    value: Float[np.ndarray, " patient"],
    weight: Float[np.ndarray, "resample patient"],
    share: float,
) -> Float[np.ndarray, " resample"]:
    """Find the value that this share of the patients does not exceed; NaN counts for nobody."""
    order = np.argsort(value)[: np.count_nonzero(~np.isnan(value))]
    if not len(order):
        return np.full(len(weight), np.nan)
    reached = np.cumsum(weight[:, order], axis=1)
    place = (reached >= share * reached[:, -1:]).argmax(axis=1)
    return np.where(reached[:, -1] > 0, value[order][place], np.nan)


def _measure(
    course: Course,
    target: Rows,
    probability: Float[np.ndarray, " row"],
    threshold: float,
    limited: float,
) -> pd.DataFrame:
    """Measure one label."""
    windows, positives = course.total(np.ones_like(target)), course.total(target)
    ranked = {
        "patient": course.names,
        "windows": windows,
        "positives": positives,
        "auroc": _auroc(course.patient, target, probability),
        POOLED: _auroc(np.zeros_like(course.patient), target, probability).item(),
        "hours": windows * course.seconds / HOUR,
        "events": course.total(course.begins(target)),
    }
    decided = _decide(course, target, probability >= threshold)
    quiet = _decide(course, target, probability >= limited)
    known = np.nan if np.isnan(limited) else 1.0
    return pd.DataFrame(
        ranked | decided | {f"limited_{name}": known * value for name, value in quiet.items()}
    )


def _decide(course: Course, target: Rows, decided: Rows) -> dict[str, np.ndarray]:
    """Count, patient by patient, what was decided rightly and wrongly."""
    true, rejected = course.total(target & decided), course.total(~(target | decided))
    positives, negatives = course.total(target), course.total(~target)
    f1 = ratio(2 * true, 2 * true + (positives - true) + (negatives - rejected))
    alarms = course.total(course.begins(decided))
    found, delay = _events(course, target, decided)
    return {
        "true": true,
        "rejected": rejected,
        "f1": np.where((positives > 0) & (negatives > 0), f1, np.nan),
        "false_alarms": np.where(positives == 0, alarms, np.nan),
        "found": found,
        "delay": delay,
    }


def _events(
    course: Course, target: Rows, decided: Rows
) -> tuple[Float[np.ndarray, " patient"], ...]:
    """Count the events of each patient that were found, and the seconds that this took."""
    begins = course.begins(target)
    first = np.flatnonzero(begins[target])  # among the windows of events
    if not len(first):
        nothing = np.zeros(len(course.names))
        return nothing, nothing
    known = np.where(decided, course.start + course.seconds, np.inf)[target]
    found = np.logical_or.reduceat(decided[target], first)
    delay = np.where(found, np.minimum.reduceat(known, first) - course.start[begins], 0.0)
    owner, patients = course.patient[begins], len(course.names)
    return tuple(np.bincount(owner, of, patients) for of in (found, delay))


def _auroc(
    group: Int[np.ndarray, " row"], target: Rows, probability: Float[np.ndarray, " row"]
) -> Float[np.ndarray, " group"]:
    """Give each group of rows the area under its own ROC curve, by ranks; NaN without both classes.

    Groups come in order, so that ranks among all rows, group by group, are ranks within one.
    """
    count, positives = np.bincount(group), np.bincount(group, target)
    before = (np.cumsum(count) - count)[group]
    rank = rankdata(2.0 * group + probability) - before
    above = np.bincount(group, np.where(target, rank, 0.0)) - positives * (positives + 1) / 2
    return ratio(above, positives * (count - positives))
