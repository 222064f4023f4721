"""A folder is a registry: the plug-in `name` of a `kind` is the file `kind/name.py`."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent


def names(kind: str) -> list[str]:
    """Name every plug-in of a kind, in alphabetical order."""
    return sorted(path.stem for path in (ROOT / kind).glob("[!_]*.py"))


def load(kind: str, name: str) -> ModuleType:
    """Import one plug-in, and only that one."""
    if name not in names(kind):
        raise ValueError(f"no {kind} plug-in {name!r}; there are: {', '.join(names(kind))}")
    return import_module(f"{__package__}.{kind}.{name}")
