"""Look for leaks between train, valid and test, over all datasets and splits of a study."""

import argparse
import logging
from pathlib import Path

import pandas as pd

from ecgpipe import leaks
from ecgpipe.records import read_table
from ecgpipe.splits import read_split, write_csv

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this stage."""
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="of all datasets")
    parser.add_argument(
        "--splits", type=Path, nargs="+", required=True, help="all, as DATASET/SPLIT.csv"
    )
    parser.add_argument("--out", type=Path, required=True, help="CSV, one line a finding")


def run(*, shards: list[Path], splits: list[Path], out: Path) -> None:
    """Write the findings; if one is a leak, write them to `.failed.csv` instead and fail."""
    table = read_table(shards)
    if unsplit := sorted(set(table["dataset"]) - {path.parent.name for path in splits}):
        raise ValueError(f"--shards hold {', '.join(unsplit)}, of which --splits has none")
    parts = {
        split: read_split({path.parent.name: path for path in splits if path.stem == split})
        for split in sorted({path.stem for path in splits})
    }
    found = leaks.find(table, parts)
    failed = out.with_suffix(".failed.csv")  # beside: Snakemake deletes what a failed job wrote
    if found["fails"].any():
        write_csv(found, failed)
        raise ValueError(_complaint(found[found["fails"]], failed))
    log.info("no leak; %d groups of identical signals inside one part", len(found))
    write_csv(found, out)
    failed.unlink(missing_ok=True)


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
