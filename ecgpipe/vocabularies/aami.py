"""The five classes of beats of ANSI/AAMI EC57: N, S, V, F and Q.

`aami.csv` beside this file gives the class of every beat that WFDB has a symbol for. A window has a
class when it holds a beat of it. Paced beats are Q, as are those whose type nobody told; escape
beats from above the ventricles are N (as in de Chazal et al. 2004 and most work since). Waves of
ventricular flutter are beats of no class.
"""

from pathlib import Path

from ecgpipe.vocabularies import _answer

SELECTIONS = ("all",)


def mapping(selection: str | tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Map the symbols of beats to their classes, or to those of the classes that are listed."""
    rows = _answer.read_table(Path(__file__).with_suffix(".csv"))
    classes: dict[str, tuple[str, ...]] = {row["symbol"]: (row["class"],) for row in rows}
    if not isinstance(selection, str):
        return _answer.of_labels(selection, classes, "aami")
    _answer.check(selection, SELECTIONS, "aami")
    return classes
