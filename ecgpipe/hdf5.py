"""HDF5 files: read whole ones only, written beside and renamed; what fails names the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ecgpipe import writing

# h5py is imported where a file is opened: planning a study imports what imports this


@contextmanager
def opened(path: Path, remedy: str) -> Iterator[Any]:
    """Open a file to read; one that is cut short or no HDF5 is refused with its name."""
    import h5py

    try:
        file = h5py.File(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{path}: {error}; {remedy}") from error
    with file:
        yield file


@contextmanager
def written(path: Path) -> Iterator[Any]:
    """Make a file in memory, write it beside and rename; one that does not fit the disk goes.

    In memory, for HDF5 crashes the process when it cannot close a file on a full disk.
    """
    import h5py

    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    with writing.whole(path) as part:
        part.write_bytes(image)
