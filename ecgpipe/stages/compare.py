"""Compare every pair of arms: paired over patients, seeds apart, corrected, win, tie or loss."""

import argparse
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from ecgpipe import registry, scores, writing
from ecgpipe.predictions import Predictions, read
from ecgpipe.settings import build, parse
from ecgpipe.studies import Run, Study, runs

# their macro scores: what is published for CE-SSL (Zhou et al. 2024)
METRICS = ("auroc", "average_precision", "f_beta", "g_beta", "ranking_loss", "coverage_error")
CONDITION = "clean"
LEVEL = 0.05  # of Holm's p, for a win or a loss
PLACE = ["task", "split", "budget", "scored_on"]
FAMILY = ["task", "split", "budget", "metric"]


class Scored(NamedTuple):
    """A macro score of a run, on the test part and on every resample of its patients."""

    value: float
    replicates: Float[np.ndarray, " resample"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this stage."""
    parser.add_argument("--settings", required=True, help="study, as JSON")
    parser.add_argument("--results", type=Path, required=True, help="folder of all results")
    parser.add_argument("--out", type=Path, required=True, help="CSV: one line a pair of arms")


def run(*, settings: str, results: Path, out: Path) -> None:
    """Compare by every metric within each task, split, budget and task scored on."""
    metrics = {name: registry.load("metrics", name) for name in METRICS}
    places: dict[tuple[str, ...], list[Run]] = {}
    for one in runs(build(Study, parse(settings)["study"], "--settings: study")):
        if CONDITION in one.conditions:
            place: tuple[str, ...] = (one.task, one.split, one.budget, one.scored_on)
            places.setdefault(place, []).append(one)
    lines: list[dict[str, Any]] = []
    for where, own in places.items():
        scored = score_runs(metrics, own, results)
        about = dict(zip(PLACE, where, strict=True)) | {"condition": CONDITION}
        for name in metrics:
            arms = compare_arms({one: found[name] for one, found in scored.items()})
            lines += [about | {"metric": name} | line for line in arms]
    higher_is_better = {name: metric.HIGHER_IS_BETTER for name, metric in metrics.items()}
    with writing.whole(out) as part:
        judge(lines, higher_is_better).to_csv(part, index=False, float_format="%.6g")


def score_runs(
    metrics: dict[str, ModuleType], own: list[Run], results: Path
) -> dict[Run, dict[str, Scored]]:
    """Score every run once, all on the same resamples of the same test records."""
    scored: dict[Run, dict[str, Scored]] = {}
    for one in own:
        folder = results / one.folder / "predictions"
        path = folder / f"{one.scored_on}.h5"
        test = _sorted(read(path, CONDITION).of("test"))
        if not scored:
            first, first_path = test, path
            weight = scores.resample_patients(first.patient)
        elif not _same_records(first, test):
            raise ValueError(
                f"{first_path} and {path} hold other test records, labels or targets; arms are "
                "compared on the same ones: predict both again, on the same task and split"
            )
        threshold = _thresholds(folder / f"{one.task}.h5", test.labels)
        scored[one] = {  # of the labels, which are most of it, nothing is kept
            name: Scored(float(measured.value[0]), measured.replicates[:, 0].copy())
            for name, measured in scores.measure(metrics, test, threshold, weight).items()
        }
    return scored


def compare_arms(scored: dict[Run, Scored]) -> list[dict[str, Any]]:
    """Take the difference of each pair of arms over the seeds that both have."""
    arms: dict[str, dict[int, Scored]] = {}
    for one, score in scored.items():
        arms.setdefault(one.arm, {})[one.seed] = score
    lines = []
    for (name_a, a), (name_b, b) in combinations(arms.items(), 2):
        seeds = sorted(set(a) & set(b))
        if not seeds:
            raise ValueError(f"{name_a} and {name_b} share no seed; see the grids of the study")
        by_seed = np.array([a[seed].value - b[seed].value for seed in seeds])
        replicates = np.mean([a[seed].replicates - b[seed].replicates for seed in seeds], axis=0)
        low, high, p = scores.judge_difference(float(by_seed.mean()), replicates)
        lines.append(
            {
                "arm_a": name_a,
                "arm_b": name_b,
                "difference": by_seed.mean(),
                "low": low,
                "high": high,
                "seed_sd": by_seed.std(ddof=1) if len(seeds) > 1 else np.nan,
                "p": p,
            }
        )
    return lines


def judge(lines: list[dict[str, Any]], higher_is_better: dict[str, bool]) -> pd.DataFrame:
    """Correct within each family of comparisons; say whether arm a wins."""
    columns = [*PLACE, "condition", "metric", "arm_a", "arm_b"]
    columns += ["difference", "low", "high", "seed_sd", "p", "p_holm", "verdict"]
    table = pd.DataFrame(lines, columns=columns)
    families = table.groupby(FAMILY)["p"]
    table["p_holm"] = families.transform(lambda p: scores.correct_holm(p.to_numpy(float)))
    better = (table["difference"] > 0) == table["metric"].map(higher_is_better)
    table["verdict"] = np.where(better, "win", "loss")
    table.loc[table["p_holm"] > LEVEL, "verdict"] = "tie"
    return table


def _thresholds(own: Path, labels: tuple[str, ...]) -> Float[np.ndarray, " label"]:
    """Choose on the run's own valid part, as evaluate does."""
    valid = read(own, CONDITION).of("valid")
    chosen = scores.choose_thresholds(valid.target, valid.probability)
    found = dict(zip(valid.labels, chosen.tolist(), strict=True))
    return np.array([found[label] for label in labels])


def _sorted(test: Predictions) -> Predictions:
    order = np.lexsort((test.start, test.record.astype(str), test.patient.astype(str)))
    rows = ("record", "patient", "start", "part", "target", "probability")
    return replace(test, **{name: getattr(test, name)[order] for name in rows})


def _same_records(one: Predictions, other: Predictions) -> bool:
    return one.labels == other.labels and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("patient", "record", "start", "target")
    )
