"""Files of a release: fetched from its publisher or a mirror, each held to the publisher's sum.

A place is the release's folder as an `https://`, `http://` or `file://` address or a path. It holds
SHA256SUMS.txt, and RECORDS where the release lists its recordings.
"""

import csv
import fcntl
import hashlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from tqdm import tqdm

log = logging.getLogger(__name__)

SUMS = "SHA256SUMS.txt"
RECORDS = "RECORDS"
MANIFEST = ".manifest.csv"
CHUNK = 1 << 20  # bytes
TRIES = 4  # per file; the second waits `pause` seconds, each later one twice as long
TIMEOUT = 60  # seconds without a byte
CONNECTIONS = 12  # to a web server at once
COPIES = 2  # from a disk at once

_thread = threading.local()  # every thread keeps its connection open between files


def place_of(url: str | None, mirror: str | None, folder: str) -> str | None:
    """Say where a release is fetched from: from a mirror if there is one, else its publisher."""
    if mirror is None or url is None:
        return url
    return f"{mirror.rstrip('/')}/{folder}"


def read_sums(place: str) -> dict[str, str]:
    """Read which files a release has, and their SHA-256."""
    sums = {}
    for line in _text(place, SUMS).splitlines():
        digest, _, name = line.strip().partition(" ")
        if len(digest) != 64 or not set(digest.lower()) <= set("0123456789abcdef"):
            raise ValueError(f"{place}/{SUMS}: line {line!r}; expected SHA-256 and a file's name")
        sums[_safe(name.strip().removeprefix("*").removeprefix("./"), place)] = digest.lower()
    return sums


def read_records(place: str, sums: dict[str, str]) -> list[str]:
    """Read the lines of RECORDS, which says what is here; a release without one has none."""
    if RECORDS not in sums:
        return []
    text = _text(place, RECORDS)
    if hashlib.sha256(text.encode()).hexdigest() != sums[RECORDS]:
        raise ValueError(f"{place}/{RECORDS}: its SHA-256 is not the one in {SUMS}")
    return text.split()


def fetch(
    place: str, sums: dict[str, str], folder: Path, pause: float = 1.0
) -> list[tuple[str, int, str]]:
    """Bring files into a folder, each with the right sum; return the lines of their manifest."""

    def one(name: str) -> tuple[str, int, str]:
        _fetch_one(place, name, sums[name], folder, pause)
        return name, (folder / name).stat().st_size, sums[name]

    return _each(sorted(sums), one, CONNECTIONS if _is_web(place) else COPIES)


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


def sum_own(names: list[str], folder: Path) -> list[tuple[str, int, str]]:
    """Sum files that nobody published sums of; return the lines of their manifest."""

    def one(name: str) -> tuple[str, int, str]:
        return name, (folder / name).stat().st_size, _sum_of(folder / name)

    return _each(sorted(names), one, COPIES)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep two jobs from making the files of one folder at once."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_manifest(path: Path, lines: list[tuple[str, int, str]]) -> None:
    """Write beside and rename: file, bytes, sha256."""
    part = path.with_name(path.name + ".part")
    with part.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "bytes", "sha256"))
        writer.writerows(lines)
    part.replace(path)


