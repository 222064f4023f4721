"""Look for leaks between train, valid and test, over all datasets and splits of a study."""

import argparse
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgpipe import fingerprints, leaks
from ecgpipe.records import read_fingerprints, read_table
from ecgpipe.splits import EXTERNAL, read_split, write_csv

# what preprocess tells of a shard: numbers, or the records concerned
SUMMED = (
    "records",
    "rows",
    "seconds",
    "padded",
    "cropped",
    "flat",
    "clipped",
    "nan",
    "unreadable",
    "empty",
)

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this stage."""
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="of all datasets")
    parser.add_argument(
        "--splits", type=Path, nargs="+", required=True, help="all, as DATASET/SPLIT.csv"
    )
    parser.add_argument(
        "--reports", type=Path, nargs="+", required=True, help="of preprocess, one a shard"
    )
    parser.add_argument("--datasets", type=Path, required=True, help="CSV, one line a dataset")
    parser.add_argument("--out", type=Path, required=True, help="CSV, one line a finding")


def run(
    *, shards: list[Path], splits: list[Path], reports: list[Path], datasets: Path, out: Path
) -> None:
    """Write the findings; if one is a leak, write them to `.failed.csv` instead and fail."""
    table, prints = read_table(shards), read_fingerprints(shards)
    write_csv(summarise(reports, table, prints), datasets)
    if unsplit := sorted(set(table["dataset"]) - {path.parent.name for path in splits}):
        raise ValueError(f"--shards hold {', '.join(unsplit)}, of which --splits has none")
    parts = {name: read_split(of) for name, of in grouped(splits).items()}
    found = leaks.find(table, fingerprints.copies(prints), parts)
    failed = out.with_suffix(".failed.csv")  # beside: Snakemake deletes what a failed job wrote
    if found["fails"].any():
        write_csv(found, failed)
        raise ValueError(_complaint(found[found["fails"]], failed))
    log.info("no leak; %d groups of identical signals or copies inside one part", len(found))
    write_csv(found, out)
    failed.unlink(missing_ok=True)


def grouped(splits: list[Path]) -> dict[str, dict[str, Path]]:
    """Group the files by split; datasets that are only tested on stand beside every split."""
    names = sorted({path.stem for path in splits} - {EXTERNAL}) or [EXTERNAL]
    external = {path.parent.name: path for path in splits if path.stem == EXTERNAL}
    return {
        name: external | {path.parent.name: path for path in splits if path.stem == name}
        for name in names
    }


def summarise(
    reports: list[Path], table: pd.DataFrame, prints: dict[str, np.ndarray]
) -> pd.DataFrame:
    """One line a dataset and preparation: what came in, what was left out, what is odd.

    `digest` names the recordings compared: the SHA-256 of the sorted digests of their samples.
    `not_compared` had too little signal for a fingerprint; only their samples could be compared.
    """
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for path in reports:
        told = json.loads(path.read_text())
        line = lines.setdefault((told["dataset"], told["preparation"]), dict.fromkeys(SUMMED, 0))
        for name in SUMMED:
            line[name] += told[name] if isinstance(told[name], int | float) else len(told[name])
        release = told["release"]  # of the whole dataset, the same in each shard
        line["excluded"] = len(release["excluded"])
        line["not_in_this_part"] = release["not in this part of the release"]
    for (dataset, _), line in lines.items():
        once = table[table["dataset"] == dataset].drop_duplicates("record")
        line["identical"] = int(once["digest"].duplicated(keep=False).sum())
        line["not_compared"] = sum(not prints[f"{dataset}:{name}"].any() for name in once["record"])
        digests = "".join(sorted(set(table.loc[table["dataset"] == dataset, "digest"])))
        line["digest"] = hashlib.sha256(digests.encode()).hexdigest()
    named = [{"dataset": d, "preparation": p} | line for (d, p), line in lines.items()]
    return pd.DataFrame(named)


def _complaint(leaking: pd.DataFrame, path: Path) -> str:
    """Say what leaks, where all of it is listed, and how to mend it."""
    counts = leaking.groupby(["split", "kind"]).size()
    numbers = ", ".join(f"{count} {kind} in {split}" for (split, kind), count in counts.items())
    first = leaking.iloc[0]
    return (
        f"leaks: {numbers}; the first: {first['records']} ({first['parts']}); all are in {path}. "
        "Name the records to leave out, with the reason, in EXCLUDED of their dataset's file, or "
        "take own recordings out of labels.csv"
    )
