"""Decide which patients of a dataset are train, valid and test."""

import argparse
import logging
from pathlib import Path

from ecgpipe import records, registry, splits

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this stage."""
    parser.add_argument("--dataset", required=True, help="a file of ecgpipe/datasets")
    parser.add_argument(
        "--split",
        required=True,
        help="standard, rotation-0 to -4, va-rotation-0 to -4, redrawn-0 to -9",
    )
    parser.add_argument("--manifest", type=Path, required=True, help="of the dataset's metadata")
    parser.add_argument("--out", type=Path, required=True, help="CSV: patient, part")


def run(*, dataset: str, split: str, manifest: Path, out: Path) -> None:
    """Split the patients and write their parts."""
    plugin = registry.load("datasets", dataset)
    table = records.table(dataset, plugin.records(manifest.parent))
    parts = splits.split_patients(table, plugin.FOLDS, split)
    log.info("%s %s: %s patients", dataset, split, parts["part"].value_counts().to_dict())
    splits.write_csv(parts, out)
