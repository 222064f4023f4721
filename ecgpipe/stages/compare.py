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

from ecgpipe import registry, scores
from ecgpipe.predictions import Predictions, read
from ecgpipe.settings import build, parse
from ecgpipe.studies import Run, Study, runs

METRIC = "auroc"  # its macro score
CONDITION = "clean"
LEVEL = 0.05  # of Holm's p, for a win or a loss
FAMILY = ["task", "split", "budget"]


class Scored(NamedTuple):
    """The macro score of a run, on the test part and on every resample of its patients."""

    value: float
    replicates: Float[np.ndarray, " resample"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this stage."""
    parser.add_argument("--settings", required=True, help="study, as JSON")
    parser.add_argument("--results", type=Path, required=True, help="folder of all results")
    parser.add_argument("--out", type=Path, required=True, help="CSV: one line a pair of arms")


def run(*, settings: str, results: Path, out: Path) -> None:
    """Compare within each task, split, budget and task scored on."""
    metric = registry.load("metrics", METRIC)
    places: dict[tuple[str, ...], list[Run]] = {}
    for one in runs(build(Study, parse(settings)["study"], "--settings: study")):
        if CONDITION in one.conditions:
            place: tuple[str, ...] = (one.task, one.split, one.budget, one.scored_on)
            places.setdefault(place, []).append(one)
    lines: list[dict[str, Any]] = []
    for where, own in places.items():
        scored = score_runs(metric, own, results)
        about = dict(zip([*FAMILY, "scored_on"], where, strict=True))
        about |= {"condition": CONDITION, "metric": METRIC}
        lines += [about | line for line in compare_arms(scored)]
    part = out.with_name(out.name + ".part")
    judge(lines, metric.HIGHER_IS_BETTER).to_csv(part, index=False, float_format="%.6g")
    part.replace(out)


def score_runs(metric: ModuleType, own: list[Run], results: Path) -> dict[Run, Scored]:
    """Score every run once, all on the same resamples of the same test records."""
    scored: dict[Run, Scored] = {}
    for one in own:
        path = results / one.folder / "predictions" / f"{one.scored_on}.h5"
        test = _sorted(read(path, CONDITION).of("test"))
        if not scored:
            first, first_path = test, path
            weight = scores.resample_patients(test.patient)
        elif not _same_records(first, test):
            raise ValueError(
                f"{first_path} and {path} hold other test records, labels or targets; arms are "
                "compared on the same ones: predict both again, on the same task and split"
            )
        sample = scores.Sample(test.target, test.probability, np.full(len(test.labels), np.nan))
        replicates = scores.replicate(metric, sample, weight)[:, 0]
        scored[one] = Scored(float(scores.estimate(metric, sample)[0]), replicates)
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


def judge(lines: list[dict[str, Any]], higher_is_better: bool) -> pd.DataFrame:
    """Correct within each family of comparisons; say whether arm a wins."""
    columns = [*FAMILY, "scored_on", "condition", "metric", "arm_a", "arm_b"]
    columns += ["difference", "low", "high", "seed_sd", "p", "p_holm", "verdict"]
    table = pd.DataFrame(lines, columns=columns)
    table["p_holm"] = table.groupby(FAMILY)["p"].transform(
        lambda p: scores.correct_holm(p.to_numpy(float))
    )
    better = (table["difference"] > 0) == higher_is_better
    table["verdict"] = np.where(better, "win", "loss")
    table.loc[table["p_holm"] > LEVEL, "verdict"] = "tie"
    return table


def _sorted(test: Predictions) -> Predictions:
    order = np.lexsort((test.start, test.record.astype(str), test.patient.astype(str)))
    rows = ("record", "patient", "start", "part", "target", "probability")
    return replace(test, **{name: getattr(test, name)[order] for name in rows})


def _same_records(one: Predictions, other: Predictions) -> bool:
    return one.labels == other.labels and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("patient", "record", "start", "target")
    )
