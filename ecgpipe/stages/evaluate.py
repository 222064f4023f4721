"""Score predictions: thresholds from valid, every metric on test, intervals over patients."""

import argparse
import logging
from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe import registry, scores, writing
from ecgpipe.predictions import conditions, read

log = logging.getLogger(__name__)

UNDISTURBED = "clean"  # thresholds come from here: no condition ever moves one
COLUMNS = ["condition", "metric", "label", "value", "low", "high", "n", "absent"]
COLUMNS += ["change", "change_low", "change_high"]  # from clean, of the same resamples


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this stage."""
    parser.add_argument("--predictions", type=Path, required=True, help="of one run, to score")
    parser.add_argument("--own", type=Path, required=True, help="of the run on its own task")
    parser.add_argument("--out", type=Path, required=True, help="CSV: one line a score")


def run(*, predictions: Path, own: Path, out: Path) -> None:
    """Score every condition: each label under `clean`, elsewhere the macro score and its change."""
    metrics = {name: registry.load("metrics", name) for name in registry.names("metrics")}
    chosen = _thresholds(own)
    clean = read(predictions, UNDISTURBED).of("test")
    if not len(clean.target):
        raise ValueError(f"{predictions}: no record of the test part; see the run's split")
    threshold = np.array([chosen[label] for label in clean.labels])
    weight = scores.resample_patients(clean.patient)
    undisturbed = scores.measure(metrics, clean, threshold, weight)
    tables = [scores.table(undisturbed, clean).assign(condition=UNDISTURBED)]
    for condition in conditions(predictions):
        if condition == UNDISTURBED:
            continue
        test = read(predictions, condition).of("test")
        disturbed = scores.measure(metrics, test, threshold, weight)
        changes = scores.change_table(disturbed, undisturbed)
        tables.append(scores.table(disturbed, test).merge(changes).assign(condition=condition))
    log.info("%d test records scored under %d conditions", len(clean.target), len(tables))
    with writing.whole(out) as part:
        found = pd.concat(tables).reindex(columns=COLUMNS)
        found.to_csv(part, index=False, float_format="%.6g")


def _thresholds(path: Path) -> dict[str, float]:
    """Choose on the run's own valid part: neither a condition nor another task ever moves one."""
    valid = read(path, UNDISTURBED).of("valid")
    without = np.flatnonzero(~valid.target.any(axis=0))
    if len(without):
        names = ", ".join(valid.labels[label] for label in without)
        log.info(
            "%d of %d labels have no positive in valid; their threshold is %s: %s",
            *(len(without), len(valid.labels), scores.UNDECIDED, names),
        )
    thresholds = scores.choose_thresholds(valid.target, valid.probability)
    return dict(zip(valid.labels, thresholds.tolist(), strict=True))
