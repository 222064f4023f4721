"""Our own SHA-256 of files whose publisher gives only an MD5: `config/locks/{dataset}.csv`.

The first to fetch a file writes its line, which belongs into the repository; from then on everybody
gets the same bytes or an error. A lock file has the columns of a manifest.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ecgpipe.archives import Line, read_manifest, write_manifest
from ecgpipe.parts import File

log = logging.getLogger(__name__)


def hold(files: Iterable[File], lock: Path) -> list[File]:
    """Expect the SHA-256 of the lock file, where the publisher gives none."""
    pinned = {line[0]: line for line in _read(lock)}
    held = []
    for file in files:
        if "sha256" not in file.sums and file.name in pinned:
            _, size, digest = pinned[file.name]
            if file.size not in (None, size):
                raise ValueError(
                    f"{file.address}: {file.size} bytes, but {lock} says {size}: the publisher has "
                    "changed it; if that is wanted, remove its line there"
                )
            file = replace(file, size=size, sums=file.sums | {"sha256": digest})
        held.append(file)
    return held


def add(lines: Iterable[Line], held: Iterable[File], lock: Path) -> None:
    """Write the SHA-256 of files that were fetched by their MD5 alone into the lock file."""
    unpinned = {file.name for file in held if "sha256" not in file.sums}
    if new := {line[0]: line for line in lines if line[0] in unpinned}:
        known = {line[0]: line for line in _read(lock)}
        write_manifest(lock, sorted((new | known).values()))
        log.info("%s: %d files added, with their SHA-256; commit it", lock, len(new))


def _read(lock: Path) -> list[Line]:
    return read_manifest(lock) if lock.exists() else []
