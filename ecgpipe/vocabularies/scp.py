"""The 71 SCP-ECG statements of PTB-XL and how they merge (Wagner et al. 2020, Sci Data 7:154).

`scp.csv` beside this file restates code, description and groups of `scp_statements.csv` of PTB-XL
1.0.3 (Wagner, Strodthoff, Bousseljot, Samek, Schaeffter; PhysioNet; CC BY 4.0), classes and
subclasses as published. The selections are those of the PTB-XL benchmark (Strodthoff et al. 2020).
"""

import csv
from functools import cache
from pathlib import Path

from ecgpipe.vocabularies import _answer

SELECTIONS = {  # name: the group that a statement must belong to, the column that names its label
    "all": ("", "code"),
    "diag": ("diagnostic", "code"),
    "subdiag": ("diagnostic", "subclass"),
    "superdiag": ("diagnostic", "class"),
    "form": ("form", "code"),
    "rhythm": ("rhythm", "code"),
}


def mapping(selection: str | tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Map the codes of a selection to their labels."""
    if not isinstance(selection, str):
        return _answer.one_by_one(selection, [row["code"] for row in statements()], "scp")
    _answer.check(selection, SELECTIONS, "scp")
    group, label = SELECTIONS[selection]
    rows = [row for row in statements() if not group or row[group] == "yes"]
    return {row["code"]: (row[label],) for row in rows}


@cache
def statements() -> tuple[dict[str, str], ...]:
    """Read the table of statements."""
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))