def sum_manifests(paths: list[Path]) -> str:
    """Hash manifests: equal when the files they list are."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def refuse_changed(manifest: Path) -> None:
    """Raise if files are not what their manifest says; old ones of the right length are trusted."""
    written = manifest.stat().st_mtime_ns
    changed = []
    with manifest.open(newline="") as lines:
        for row in csv.DictReader(lines):
            path = manifest.parent / row["file"]
            try:
                found = path.stat()
            except FileNotFoundError:
                changed.append(row["file"])
                continue
            touched = found.st_mtime_ns > written
            if found.st_size != int(row["bytes"]) or touched and _sum_of(path) != row["sha256"]:
                changed.append(row["file"])
    if changed:
        raise ValueError(
            f"{manifest}: {len(changed)} files have changed or gone since it was written, among "
            f"them {', '.join(changed[:5])}; remove it, and download lists or fetches them again"
        )


def unlisted(manifests: list[Path], listed: list[Path]) -> list[str]:
    """Name the recordings among the files of manifests that the metadata says nothing about."""
    there: set[str] = set()
    for path in manifests:
        with path.open(newline="") as file:
            there |= {row["file"] for row in csv.DictReader(file) if row["file"].endswith(".hea")}
    return sorted(there - {path.as_posix() for path in listed})


def _each(
    names: list[str], one: Callable[[str], tuple[str, int, str]], threads: int
) -> list[tuple[str, int, str]]:
    """Do something to every file in parallel; the first failure stops the rest."""
    patience = 1 if sys.stderr.isatty() else 10  # seconds between two lines of a log
    lines = []
    with (
        ThreadPoolExecutor(threads) as pool,
        tqdm(total=len(names), unit=" files", mininterval=patience) as progress,
    ):
        try:
            for done in as_completed([pool.submit(one, name) for name in names]):
                lines.append(done.result())
                progress.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return sorted(lines)


def _fetch_one(place: str, name: str, digest: str, folder: Path, pause: float) -> None:
    """Bring one file, whole, in a few tries; one that is there with the right sum stays."""
    target = folder / name
    if target.exists() and _sum_of(target) == digest:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(TRIES):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        problem = _try_once(place, name, digest, target)
        if problem is None:
            return
        log.warning("%s/%s: %s (try %d of %d)", place, name, problem, attempt + 1, TRIES)
    raise ValueError(f"{place}/{name}: {problem}; tried {TRIES} times")


def _try_once(place: str, name: str, digest: str, target: Path) -> str | None:
    """Write one file beside and rename it if its sum is right; else say what is wrong."""
    part = target.with_name(target.name + ".part")
    found = hashlib.sha256()
    try:
        with part.open("wb") as file:
            for chunk in _chunks(place, name):
                found.update(chunk)
                file.write(chunk)
        if found.hexdigest() != digest:
            return f"its SHA-256 is {found.hexdigest()}, expected {digest}"
        part.replace(target)
    except ConnectionError as error:
        return str(error)
    finally:
        part.unlink(missing_ok=True)
    return None


def _chunks(place: str, name: str) -> Iterator[bytes]:
    """Read a file of a release piece by piece; what may pass by itself is a ConnectionError."""
    if not _is_web(place):
        with (_local(place) / name).open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
        return
    import requests  # only where a web server is asked

    if not hasattr(_thread, "session"):
        _thread.session = requests.Session()
    address = f"{place.rstrip('/')}/{quote(name)}"
    try:
        with _thread.session.get(address, stream=True, timeout=TIMEOUT) as response:
            if response.status_code in (401, 403, 404, 410):
                raise FileNotFoundError(f"{address}: {response.status_code} {response.reason}")
            response.raise_for_status()
            yield from response.iter_content(CHUNK)
    except requests.RequestException as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error


def _text(place: str, name: str, pause: float = 1.0) -> str:
    """Read a small file of a release."""
    for attempt in range(TRIES):
        try:
            return b"".join(_chunks(place, name)).decode()
        except ConnectionError as error:
            log.warning("%s/%s: %s (try %d of %d)", place, name, error, attempt + 1, TRIES)
            time.sleep(pause * 2**attempt)
    raise ConnectionError(f"{place}/{name} cannot be read; tried {TRIES} times")


def _is_web(place: str) -> bool:
    """Tell an address on the web from a place on a disk."""
    return urlsplit(place).scheme in ("http", "https")


def _local(place: str) -> Path:
    """Give the folder that a path or a `file://` address names."""
    scheme, host, path, *_ = urlsplit(place)
    if scheme == "file" and host in ("", "localhost"):
        return Path(url2pathname(path))
    if scheme:
        raise ValueError(f"{place}: expected a path, file:///..., http://... or https://...")
    return Path(place)


def _safe(name: str, place: str) -> str:
    """Refuse a name that would lead out of the folder: the list is somebody else's."""
    pure = PurePosixPath(name)
    if not name or pure.is_absolute() or ".." in pure.parts or set(name) & set('\\:\0"<>|'):
        raise ValueError(f"{place}/{SUMS}: unsafe file name {name!r}; expected a path below it")
    return pure.as_posix()


def _sum_of(path: Path) -> str:
    """Give a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
