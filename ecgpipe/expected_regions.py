"""Which regions of the heartbeat should hold the evidence for a label, declared beforehand.

`vocabularies/regions.csv` says it for the labels of all vocabularies, with a reason a line, after
the recommendations of AHA, ACCF and HRS (2009: Surawicz, conduction; Rautaharju, ST, T and QT;
Hancock, hypertrophy; Wagner, ischaemia) and the fourth definition of infarction (Thygesen 2018).
A superclass has the regions of what most of its records state. Where the evidence is the time
between beats, no region is declared. CD is conduction disturbance, the superclass of PTB-XL; the
Challenge's cardiac dysrhythmia, of the same name, has no region of its own.
"""

import csv
from functools import cache
from pathlib import Path

TABLE = Path(__file__).parent / "vocabularies" / "regions.csv"


def expected(label: str) -> tuple[str, ...]:
    """Name the regions declared for a label; none where there is none, or nobody declared any."""
    return declared().get(label, ())


@cache
def declared() -> dict[str, tuple[str, ...]]:
    """Read the regions of every label; a label of two lines is refused."""
    found: dict[str, tuple[str, ...]] = {}
    with TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            labels = dict.fromkeys(row["labels"].split(), tuple(row["regions"].split()))
            if twice := ", ".join(labels.keys() & found.keys()):
                raise ValueError(f"{TABLE}: {twice} in two lines; leave it in one of them")
            found |= labels
    return found
