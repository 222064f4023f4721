"""Arrhythmias of the ventricles, under two definitions that a study must choose between.

`va` is tachycardia, flutter and fibrillation of the ventricles. `va-ectopic` adds ventricular
ectopic beats (class V of AAMI; not fusion beats) and the rhythms made of them, which stand in where
beats are not annotated. `vt-vfl-vf` keeps the three of `va` apart. `ventricular.csv` beside this
file has a column for each; what it leaves empty makes no label.
"""

from pathlib import Path

from ecgpipe.vocabularies import _answer

SELECTIONS = ("va", "va-ectopic", "vt-vfl-vf")


def mapping(selection: str | tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Map the codes of rhythms and the symbols of beats to labels; VT, VFL, VF can be listed."""
    if not isinstance(selection, str):
        return _answer.of_labels(selection, _column("vt-vfl-vf"), "ventricular")
    _answer.check(selection, SELECTIONS, "ventricular")
    return _column(selection)


def _column(selection: str) -> dict[str, tuple[str, ...]]:
    """Read the labels of one definition."""
    rows = _answer.read_table(Path(__file__).with_suffix(".csv"))
    return {row["code"]: (row[selection],) for row in rows if row[selection]}
