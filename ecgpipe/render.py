"""What tables and figures are made of: what a study collected, and its means."""

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from ecgpipe import convergence, studies
from ecgpipe.settings import Condition, build
from ecgpipe.studies import Run, Study

COLLECTED = ("scores", "comparisons", "costs", "histories", "estimates")
SOURCES = (*COLLECTED, "conditions", "predictions", "attributions", "records")
PLACE = ["task", "split", "scored_on"]  # where a score stands; a panel of a figure
LEARNT = 0.55  # a mean AUROC that chance does not give


@dataclasses.dataclass(frozen=True)
class Needs:
    """What a table or figure may read; what its `NEEDS` does not name is left empty."""

    study: Study
    scores: pd.DataFrame | None = None
    comparisons: pd.DataFrame | None = None
    costs: pd.DataFrame | None = None
    histories: pd.DataFrame | None = None
    estimates: pd.DataFrame | None = None
    conditions: dict[str, Condition] | None = None
    predictions: tuple[tuple[Run, Path], ...] = ()
    attributions: tuple[tuple[Run, Path], ...] = ()  # CSV of explained runs; .h5 lies beside
    shards: tuple[Path, ...] = ()

    def table(self, name: str) -> pd.DataFrame:
        """Take one of the collected tables, which the plug-in must have named in its `NEEDS`."""
        frame = getattr(self, name)
        if frame is None:
            raise ValueError(f"{name} was not given; name it in the NEEDS of the table or figure")
        return frame


def gather(
    wanted: tuple[str, ...],
    told: dict[str, Any],
    results: Path,
    tables: dict[str, Path | None],
    shards: Iterable[Path] = (),
) -> Needs:
    """Read what a plug-in's `NEEDS` names, and nothing else; `told` are the stage's settings."""
    if unknown := sorted(set(wanted) - set(SOURCES)):
        raise ValueError(f"NEEDS names {', '.join(unknown)}; allowed: {', '.join(SOURCES)}")
    if absent := [name for name in wanted if name in tables and tables[name] is None]:
        raise ValueError(f"NEEDS names {', '.join(absent)}: give --{' --'.join(absent)}")
    study = build(Study, told["study"], "--settings: study")
    shards = tuple(sorted(shards)) if "records" in wanted else ()
    if "records" in wanted and not shards:
        raise ValueError("NEEDS names records: give --shards")
    frames = {name: read_table(path) for name, path in tables.items() if path and name in wanted}
    runs = studies.runs(study)
    found = {
        "predictions": [(run, _file(run, results, "predictions", "h5")) for run in runs],
        "attributions": [
            (run, _file(run, results, "attributions", "csv")) for run in runs if run.explanation
        ],
    }
    files = {name: tuple(pairs) for name, pairs in found.items() if name in wanted}
    conditions = read_conditions(told) if "conditions" in wanted else None
    return Needs(study, conditions=conditions, shards=shards, **files, **frames)


def read_conditions(told: dict[str, Any]) -> dict[str, Condition]:
    """Read how each condition of the study disturbs the signals."""
    if "conditions" not in told:
        raise ValueError("NEEDS names conditions: --settings must tell each one's settings")
    return {
        name: build(Condition, values, f"config/conditions/{name}.yaml")
        for name, values in told["conditions"].items()
    }


def read_table(path: Path) -> pd.DataFrame:
    """Read a collected table; budgets stay text (`1.0`, `10-shot`), as does a label named `NA`."""
    text = dict.fromkeys(("budget", "label", "shots", "pretext"), str)
    return pd.read_csv(path, dtype=text, keep_default_na=False, na_values=["", "nan"])


def own_scores(scores: pd.DataFrame, metrics: Iterable[str]) -> pd.DataFrame:
    """Take the scores of undisturbed signals by models that were not adapted to a patient."""
    kept = scores[scores["metric"].isin(list(metrics)) & (scores["condition"] == "clean")]
    kept = kept[kept["shots"].isna()]
    if kept.empty:
        raise ValueError(
            f"no clean scores of {', '.join(metrics)}; "
            f"there are: {', '.join(sorted(scores['metric'].unique()))}"
        )
    return kept.assign(arm=arm_of(kept))


def over_seeds(scores: pd.DataFrame, apart: tuple[str, ...] = ()) -> pd.DataFrame:
    """Average over seeds: the mean, the seeds' deviation, the mean interval of patients.

    What differs in the columns `apart` is averaged apart.
    """
    by = ["arm", *PLACE, "budget", *apart, "metric", "label"]
    return scores.groupby(by, sort=False, as_index=False).agg(
        mean=("value", "mean"),
        seed_sd=("value", "std"),
        low=("low", "mean"),
        high=("high", "mean"),
        seeds=("seed", "nunique"),
        n=("n", "max"),
        absent=("absent", "max"),
    )


