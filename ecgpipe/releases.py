"""What a publisher has: the files of a release with their sums and, where he says, their sizes.

A place is a folder with SHA256SUMS.txt (PhysioNet and every mirror; a path, `file://`, `https://`),
a record of Zenodo (`https://zenodo.org/records/N/`) or an article or collection of figshare
(`https://api.figshare.com/v2/articles/N/`, `.../v2/collections/N/`).
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

from ecgpipe.archives import RECORDS
from ecgpipe.parts import File
from ecgpipe.transport import Patience, Transport, is_web

SUMS = "SHA256SUMS.txt"
RECORD = re.compile(r"/records/\d+$")
ARTICLE = re.compile(r"/v2/articles/\d+$")
COLLECTION = re.compile(r"/v2/collections/\d+$")
DIGITS = {"sha256": 64, "md5": 32}
FOLDER_CONNECTIONS = 12  # to a web server at once: many small files
ARCHIVE_CONNECTIONS = 3  # Zenodo and figshare: few large files, and they block who asks too often
MOST = 1000  # entries: figshare allows 500 files an article, and tells of ten unless asked for more


@dataclass(frozen=True)
class Release:
    """The files of a release by name, and how many to ask its publisher for at once."""

    place: str
    files: dict[str, File]
    connections: int


def place_of(url: str | None, mirror: str | None, folder: str) -> str | None:
    """Say where a release is fetched from: from a mirror if there is one, else its publisher."""
    if mirror is None or url is None:
        return url
    return f"{mirror.rstrip('/')}/{folder}"


def read(place: str, patience: Patience = Patience()) -> Release:
    """Ask which files a release has."""
    place = place.rstrip("/")
    with Transport(patience=patience) as transport:
        if is_web(place) and RECORD.search(place):
            return _zenodo(place, transport)
        if is_web(place) and (ARTICLE.search(place) or COLLECTION.search(place)):
            return _figshare(place, transport)
        return _folder(place, transport)


def records(release: Release, patience: Patience = Patience()) -> list[str]:
    """Read the lines of RECORDS, which says what is here; a release without one has none."""
    if RECORDS not in release.files:
        return []
    file = release.files[RECORDS]
    with Transport(patience=patience) as transport:
        content = transport.read(file.address)
    sums = {name: hashlib.new(name, content).hexdigest() for name in file.sums}
    if problem := file.problem(len(content), sums):
        raise ValueError(f"{file.address}: {problem}")
    return content.decode().split()


def safe(name: str, place: str) -> str:
    """Refuse a name that would lead out of the folder: the list is somebody else's."""
    pure = PurePosixPath(name)
    odd = set(name) & set('\\:"<>|') or not name.isprintable()
    if not pure.name or pure.is_absolute() or ".." in pure.parts or odd:
        raise ValueError(f"{place}: unsafe file name {name!r}; expected a path below the folder")
    return pure.as_posix()


def _folder(place: str, transport: Transport) -> Release:
    """Read the sums of a folder."""
    listing, files = f"{place}/{SUMS}", {}
    for line in transport.read(listing).decode().splitlines():
        digest, _, told = line.strip().partition(" ")
        sums = _sums("sha256", digest, listing)
        name = safe(told.strip().removeprefix("*").removeprefix("./"), listing)
        address = f"{place}/{quote(name) if is_web(place) else name}"
        files[name] = File(name, address, None, sums)
    return Release(place, files, FOLDER_CONNECTIONS)


def _zenodo(place: str, transport: Transport) -> Release:
    """Read a record of Zenodo (API of InvenioRDM: `files` with key, size, checksum)."""
    parts = urlsplit(place)
    api = f"{parts.scheme}://{parts.netloc}/api/records/{place.rpartition('/')[2]}"
    files = {}
    for entry in _entries(transport, api, ("files",), {"key": str, "size": int, "checksum": str}):
        name = safe(entry["key"], api)
        algorithm, _, digest = entry["checksum"].partition(":")
        address = f"{api}/files/{quote(entry['key'], safe='')}/content"
        files[name] = File(name, address, entry["size"], _sums(algorithm, digest, api))
    return Release(place, files, ARCHIVE_CONNECTIONS)


def _figshare(place: str, transport: Transport) -> Release:
    """Read an article of figshare, or every article of a collection."""
    articles, files = [place], dict[str, File]()
    if (base := COLLECTION.sub("", place)) != place:
        found = _entries(transport, f"{place}/articles?page_size={MOST}", (), {"id": int})
        articles = [f"{base}/v2/articles/{entry['id']}" for entry in found]
    for article in articles:
        files |= {file.name: file for file in _article(article, transport)}
    return Release(place, files, ARCHIVE_CONNECTIONS)


def _article(place: str, transport: Transport) -> Iterator[File]:
    """Read an article of figshare (API v2: name, size, download_url, computed_md5)."""
    api = f"{place}/files?page_size={MOST}"
    for entry in _entries(transport, api, (), {"name": str, "size": int, "download_url": str}):
        name, address = safe(entry["name"], api), entry["download_url"]
        digest = entry.get("computed_md5") or entry.get("supplied_md5")
        sums = _sums("md5", digest, api) if digest else {}  # none of what lies elsewhere
        if not is_web(address):
            raise ValueError(f"{api}: {name} is said to be at {address!r}; expected https://...")
        yield File(name, address, entry["size"], sums)


def _entries(
    transport: Transport, address: str, keys: tuple[str, ...], fields: dict[str, type]
) -> list[dict[str, Any]]:
    """Read a publisher's list of files: JSON, below some keys."""
    try:
        found = json.loads(transport.read(address))
        for key in keys:
            found = found[key]
        if not all(
            isinstance(entry[name], kind) for entry in found for name, kind in fields.items()
        ):
            raise TypeError("a field has another type")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{address}: {error!r}; expected JSON, a list whose entries have {', '.join(fields)}"
        ) from error
    return list(found)


def _sums(algorithm: str, digest: str, place: str) -> dict[str, str]:
    """Check that what a publisher gives is a sum."""
    if len(digest) != DIGITS.get(algorithm) or not set(digest.lower()) <= set("0123456789abcdef"):
        raise ValueError(
            f"{place}: {digest[:80]!r} is no {algorithm}; expected SHA-256 and a file's name on "
            "every line, or an md5 for every file"
        )
    return {algorithm: digest.lower()}
