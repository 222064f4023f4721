"""The source's own statements, one by one: for recordings whose labels need no merging."""

from ecgpipe.vocabularies import _answer

SELECTIONS = ()


def mapping(selection: str | tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Map each listed statement to a label of its own name."""
    if isinstance(selection, str):
        _answer.check(selection, SELECTIONS, "plain")
    return {label: (label,) for label in selection}
