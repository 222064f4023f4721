"""What adaptation came to, test patient by test patient: before and after, by draw and shots.

`before` is the model as it was trained, on the windows that are left to score, so that the two are
of the same windows; its thresholds come from all valid windows. Those of adapted models come from
valid patients to whom the model was adapted by as many shots of a draw of the same number. One
maximises F-beta, the other alarms once an hour at most.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ecgpipe import alarms, patients, predictions, scores
from ecgpipe.predictions import Adapted, Predictions
from ecgpipe.render import Needs
from ecgpipe.studies import Run

PLACE = ["task", "scored_on", "budget"]
WAY = ["order", "shots"]  # of labeling: in which order, how many of a class; 0 without adaptation
ROW = ["split", "seed", "draw", "patient"]
OF_RUN = ["arm", *PLACE, "split", "seed"]
COUNTED = ["windows", "positives"]
ARM_AND_STATE = ["arm", "state"]
NONE = "no arm adapts to patients: name a recipe with `personalize` in the study's grids"


def gather(needs: Needs) -> pd.DataFrame:
    """Measure the test patients of `select`'s runs: a line a patient, label, draw, shots, and run.

    Every line is there twice, its `state` `before` and `after`, which are the same where a model
    was not adapted: such a run also has lines of every window, with `order` `none`. ValueError if
    there is no run of a recipe that adapts to patients.
    """
    selected = select(needs)
    if not selected:
        raise ValueError(NONE)
    paths = {(run.folder, run.scored_on): path for run, path in selected}
    found = []
    for run, path in selected:
        own = paths.get((run.folder, run.task), path.with_name(f"{run.task}.h5"))
        told = {name: getattr(run, name) for name in OF_RUN}
        found += [lines.assign(**told) for lines in of_run(path, own)]
    return pd.concat(found, ignore_index=True)


def select(needs: Needs) -> list[tuple[Run, Path]]:
    """Take a study's runs on those tasks in which some model was adapted to patients."""
    tasks = {run.task for run, path in needs.predictions if predictions.read_adapted(path)}
    return [(run, path) for run, path in needs.predictions if run.task in tasks]


def of_run(path: Path, own: Path) -> Iterator[pd.DataFrame]:
    """Measure the test patients of one run; `own` has its predictions on its own task."""
    clean, valid = predictions.read(path), predictions.read(own)
    thresholds = choose(valid.of("valid"), clean.labels)
    adapted, same = ({one.draw: one for one in predictions.read_adapted(p)} for p in (path, own))
    if not any(one.differs(clean) for one in adapted.values()):
        about = {"order": "none", "shots": 0, "draw": "none", "labeled": 0, "lacks": False}
        lines = patients.measure(clean.of("test"), *thresholds).assign(**about)
        yield from (lines.assign(state=state) for state in ("before", "after"))
    for draw, one in adapted.items():
        before = patients.measure(one.before(clean).of("test"), *thresholds)
        before = before.assign(state="before")
        for shots in one.probability:
            own_thresholds = choose(same[draw].after(valid, shots).of("valid"), clean.labels)
            after = patients.measure(one.after(clean, shots).of("test"), *own_thresholds)
            lines = pd.concat([before, after.assign(state="after")])
            order = draw.rpartition("-")[0] or draw
            labels = count(clean, one, shots).assign(order=order, shots=shots, draw=draw)
            yield lines.merge(labels)


def choose(valid: Predictions, labels: tuple[str, ...]) -> Float[np.ndarray, "rule=2 label"]:
    """Choose the thresholds of some labels by valid patients: by F-beta, and by false alarms."""
    own = [valid.labels.index(label) for label in labels]
    best = scores.choose_thresholds(valid.target, valid.probability)
    return np.stack([best, alarms.choose_thresholds(valid)])[:, own]


