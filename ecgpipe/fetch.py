"""Bring published files into a folder, several at once, each whole or not at all.

What an interruption leaves of a file stays beside it and is gone on with; a file that is there with
the right sums is not asked for, and two jobs in one folder fetch nothing twice.
"""

import logging
import threading
from collections import deque
from collections.abc import Collection
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

from ecgpipe.archives import READERS, REFRESH, Line, require_room
from ecgpipe.parts import File, Part, found
from ecgpipe.transport import Patience, Transport, is_web
from ecgpipe.writing import beside

log = logging.getLogger(__name__)


def fetch(
    files: Collection[File], folder: Path, connections: int = 12, patience: Patience = Patience()
) -> list[Line]:
    """Bring files into a folder, each with the right sums; return the lines of their manifest.

    The first failure stops the rest: OSError where the disk is full, FileNotFoundError or
    ValueError where a file is gone or wrong, ConnectionError where it does not come.
    """
    if unsure := sorted(file.name for file in files if not file.sums):
        raise ValueError(f"no sums are published of {unsure[:5]}: whole files cannot be told")
    folder.mkdir(parents=True, exist_ok=True)
    require_room(folder, sum(_missing(file, folder) for file in files))
    threads = connections if any(is_web(file.address) for file in files) else READERS
    with Transport(threads, patience) as transport, Progress(files) as progress:
        job = _Job(folder, transport, progress, deque(files))
        with ThreadPoolExecutor(threads) as pool:
            shares = [pool.submit(job.work) for _ in range(threads)]
            try:
                return sorted(line for share in as_completed(shares) for line in share.result())
            except BaseException:
                transport.stopped.set()
                raise


class Progress:
    """A bar of bytes: how many of how many, how fast, how long still.

    Where sizes are not published, the rest is taken to be as large as what is known.
    """

    def __init__(self, files: Collection[File]):
        self.count = len(files)
        self.done = 0
        self.sizes = {file.name: file.size for file in files if file.size is not None}
        self.known = sum(self.sizes.values())
        self.lock = threading.Lock()
        self.bar = tqdm(unit="B", unit_scale=True, mininterval=REFRESH)
        self._estimate()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.bar.close()

    def expect(self, file: File, size: int) -> None:
        """Learn the size of a file."""
        with self.lock:
            self.known += size - self.sizes.get(file.name, 0)
            self.sizes[file.name] = size
            self._estimate()

    def add(self, count: int) -> None:
        """Note bytes that are there."""
        with self.lock:
            self.bar.update(count)

    def finish(self, file: File, size: int) -> None:
        """Note a file that is there."""
        self.expect(file, size)
        with self.lock:
            self.done += 1
            self.bar.set_postfix_str(f"{self.done} of {self.count} files", refresh=False)

    def _estimate(self) -> None:
        if self.sizes:
            self.bar.total = round(self.known * self.count / len(self.sizes))


class _Job:
    """Bring one file after another, in each of several threads."""

    def __init__(
        self, folder: Path, transport: Transport, progress: Progress, waiting: deque[File]
    ):
        self.folder, self.transport, self.progress = folder, transport, progress
        self.waiting = waiting

    def work(self) -> list[Line]:
        """Bring files until none is waiting, or another thread has failed."""
        lines: list[Line] = []
        while not self.transport.stopped.is_set():
            try:
                file = self.waiting.popleft()
            except IndexError:
                break
            lines.append(self.bring(file))
        return lines

    def bring(self, file: File) -> Line:
        """Fetch one file, unless it is there or another job brings it."""
        target = self.folder / file.name
        line = found(file, target)
        if line:
            self.progress.add(line[1])
        while line is None:
            with Part(file, target) as part:
                if not part.lock(self.transport.sleep):
                    continue
                line = found(file, target)  # by another job, while this one waited
                if line:
                    part.path.unlink()
                else:
                    line = self.complete(part)
        self.progress.finish(file, line[1])
        return line

    def complete(self, part: Part) -> Line:
        """Ask for what is missing until all is there and right."""
        part.read()
        self.progress.add(part.length)
        furthest, failures, spoilt = part.length, 0, False
        while part.problem():
            try:
                self.receive(part)
            except ConnectionError as error:
                failures = 1 if part.length > furthest else failures + 1
                furthest = max(furthest, part.length)
                self.transport.wait(failures, error)
                continue
            if problem := part.problem():
                self.empty(part)
                if spoilt:
                    part.path.unlink()
                    raise ValueError(f"{part.published.address}: {problem}; fetched twice")
                log.warning("%s: %s; once more", part.published.address, problem)
                spoilt = True
        return part.rename()

    def receive(self, part: Part) -> None:
        """Add what one answer brings."""
        address, size = part.published.address, part.published.size
        with self.transport.open(address, part.length) as body:
            if body.start < part.length:
                self.empty(part)
            if body.length is not None:
                self.progress.expect(part.published, body.start + body.length)
                require_room(part.path.parent, body.length)
            for chunk in body.chunks:
                part.append(chunk)
                self.progress.add(len(chunk))
                if self.transport.stopped.is_set():
                    raise CancelledError
        if size is not None and part.length < size:
            raise ConnectionError(f"{address}: ended after {part.length} of {size} bytes")

    def empty(self, part: Part) -> None:
        """Begin a file again."""
        self.progress.add(-part.length)
        part.empty()


def _missing(file: File, folder: Path) -> int:
    """Count the bytes still to come of a file, as far as sizes are published."""
    if file.size is None:
        return 0
    target = folder / file.name
    there = [path.stat().st_size for path in (target, beside(target)) if path.exists()]
    return max(0, file.size - max(there, default=0))
