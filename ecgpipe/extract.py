"""Take wanted files out of archives: regular files alone, each beside and renamed, nothing else.

`ARCHIVE!MEMBER` is wanted, where MEMBER is a name or a pattern (`records/*.h5`; `*` stays within
one folder). What was taken is noted beside the archive under the archive's sum: while that sum and
the file's own hold, nothing is taken again.
"""

import hashlib
import json
import logging
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import closing
from fnmatch import fnmatchcase
from functools import partial
from gzip import BadGzipFile
from pathlib import Path
from typing import Any

from ecgpipe import writing
from ecgpipe.archives import CHUNK, Line, require_room, sums_of
from ecgpipe.releases import safe

log = logging.getLogger(__name__)

MARK = "!"
SWELL = 100  # bytes that may come out of each byte of an archive: more is a bomb,
SMALL = 1 << 26  # unless all of it is less than this
BROKEN = (
    BadGzipFile,
    EOFError,
    NotImplementedError,  # a way of compression that zipfile does not know
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)

Member = tuple[str, int, Iterator[bytes]]  # name, bytes, and these in pieces
Members = Generator[Member, None, None]
Wants = Callable[[str], list[str]]  # what asks for a name


def sort_out(
    wanted: Collection[str], published: Collection[str]
) -> tuple[list[str], dict[str, list[str]]]:
    """Part what is wanted into files to fetch and, for the archives among them, their members."""
    files, members = set(), defaultdict(list)
    for name in wanted:
        archive, mark, member = name.partition(MARK)
        if mark and name not in published:
            files.add(archive)
            members[archive].append(safe(member, archive))
        else:
            files.add(name)
    return sorted(files), dict(members)


def extract(archive: Line, wanted: list[str], folder: Path) -> list[Line]:
    """Take members out of a fetched archive in one pass; return the lines of their manifest.

    An archive that lacks one is a FileNotFoundError, one that is broken or has something else than
    a plain file under that name a ValueError.
    """
    name, _, digest = archive
    path, notes = folder / name, folder / f"{name}.members.json"
    taken = _noted(notes, digest)
    absent = [each for each in wanted if not _are_there(taken.get(each, []), folder)]
    if absent:
        taken |= _take(path, absent, folder)
        _note(notes, digest, taken)
        log.info("%s: %d files taken out", path, sum(len(taken[each]) for each in absent))
    return sorted({line for each in wanted for line in taken[each]})


def _noted(notes: Path, digest: str) -> dict[str, list[Line]]:
    """Read what was taken out of an archive with this sum, by what asked for it."""
    found: dict[str, Any] = json.loads(notes.read_text()) if notes.exists() else {}
    if found.get("sha256") != digest:
        return {}
    return {want: [tuple(line) for line in lines] for want, lines in found["taken"].items()}


def _note(notes: Path, digest: str, taken: dict[str, list[Line]]) -> None:
    """Write what was taken, whole."""
    told = {"sha256": digest, "taken": taken}
    writing.write_text(notes, json.dumps(told, indent=0) + "\n")


def _are_there(lines: list[Line], folder: Path) -> bool:
    """Tell whether files that were taken out are still what they were."""
    return bool(lines) and all(
        (folder / name).exists()
        and (folder / name).stat().st_size == size
        and sums_of(folder / name)["sha256"] == digest
        for name, size, digest in lines
    )


def _take(path: Path, wanted: list[str], folder: Path) -> dict[str, list[Line]]:
    """Go through an archive once; return what each name or pattern has brought."""
    patterns = [each for each in wanted if set(each) & set("*?[")]
    taken: dict[str, list[Line]] = {each: [] for each in wanted}

    def wants(name: str) -> list[str]:
        return [name] * (name in taken) + [each for each in patterns if _fits(name, each)]

    members = _of_zip(path, wants) if path.suffix == ".zip" else _of_tar(path, wants)
    seen = set()
    try:
        with closing(members):
            for name, size, chunks in members:
                if name in seen:
                    raise ValueError(f"{path}: {name} is in it twice")
                seen.add(name)
                line = _write(chunks, size, safe(name, str(path)), folder)
                for each in wants(name):
                    taken[each].append(line)
    except BROKEN as error:
        raise ValueError(f"{path}: the archive cannot be read: {error!r}") from error
    if lacking := [each for each in wanted if not taken[each]]:
        raise FileNotFoundError(f"{path}: {len(lacking)} wanted files are not in it: {lacking[:3]}")
    return taken


def _of_zip(path: Path, wants: Wants) -> Members:
    """Open the wanted files of a zip, one by one."""
    total, limit = 0, _limit(path)
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir() or not wants(info.filename):
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where no Unix made it
            if kind not in (0, stat.S_IFREG) or info.flag_bits & 1:
                raise ValueError(f"{path}: {info.filename} is a link, a device or encrypted")
            total += info.file_size
            _refuse_bomb(path, total, limit)
            with archive.open(info) as stream:
                yield info.filename, info.file_size, iter(partial(stream.read, CHUNK), b"")


def _of_tar(path: Path, wants: Wants) -> Members:
    """Open the wanted files of a tar, compressed or not, one by one."""
    limit = _limit(path)
    with tarfile.open(path) as archive:
        for info in archive:
            if info.size < 0:
                raise tarfile.ReadError(f"{info.name} has {info.size} bytes")
            _refuse_bomb(path, info.offset_data + info.size, limit)
            name = info.name.removeprefix("./")
            if info.isdir() or not wants(name):
                continue
            stream = archive.extractfile(info) if info.isreg() and not info.issparse() else None
            if stream is None:
                raise ValueError(f"{path}: {name} is a link or a device, or has holes")
            with stream:
                yield name, info.size, iter(partial(stream.read, CHUNK), b"")


def _write(chunks: Iterator[bytes], size: int, name: str, folder: Path) -> Line:
    """Write one file, whole; return its line."""
    target, digest = folder / name, hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    require_room(target.parent, size)
    with writing.whole(target) as part, part.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
    return name, target.stat().st_size, digest.hexdigest()


def _fits(name: str, pattern: str) -> bool:
    """Match folder by folder, so that no `*` reaches into another one."""
    parts, patterns = name.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


def _limit(path: Path) -> int:
    return max(SMALL, SWELL * path.stat().st_size)


def _refuse_bomb(path: Path, size: int, limit: int) -> None:
    if size > limit:
        raise ValueError(
            f"{path}: {size:,} bytes or more would come out of it; expected {limit:,} at most"
        )