def count(clean: Predictions, adapted: Adapted, shots: int) -> pd.DataFrame:
    """Count each patient's labeled windows; `lacks` tells whether all, or none, have the label."""
    labeled = (adapted.rank >= 0) & (adapted.rank < shots)
    columns = zip(clean.labels, clean.target.T, strict=True)
    return pd.concat([_count(clean.patient, labeled, *column) for column in columns])


def _count(
    patient: np.ndarray,
    labeled: Bool[np.ndarray, " row"],
    label: str,
    target: Bool[np.ndarray, " row"],
) -> pd.DataFrame:
    rows = pd.DataFrame({"patient": patient, "labeled": labeled, "present": labeled & target})
    found = rows.groupby("patient", as_index=False).sum()
    lacks = (found["present"] == 0) | (found["present"] == found["labeled"])
    return found.drop(columns="present").assign(lacks=lacks, label=label)


def summarise(lines: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """Summarise patients by arm, way of labeling and label: a line a metric.

    Splits are put together: their test patients differ. So are seeds and draws, in which a patient
    comes again. The change is from before; the difference is from the first of `arms` that ran on
    a task and budget, where it was adapted alike. Intervals are over patients, the same resamples
    for all.
    """
    by, tables = [*PLACE, *WAY, "label"], []
    ran = lines.groupby(PLACE)["arm"]
    lines = lines.assign(first=ran.transform(lambda own: min(own.unique(), key=arms.index)))
    for place, here in lines.groupby(by, sort=False):
        states = {key: own.set_index(ROW).sort_index() for key, own in here.groupby(ARM_AND_STATE)}
        for arm in here["arm"].unique():
            before, after = states[arm, "before"], states[arm, "after"]
            reference = states.get((here["first"].iloc[0], "after"), after.iloc[:0])
            own = replicates(after)
            table = spread(own).join(spread(own - replicates(before)).add_prefix("change_"))
            table = table.join(contrast(after, reference).add_prefix("difference_"))
            told = {"arm": arm, **dict(zip(by, place, strict=True)), **tell(after)}
            tables.append(table.rename_axis("metric").reset_index().assign(**told))
    return pd.concat(tables, ignore_index=True)


def contrast(own: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Summarise how far the metrics of patients are from those of the same windows elsewhere."""
    both = own.index.intersection(other.index)
    own, other = own.loc[both], other.loc[both]
    if not np.array_equal(own[COUNTED], other[COUNTED]):
        raise ValueError(
            f"{own['arm'].iloc[0]} and {other['arm'].iloc[0]} were scored on other windows: give "
            "their recipes the same shots, orders, period and guard"
        )
    return spread(replicates(own) - replicates(other))


def replicates(own: pd.DataFrame) -> pd.DataFrame:
    """Summarise patients as they are, in the first line, and as they are drawn in resamples."""
    if own.empty:
        return pd.DataFrame()
    drawn = scores.resample_patients(own.index.get_level_values("patient").to_numpy(str))
    weight = np.vstack([np.ones(len(own)), drawn])
    return pd.DataFrame(patients.summarise(own, weight))


def spread(replicates: pd.DataFrame) -> pd.DataFrame:
    """Give each metric's value and interval; what is of no patient by itself has no interval."""
    low, high = scores.INTERVAL
    if replicates.empty:
        return pd.DataFrame(columns=["value", "low", "high"], dtype=float)
    ends = replicates.iloc[1:].quantile([low, high])
    table = pd.DataFrame(
        {"value": replicates.iloc[0], "low": ends.loc[low], "high": ends.loc[high]}
    )
    table.loc[patients.POOLED, ["low", "high"]] = np.nan
    return table


def tell(after: pd.DataFrame) -> dict[str, int | float]:
    """Count the patients, those with both classes to score, and what was labeled of them."""
    patient = after.index.get_level_values("patient")
    return {
        "patients": patient.nunique(),
        "both_classes": patient[after["auroc"].notna()].nunique(),
        "labeled": float(after["labeled"].mean()),
        "lacking": patient[after["lacks"]].nunique(),
    }
