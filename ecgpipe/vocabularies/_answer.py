"""What all vocabularies share: their tables, errors, and selections of listed labels."""

import csv
from collections.abc import Collection
from functools import cache
from pathlib import Path


@cache
def read_table(path: Path) -> tuple[dict[str, str], ...]:
    """Read the table beside a vocabulary, a line a code."""
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def check(selection: str, known: Collection[str], vocabulary: str) -> None:
    """Answer an unknown selection with those there are."""
    if selection not in known:
        there_are = ", ".join(known) or "none by name"
        raise ValueError(
            f"vocabulary {vocabulary} has no selection {selection!r}; there are: {there_are}; "
            "or a task lists its labels one by one"
        )


def one_by_one(
    labels: tuple[str, ...], known: Collection[str], vocabulary: str
) -> dict[str, tuple[str, ...]]:
    """Map each listed code to a label of its own name; answer unknown ones with those there are."""
    if unknown := [label for label in labels if label not in known]:
        raise ValueError(
            f"vocabulary {vocabulary} has no {', '.join(unknown)}; there are: {', '.join(known)}"
        )
    return {label: (label,) for label in labels}


def of_labels(
    labels: tuple[str, ...], mapping: dict[str, tuple[str, ...]], vocabulary: str
) -> dict[str, tuple[str, ...]]:
    """Keep the codes of the listed labels, a label a code; answer unknown ones."""
    known = sorted({label for of in mapping.values() for label in of})
    one_by_one(labels, known, vocabulary)
    return {code: of for code, of in mapping.items() if of[0] in labels}
