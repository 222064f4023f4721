"""Decide which records of the train part are labeled under a budget."""

import argparse
import logging
from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe import labels, records, registry
from ecgpipe.settings import Task, build, parse
from ecgpipe.splits import draw_labeled, read_split, with_parts, write_csv

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this stage."""
    parser.add_argument("--settings", required=True, help="the task, under the key `task`")
    parser.add_argument(
        "--manifests",
        type=Path,
        nargs="+",
        required=True,
        help="of the metadata of the task's datasets, in their order",
    )
    parser.add_argument(
        "--splits", type=Path, nargs="+", required=True, help="of the same datasets in that order"
    )
    parser.add_argument("--budget", required=True, help="such as 1.0, 0.05, 10-shot, 500-records")
    parser.add_argument("--seed", type=int, required=True, help="another seed, another draw")
    parser.add_argument("--out", type=Path, required=True, help="CSV: dataset, record, patient")


def run(
    *,
    settings: str,
    manifests: list[Path],
    splits: list[Path],
    budget: str,
    seed: int,
    out: Path,
) -> None:
    """Draw the labeled records out of the task's train part and write them."""
    task = build(Task, parse(settings)["task"], "--settings: task")
    folders = {name: path.parent for name, path in zip(task.datasets, manifests, strict=True)}
    table = pd.concat(
        [
            records.table(name, registry.load("datasets", name).records(folder))
            for name, folder in folders.items()
        ],
        ignore_index=True,
    )
    codes = labels.codes(table)
    table = labels.select(table, task)
    names, target = labels.targets(table, task)
    if not target.any(axis=0).all():
        unknown = np.array(names)[~target.any(axis=0)]
        log.warning("no record carries %s; there are: %s", ", ".join(unknown), ", ".join(codes))
    split = read_split(dict(zip(task.datasets, splits, strict=True)))
    train = (with_parts(table, split)["part"] == "train").to_numpy()
    write_csv(draw_labeled(table[train], names, target[train], budget, seed=seed), out)
