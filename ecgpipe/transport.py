"""Ask a web server, or a disk, for a file from some byte on.

What may pass by itself (a broken or silent connection, a busy server) is a ConnectionError, and
worth asking again; what will not is a FileNotFoundError (no such file) or a ValueError.
"""

import logging
import os
import re
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from ecgpipe import __version__

log = logging.getLogger(__name__)

CHUNK = 1 << 18  # bytes: what a connection that breaks off may cost
BUSY = (408, 425, 429)  # and 500 and above: ask again later
LONGEST = 120.0  # seconds to wait where a busy server names a time
HOPELESS = (
    requests.TooManyRedirects,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, and how often to ask again."""

    tries: int = 5  # in a row that bring nothing new
    pause: float = 1.0  # seconds before asking again; doubles with every failure in a row
    silence: float = 60.0  # seconds without a byte until a connection counts as dead


@dataclass(frozen=True)
class Body:
    """The bytes of a file, from one of them on."""

    start: int
    length: int | None  # bytes from there on; None if the server does not say
    chunks: Iterator[bytes]


class Transport:
    """Open connections, shared by several threads until one of them fails."""

    def __init__(self, connections: int = 1, patience: Patience = Patience()):
        self.patience = patience
        self.stopped = threading.Event()
        self.session = requests.Session()
        # as stored, for sums and ranges; Zenodo slows down clients that do not say who they are
        self.session.headers["Accept-Encoding"] = "identity"
        self.session.headers["User-Agent"] = f"ecgpipe/{__version__}"
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, HTTPAdapter(pool_maxsize=connections))

    def __enter__(self) -> "Transport":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.session.close()

    @contextmanager
    def open(self, address: str, start: int = 0) -> Iterator[Body]:
        """Give the bytes from `start` on, or all of them where the server cannot do that."""
        if not is_web(address):
            with _local(address).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                start = start if start <= size else 0
                file.seek(start)
                yield Body(start, size - start, iter(partial(file.read, CHUNK), b""))
            return
        try:
            with self._ask(address, start) as response:
                chunks = response.raw.stream(CHUNK, decode_content=False)
                yield Body(_start(response), _length(response), chunks)
        except HOPELESS as error:
            raise ValueError(f"{address}: {error}") from error
        except (requests.RequestException, HTTPError) as error:
            raise ConnectionError(f"{address}: {type(error).__name__}: {error}") from error

    def read(self, address: str) -> bytes:
        """Read a small file, asking again where that may help."""
        failures = 0
        while True:
            try:
                with self.open(address) as body:
                    return b"".join(body.chunks)
            except ConnectionError as error:
                failures += 1
                self.wait(failures, error)

    def wait(self, failures: int, error: ConnectionError) -> None:
        """Wait after a failure, twice as long after each further one; give up after too many."""
        if failures >= self.patience.tries:
            raise ConnectionError(f"{error}; tried {failures} times") from error
        log.warning("%s (failure %d of %d)", error, failures, self.patience.tries)
        self.sleep(self.patience.pause * 2 ** (failures - 1))

    def _ask(self, address: str, start: int) -> requests.Response:
        """Ask for a range; where there is no such range, for the whole."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        response = self.session.get(
            address, headers=headers, stream=True, timeout=self.patience.silence
        )
        status = response.status_code
        if start and (status == 416 or status == 206 and _start(response) != start):
            response.close()
            return self._ask(address, 0)
        if status == 200 or status == 206 and _start(response) == start:
            return response
        response.close()
        problem = f"{address}: {status} {response.reason}"
        if 400 <= status < 500 and status not in BUSY:
            raise FileNotFoundError(problem)
        told = response.headers.get("Retry-After", "")
        if status in (429, 503) and told.isdecimal():
            self.sleep(min(float(told), LONGEST))
        raise ConnectionError(problem)

    def sleep(self, seconds: float) -> None:
        """Do nothing for a while, unless another thread has failed for good."""
        if self.stopped.wait(seconds):
            raise CancelledError


def is_web(place: str) -> bool:
    """Tell an address on the web from a place on a disk."""
    return urlsplit(place).scheme in ("http", "https")


def _local(place: str) -> Path:
    """Give the file that a path or a `file://` address names."""
    scheme, host, path, *_ = urlsplit(place)
    if scheme == "file" and host in ("", "localhost"):
        return Path(url2pathname(path))
    if scheme:
        raise ValueError(f"{place}: expected a path, file:///..., http://... or https://...")
    return Path(place)


def _start(response: requests.Response) -> int:
    """Say with which byte of the file an answer begins."""
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found and response.status_code == 206 else 0


def _length(response: requests.Response) -> int | None:
    """Say how many bytes an answer has, if the server does."""
    told = response.headers.get("Content-Length", "")
    return int(told) if told.isdecimal() else None
