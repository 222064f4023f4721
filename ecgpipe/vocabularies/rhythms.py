"""Rhythms as the MIT-BIH databases and their relatives name them, `(AFIB` and the like.

`rhythms.csv` beside this file gives each code its label, and several codes one label where they
mean the same: `(VF` and `(VFIB`, `(N` and `(NSR`. Labels are named as in the vocabulary `scp` where
they mean the same, so that a model can be scored on both.
"""

from pathlib import Path

from ecgpipe.vocabularies import _answer

SELECTIONS = ("all",)


def mapping(selection: str | tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Map the codes of rhythms to their labels, or to those of the labels that are listed."""
    rows = _answer.read_table(Path(__file__).with_suffix(".csv"))
    labels: dict[str, tuple[str, ...]] = {row["code"]: (row["label"],) for row in rows}
    if not isinstance(selection, str):
        return _answer.of_labels(selection, labels, "rhythms")
    _answer.check(selection, SELECTIONS, "rhythms")
    return labels
