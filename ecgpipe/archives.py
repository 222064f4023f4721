"""What is in a folder of files: listed, summed and held to its manifest.

A manifest is a table of file, bytes and SHA-256; the files lie beside it.
"""

import csv
import errno
import fcntl
import hashlib
import os
import shutil
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from ecgpipe import writing

Line = tuple[str, int, str]  # file, bytes, sha256

RECORDS = "RECORDS"
MANIFEST = ".manifest.csv"
COLUMNS = ("file", "bytes", "sha256")
CHUNK = 1 << 20  # bytes
READERS = 2  # files of a disk that are read at once
REFRESH = 1 if sys.stderr.isatty() else 10  # seconds between two states of a bar


def list_own(folder: Path) -> list[str]:
    """List the files that were made or put into a folder; links to folders are followed."""
    names = [
        Path(root, file).relative_to(folder).as_posix()
        for root, _, files in os.walk(folder, followlinks=True)
        for file in files
    ]
    return sorted(n for n in names if not n.endswith((MANIFEST, ".part")) and n[0] != ".")


def own_records(folder: Path) -> list[str]:
    """Read the lines of RECORDS, if whoever made the files wrote it."""
    path = folder / RECORDS
    return path.read_text().split() if path.exists() else []


def sum_own(names: list[str], folder: Path) -> list[Line]:
    """Sum files that nobody published sums of; return the lines of their manifest."""

    def line(name: str) -> Line:
        return name, (folder / name).stat().st_size, sums_of(folder / name)["sha256"]

    with ThreadPoolExecutor(READERS) as pool:
        lines = pool.map(line, sorted(names))
        return list(tqdm(lines, total=len(names), unit=" files", mininterval=REFRESH))


def sums_of(path: Path, algorithms: Collection[str] = ("sha256",)) -> dict[str, str]:
    """Sum a file, by each algorithm in one reading."""
    sums = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            for each in sums.values():
                each.update(chunk)
    return {name: each.hexdigest() for name, each in sums.items()}


def require_room(folder: Path, needed: int) -> None:
    """Raise OSError if a disk has no room for some more bytes."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"{folder}: {needed:,} bytes are needed, {free:,} are free; make room on that disk, or "
            "make the folder a link to another one. What has come is kept",
        )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep two jobs from making the files of one folder at once."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_manifest(path: Path, lines: list[Line]) -> None:
    """Write file, bytes and sha256 of every line, whole."""
    counts = Counter(name for name, _, _ in lines)
    if twice := [name for name in counts if counts[name] > 1]:
        raise ValueError(
            f"{path}: {', '.join(twice[:5])} comes twice; have the dataset want it once"
        )
    with writing.whole(path) as part, part.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(lines)


def read_manifest(path: Path) -> list[Line]:
    """Read file, bytes and sha256 of every line."""
    with path.open(newline="") as file:
        columns, *rows = [*csv.reader(file)] or [[]]
    try:
        if tuple(columns) != COLUMNS:
            raise ValueError(f"columns {columns}")
        return [(name, int(size), digest) for name, size, digest in rows]
    except ValueError as error:
        raise ValueError(f"{path}: {error}; expected lines of {', '.join(COLUMNS)}") from error


def sum_manifests(paths: list[Path]) -> str:
    """Hash manifests: equal when the files they list are."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def refuse_changed(manifest: Path) -> None:
    """Raise if files are not what their manifest says; old ones of the right length are trusted."""
    written = manifest.stat().st_mtime_ns
    changed = []
    for name, size, digest in read_manifest(manifest):
        path = manifest.parent / name
        try:
            found = path.stat()
        except FileNotFoundError:
            changed.append(name)
            continue
        touched = found.st_mtime_ns > written
        if found.st_size != size or touched and sums_of(path)["sha256"] != digest:
            changed.append(name)
    if changed:
        raise ValueError(
            f"{manifest}: {len(changed)} files have changed or gone since it was written, among "
            f"them {', '.join(changed[:5])}; remove it, and download lists or fetches them again"
        )


def unlisted(manifests: list[Path], listed: list[Path]) -> list[str]:
    """Name the recordings among the files of manifests that the metadata says nothing about."""
    there = {name for path in manifests for name, _, _ in read_manifest(path)}
    headers = {name for name in there if name.endswith(".hea")}
    return sorted(headers - {path.as_posix() for path in listed})
