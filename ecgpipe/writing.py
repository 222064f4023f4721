"""Files come whole or not at all: written beside their place, then renamed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def beside(path: Path) -> Path:
    """Name the place where a file is written until it is whole."""
    return path.with_name(path.name + ".part")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give the place to write a file at; it moves to its own when all is written.

    A file that was there stays until then, and for good if writing fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = beside(path)
    try:
        yield part
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    part.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a text, whole."""
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")
