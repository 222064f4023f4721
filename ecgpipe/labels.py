"""From a task to records and targets: which records it asks about, and which labels they carry."""

import logging

import numpy as np
import pandas as pd
from jaxtyping import Bool

from ecgpipe import registry
from ecgpipe.settings import Task

log = logging.getLogger(__name__)


def label_names(task: Task) -> tuple[str, ...]:
    """Name the labels a task asks for, in alphabetical order, before `least` is applied."""
    return tuple(sorted({label for labels in _mapping(task).values() for label in labels}))


def select(table: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Keep the records of the task; those with none of its labels are dropped, unless kept."""
    if missing := sorted(set(task.datasets) - set(table["dataset"])):
        raise ValueError(f"no records of dataset {', '.join(missing)}, which the task names")
    kept = table[table["dataset"].isin(task.datasets)]
    chosen = np.ones(len(kept), bool)
    for column, values in task.where.items():
        chosen &= _allowed(kept, column, values)
    kept = kept[chosen]
    if not task.keep_unlabeled:
        carried = targets(kept, task)[1].any(axis=1)
        if not carried.any():
            raise ValueError(
                f"none of {len(kept)} records carries any of {', '.join(label_names(task))}; "
                f"there are: {', '.join(codes(kept))}"
            )
        kept = kept[carried]
    return kept.reset_index(drop=True)


def without(table: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Leave out the windows that a rhythm of the task's `without` reaches into."""
    reached = table["rhythms"].map(lambda rhythms: not rhythms.keys().isdisjoint(task.without))
    if task.without:
        log.info("%s: %d of %d left out", ", ".join(task.without), reached.sum(), len(table))
    return table[~reached.astype(bool)].reset_index(drop=True)


def targets(
    table: pd.DataFrame, task: Task
) -> tuple[tuple[str, ...], Bool[np.ndarray, "record label"]]:
    """Make the labels of a selected table and its multi-hot targets.

    A statement counts whatever its likelihood (form and rhythm have 0), a beat when there is one,
    a rhythm when it covers the task's `overlap` of the signal. Give it all records of the task,
    whatever their part: `least` counts them to decide which labels there are.
    """
    names = label_names(task)
    column = {name: index for index, name in enumerate(names)}
    columns = {code: tuple(column[label] for label in of) for code, of in _mapping(task).items()}
    rows = zip(table["statements"], table["rhythms"], table["beats"], strict=True)
    positive = [
        (row, index)
        for row, (statements, rhythms, beats) in enumerate(rows)
        for index in _carried((*statements, *beats), rhythms, columns, task.overlap)
    ]
    target = np.zeros((len(table), len(names)), bool)
    target[tuple(np.array(positive, int).reshape(-1, 2).T)] = True
    return _frequent(names, target, table["dataset"] + ":" + table["record"], task)


def codes(table: pd.DataFrame) -> list[str]:
    """Name every code of a table: of statements, rhythms and beats."""
    carried = (of for name in ("statements", "rhythms", "beats") for of in table[name])
    return sorted({code for of in carried for code in of})


def _carried(
    whole: tuple[str, ...],
    rhythms: dict[str, float],
    columns: dict[str, tuple[int, ...]],
    overlap: float,
) -> list[int]:
    """Find the labels of one row: rhythms of one label add up, any other code is true of all."""
    share: dict[int, float] = {}
    for code, covered in [*rhythms.items(), *((code, 1.0) for code in whole)]:
        for index in columns.get(code, ()):
            share[index] = share.get(index, 0.0) + covered
    return [index for index, covered in share.items() if round(covered, 4) >= overlap]


def _frequent(
    names: tuple[str, ...],
    target: Bool[np.ndarray, "row label"],
    record: pd.Series,
    task: Task,
) -> tuple[tuple[str, ...], Bool[np.ndarray, "row kept"]]:
    """Leave out the labels that fewer records carry than the task's `least`."""
    of_record = pd.factorize(record)[0]
    carrying = np.zeros((of_record.max(initial=-1) + 1, len(names)), bool)
    row, label = np.nonzero(target)
    carrying[of_record[row], label] = True
    count = carrying.sum(axis=0)
    enough = count >= task.least
    if not enough.any():
        raise ValueError(
            f"no label is carried by {task.least} records (`least` of the task); the most frequent "
            f"one is carried by {count.max(initial=0)} of {len(carrying)}"
        )
    return tuple(np.array(names)[enough].tolist()), target[:, enough]


def _allowed(table: pd.DataFrame, column: str, values: tuple) -> Bool[np.ndarray, " record"]:
    """Find the records that a line of `where` allows; refuse those that are not there.

    None allows the records of which it is not known.
    """
    if column not in table:
        raise ValueError(f"`where` names {column!r}; records have: {', '.join(table.columns)}")
    there = set(table[column].dropna().tolist())
    if unknown := [value for value in values if value is not None and value not in there]:
        raise ValueError(
            f"`where` asks for {column} {', '.join(map(str, unknown))}; "
            f"records have: {', '.join(map(str, sorted(there)[:20]))}"
        )
    known = table[column].isin(there & set(values))
    return (known | table[column].isna() if None in values else known).to_numpy(bool)


def _mapping(task: Task) -> dict[str, tuple[str, ...]]:
    return registry.load("vocabularies", task.vocabulary).mapping(task.labels)
