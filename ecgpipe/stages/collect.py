"""Put a study's scores, costs and histories into three tables; refuse runs that do not mix."""

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd

from ecgpipe import predictions, writing
from ecgpipe.lineages import Origin, lineage
from ecgpipe.settings import build, parse
from ecgpipe.studies import Run, Study, runs

TRAINING = ["stage", "pretraining", "recipe", "task", "split", "budget", "seed", "round"]
SHOWN = 3  # runs that an error names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this stage."""
    parser.add_argument("--settings", required=True, help="study, rounds, origins, as JSON")
    parser.add_argument("--results", type=Path, required=True, help="folder of all results")
    parser.add_argument("--costs", type=Path, required=True, help="CSV: one line a training")
    parser.add_argument("--histories", type=Path, required=True, help="CSV: one line a validation")
    parser.add_argument("--out", type=Path, required=True, help="CSV: one line a score")


def run(*, settings: str, results: Path, costs: Path, histories: Path, out: Path) -> None:
    """Check that the runs belong together, then write the tables."""
    told = parse(settings)
    study = runs(build(Study, told["study"], "--settings: study"))
    refuse_mixture([_file(run, results, "predictions", "h5") for run in study])
    trainings = _trainings(study, told, results)
    _write([_cost(*training) for training in trainings], costs)
    _write([_history(*training) for training in trainings], histories)
    _write([_scores(run, results) for run in study], out)


def refuse_mixture(paths: list[Path]) -> None:
    """Raise if a stage's revision, or the files of a dataset, differ between predictions."""
    seen: dict[tuple[str, str], dict[str, list[Path]]] = {}
    for path in paths:
        attributes = predictions.attributes(path)
        for kind in ("revision", "datasets"):
            for name, value in json.loads(attributes[kind]).items():
                seen.setdefault((kind, name), {}).setdefault(str(value), []).append(path)
    mixed = {of: values for of, values in seen.items() if len(values) > 1}
    if mixed:
        raise ValueError(
            "these runs do not belong in one table:\n"
            + "\n".join(_difference(*of, values) for of, values in mixed.items())
            + "\nRemove the older predictions, with what they came from, and run the study again."
        )


def _difference(kind: str, name: str, values: dict[str, list[Path]]) -> str:
    """Say which runs have which value; the rarest first, for it is likely the odd one."""
    lines = [f"{kind} of {name} differs:"]
    for value, paths in sorted(values.items(), key=lambda item: len(item[1])):
        shown = ", ".join(str(path) for path in paths[:SHOWN])
        more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
        lines.append(f"  {value}: {shown}{more}")
    return "\n".join(lines)


def _trainings(
    study: list[Run], told: dict[str, Any], results: Path
) -> list[tuple[dict[str, Any], Path]]:
    """Name every training of the study, each once, with the folder it wrote."""
    found: dict[Path, dict[str, Any]] = {}
    origins = {name: build(Origin, one, name) for name, one in told["origins"].items()}
    for run in study:
        for pretraining, seed in lineage(run.pretraining, run.seed, origins.__getitem__):
            _, *before = lineage(pretraining, seed, origins.__getitem__)
            start = " ".join(name for name, _ in before)
            folder = results / "pretraining" / pretraining / run.split / str(seed)
            about = {"pretraining": pretraining, "split": run.split, "start": start}
            found[folder] = about | {"stage": "pretrain", "seed": seed}
    for run in study:
        about = {key: getattr(run, key) for key in TRAINING if hasattr(run, key)}
        for number in range(1, told["rounds"][run.recipe] + 1):
            folder = results / run.folder / f"round-{number}"
            found[folder] = about | {"stage": "finetune", "round": number}
    return [(about, folder) for folder, about in found.items()]


def _cost(about: dict[str, Any], folder: Path) -> pd.DataFrame:
    cost = json.loads((folder / "cost.json").read_text())
    return pd.DataFrame([{key: about.get(key, "") for key in [*TRAINING, "start"]} | cost])


def _history(about: dict[str, Any], folder: Path) -> pd.DataFrame:
    return _beside({key: about.get(key, "") for key in TRAINING}, _read(folder / "history.csv"))


def _scores(run: Run, results: Path) -> pd.DataFrame:
    path = _file(run, results, "scores", "csv")
    scores = _read(path)
    if missing := sorted(set(run.conditions) - set(scores["condition"])):
        raise ValueError(f"{path}: no condition {', '.join(missing)}; predict and evaluate again")
    scores = scores[scores["condition"].isin(run.conditions)]
    scores.insert(1, "shots", "")
    scores.insert(2, "draw", "")
    return _beside({key: getattr(run, key) for key in [*TRAINING[1:-1], "scored_on"]}, scores)


def _read(path: Path) -> pd.DataFrame:
    """Read every cell as it is written: numbers keep their digits, a label may be called `NA`."""
    return pd.read_csv(path, dtype=str, na_filter=False)


def _beside(about: dict[str, Any], table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([pd.DataFrame(about, index=table.index), table], axis=1)


def _file(run: Run, results: Path, kind: str, ending: str) -> Path:
    return results / run.folder / kind / f"{run.scored_on}.{ending}"


def _write(tables: list[pd.DataFrame], path: Path) -> None:
    """Write tables below each other."""
    with writing.whole(path) as part:
        pd.concat([table.astype(object) for table in tables]).to_csv(part, index=False)
