"""The AHA/ACC/HRS statements that occur in the SPH database, and how they merge.

`aha.csv` beside this file holds the 44 primary statements of the release (Liu et al. 2022, Sci
Data 9:272), whose codes, wording and categories are those of Mason, Hancock and Gettes (2007,
Circulation 115:1325). `145+362` is statement 145 with modifier 362, as the dataset writes it; such
rows have a name of PTB-XL alone, so a modifier never makes a label of its own.

The columns `scp` and `class` are this project's reading: the statement and the superclass of PTB-XL
that say the same, or nothing where none does. Prolonged PR (82) is how these recommendations word
first-degree block; 2:1 conduction (85) is second-degree.
"""

import csv
from functools import cache
from pathlib import Path

from ecgpipe.vocabularies import _answer

SELECTIONS = {  # name: the column that names the label
    "all": "description",
    "category": "category",
    "scp": "scp",
    "superdiag": "class",
}


def mapping(selection: str | tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Map the codes of a selection to their labels; listed labels are codes of statements."""
    if not isinstance(selection, str):
        return _answer.one_by_one(selection, [row["code"] for row in statements()], "aha")
    _answer.check(selection, SELECTIONS, "aha")
    label = SELECTIONS[selection]
    return {row["code"]: (row[label],) for row in statements() if row[label]}


@cache
def statements() -> tuple[dict[str, str], ...]:
    """Read the table of statements."""
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))
