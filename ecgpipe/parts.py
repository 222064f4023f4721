"""One published file on its way: it is NAME.part until its sums are right.

Whoever writes that file holds it locked; when the writer ends, however it ends, the lock ends too.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ecgpipe.archives import CHUNK, Line, sums_of
from ecgpipe.writing import beside


@dataclass(frozen=True, slots=True)  # there may be millions
class File:
    """A published file, and how to tell that it came whole."""

    name: str  # path below the folder
    address: str
    size: int | None  # bytes, where the publisher says
    sums: dict[str, str]  # by algorithm: sha256, md5

    def problem(self, size: int, sums: dict[str, str]) -> str | None:
        """Say what is wrong with some bytes; None if they are this file."""
        if self.size is not None and size != self.size:
            return f"{size} bytes, expected {self.size}"
        for name, digest in self.sums.items():
            if sums[name] != digest:
                return f"its {name} is {sums[name]}, expected {digest}"
        return None

    def algorithms(self) -> set[str]:
        """Name what is summed: what the publisher gives, and SHA-256."""
        return {"sha256", *self.sums}


class Part:
    """What has come of a file: its bytes beside the final name, and their sums."""

    def __init__(self, file: File, target: Path):
        self.published, self.target, self.path = file, target, beside(target)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = self.path.open("a+b", buffering=0)
        self._forget()

    def __enter__(self) -> "Part":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.file.close()  # which ends the lock

    def lock(self, sleep: Callable[[float], None]) -> bool:
        """Wait until nobody else writes it; False if somebody has finished it meanwhile."""
        while True:
            try:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return os.path.samestat(os.fstat(self.file.fileno()), self.path.stat())
            except BlockingIOError:
                sleep(0.1)
            except FileNotFoundError:
                return False

    def read(self) -> None:
        """Sum what an earlier job has left."""
        self.file.seek(0)
        while chunk := self.file.read(CHUNK):
            self._count(chunk)

    def append(self, chunk: bytes) -> None:
        """Write further bytes."""
        left = memoryview(chunk)
        try:
            while left:
                left = left[self.file.write(left) :]
        except OSError as error:
            kept = f"{error.strerror}; what has come is kept in {self.path}"
            raise OSError(error.errno, kept) from error
        self._count(chunk)

    def empty(self) -> None:
        """Forget all of it."""
        self.file.truncate(0)
        self._forget()

    def problem(self) -> str | None:
        """Say what is missing or wrong; None if it is the published file."""
        sums = {name: each.hexdigest() for name, each in self._sums.items()}
        return self.published.problem(self.length, sums)

    def rename(self) -> Line:
        """Give it its final name."""
        self.path.replace(self.target)
        return self.published.name, self.length, self._sums["sha256"].hexdigest()

    def _count(self, chunk: bytes) -> None:
        self.length += len(chunk)
        for each in self._sums.values():
            each.update(chunk)

    def _forget(self) -> None:
        self.length = 0
        names = self.published.algorithms()
        self._sums = {name: hashlib.new(name, usedforsecurity=False) for name in names}


def found(file: File, target: Path) -> Line | None:
    """Give the manifest's line of a file that is there with the right sums."""
    if not target.exists():
        return None
    size = target.stat().st_size
    if file.size not in (None, size):
        return None
    sums = sums_of(target, file.algorithms())
    return None if file.problem(size, sums) else (file.name, size, sums["sha256"])
