"""Errors and one-by-one selections that all vocabularies share."""

from collections.abc import Collection


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