def arm_of(frame: pd.DataFrame) -> pd.Series:
    """Name the arm of every line, as `Run.arm` does."""
    return frame["pretraining"] + " + " + frame["recipe"]


def budget_order(budgets: Iterable[str]) -> list[str]:
    """Order budgets from least to most labeling: shots, then records, then fractions."""

    def key(budget: str) -> tuple[int, float]:
        amount, kind = part_budget(budget)
        return ("-shot", "-records", "").index(kind), amount

    return sorted(set(budgets), key=key)


def part_budget(budget: str) -> tuple[float, str]:
    """Part a budget into its amount and its kind: `-shot`, `-records`, or none of a fraction."""
    found = re.fullmatch(r"(\d+\.?\d*)(-shot|-records|)", budget)
    if not found:
        raise ValueError(f"budget {budget!r}; expected such as 0.05, 10-shot or 500-records")
    return float(found[1]), found[2]


def budget_label(budget: str) -> str:
    """Write a budget as a reader says it: `5 %`, `10 per label`, `500 records`."""
    if budget.endswith("-shot"):
        return f"{budget.removesuffix('-shot')} per label"
    if budget.endswith("-records"):
        return budget.replace("-", " ")
    return f"{100 * float(budget):g} %"


def largest_budget(frame: pd.DataFrame) -> pd.DataFrame:
    """Take the lines of each place's largest budget."""
    largest = frame.groupby(PLACE)["budget"].agg(lambda budgets: budget_order(budgets)[-1])
    return frame[frame["budget"] == pd.Series(list(_places(frame)), frame.index).map(largest)]


def largest_budget_runs(
    found: Iterable[tuple[Run, Path]],
) -> dict[tuple[str, str, str], list[tuple[Run, Path]]]:
    """Group the predicted or explained runs of each place's largest budget."""
    places: dict[tuple[str, str, str], list[tuple[Run, Path]]] = {}
    for run, path in found:
        places.setdefault((run.task, run.split, run.scored_on), []).append((run, path))
    for place, runs in places.items():
        largest = budget_order(run.budget for run, _ in runs)[-1]
        places[place] = [(run, path) for run, path in runs if run.budget == largest]
    return places


def place_labels(study: Study) -> dict[tuple[str, str, str], str]:
    """Name every place of a study: its task, and what else tells it from the others."""
    places = list(dict.fromkeys((r.task, r.split, r.scored_on) for r in studies.runs(study)))
    several_splits = len({split for _, split, _ in places}) > 1
    labels = {}
    for task, split, scored_on in places:
        name = task if task == scored_on else f"{task} on {scored_on}"
        labels[task, split, scored_on] = f"{name}, {split}" if several_splits else name
    return labels


def arm_labels(study: Study) -> dict[str, str]:
    """Shorten the arms' names to what tells them apart, in the order of the study."""
    runs = studies.runs(study)
    pretrainings = distinct(list(dict.fromkeys(run.pretraining for run in runs)))
    recipes = distinct(list(dict.fromkeys(run.recipe for run in runs)))
    labels = {}
    for run in runs:
        pair = (pretrainings[run.pretraining], recipes[run.recipe])
        several = (len(pretrainings) > 1, len(recipes) > 1)
        parts = [part for part, told in zip(pair, several, strict=True) if told] or [pair[1]]
        labels[run.arm] = " + ".join(parts)
    return labels


def distinct(names: list[str]) -> dict[str, str]:
    """Drop the words that all names share: `none-resnet`, `cpc-resnet` to `none`, `cpc`.

    A name that all others begin with stays whole: `ce-ssl` beside `ce-ssl-frozen`, `ce-ssl-fixed`.
    """
    rest = [name for name in names if not all(f"{n}-".startswith(f"{name}-") for n in names)]
    words = [name.split("-") for name in rest]
    for cut in (slice(1, None), slice(None, -1)):
        end = 0 if cut.start else -1
        while min(map(len, words), default=0) > 1 == len({word[end] for word in words}) < len(rest):
            words = [word[cut] for word in words]
    shorter = dict(zip(rest, map("-".join, words), strict=True))
    return {name: shorter.get(name, name).replace("_", "-") for name in names}


def untrained(costs: pd.DataFrame) -> set[str]:
    """Name the pretrainings that learnt nothing: networks as they were initialised."""
    pretraining = costs[costs["stage"] == "pretrain"]
    learnt = set(pretraining.loc[pretraining["steps"] > 0, "pretraining"])
    chains = convergence.chains(costs)
    return {name for name, stages in chains.items() if learnt.isdisjoint(stages)}


def _file(run: Run, results: Path, kind: str, ending: str) -> Path:
    return results / run.folder / kind / f"{run.scored_on}.{ending}"


def _places(frame: pd.DataFrame) -> Iterable[tuple[str, str, str]]:
    return zip(*(frame[column] for column in PLACE), strict=True)
