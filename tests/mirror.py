"""A web server of this machine that serves a folder of releases and misbehaves on demand.

It answers as PhysioNet (files, with ranges), and of every folder named by a number also as Zenodo
(`/records/N/`) and figshare (`/v2/articles/N/`).

By hand: `python -m tests.mirror FOLDER --drop 0.1`.
"""

import argparse
import hashlib
import json
import random
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, unquote

SUMS = "SHA256SUMS.txt"
CHUNK = 1 << 16  # bytes
Fault = Callable[["Handler", bytes, int], None]


class Mirror:
    """The server: what it was asked for, and which faults it makes."""

    def __init__(self, folder: Path, port: int = 0, drop: float = 0.0, rate: float = 0.0):
        self.folder = folder
        self.drop = drop  # share of the answers that break off in their middle
        self.rate = rate  # bytes a second and connection; 0 is as fast as it can
        self.ranges = True  # whether it can begin within a file
        self.lengths = True  # whether it says how much is to come
        self.headers: dict[str, str] = {}  # further ones
        self.asked: list[tuple[str, int]] = []  # name of a file, first byte
        self.faults: dict[str, Iterator[Fault]] = {}  # name of a file: one for each request
        self.dice = random.Random(0)
        self.closing = threading.Event()
        self.server = Server(("127.0.0.1", port), Handler)
        self.server.mirror = self
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def starts(self, name: str) -> list[int]:
        """List the first bytes that were asked for of one file."""
        return [start for asked, start in self.asked if asked == name]


class Server(ThreadingHTTPServer):
    """One thread a connection; clients may leave in the middle."""

    daemon_threads = True
    mirror: Mirror

    def handle_error(self, request: object, address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    @property
    def mirror(self) -> Mirror:
        assert isinstance(self.server, Server)
        return self.server.mirror

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0]).strip("/")
        name = published_as(path)
        told = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(told[1]) if told else 0
        self.mirror.asked.append((name, start))
        content = self.find(name)
        if content is None:
            return self.answer(404)
        if not self.mirror.ranges:
            start = 0
        fault = next(self.mirror.faults.get(name, iter(())), None)
        if fault is None and self.mirror.dice.random() < self.mirror.drop:
            fault = cut((len(content) - start) // 2)
        if fault:
            return fault(self, content, start)
        if start and start >= len(content):
            return self.answer(416, {"Content-Range": f"bytes */{len(content)}"})
        return self.send(content, start)

    def find(self, name: str) -> bytes | None:
        """Read a file, or make up the list of one of the APIs."""
        if listing := re.fullmatch(r"api/records/(\d+)", name):
            return zenodo(self.mirror.folder / listing[1])
        if listing := re.fullmatch(r"v2/articles/(\d+)/files", name):
            return figshare(self.mirror.folder / listing[1], self.mirror.address)
        if listing := re.fullmatch(r"v2/collections/(\d+)/articles", name):
            return (self.mirror.folder / f"{listing[1]}.json").read_bytes()
        path = self.mirror.folder / name
        return path.read_bytes() if path.is_file() else None

    def answer(self, status: int, headers: dict[str, str] | None = None) -> None:
        """Send no more than a status."""
        self.send_response(status)
        for key, value in {"Content-Length": "0", **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()

    def send(self, content: bytes, start: int, until: int | None = None) -> None:
        """Send a file from some byte on; stop before one of them, though all are announced."""
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        headers = dict(self.mirror.headers)
        if self.mirror.lengths:
            headers["Content-Length"] = str(len(content) - start)
        else:
            headers["Connection"] = "close"  # whose end is then the end of the file
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        for left in range(start, len(content) if until is None else until, CHUNK):
            piece = content[left : min(left + CHUNK, len(content) if until is None else until)]
            self.wfile.write(piece)
            if self.mirror.rate:
                time.sleep(len(piece) / self.mirror.rate)


def published_as(path: str) -> str:
    """Name the file of the folder that an address of an API stands for."""
    path = re.sub(r"^api/records/(\d+)/files/(.+)/content$", r"\1/\2", path)
    return re.sub(r"^ndownloader/(\d+)/(.+)$", r"\1/\2", path)


def zenodo(folder: Path) -> bytes:
    """Tell of a folder's files as Zenodo does."""
    entries = [
        {"key": path.name, "size": path.stat().st_size, "checksum": f"md5:{md5(path)}"}
        for path in files_of(folder)
    ]
    return json.dumps({"id": int(folder.name), "files": entries}).encode()


def figshare(folder: Path, address: str) -> bytes:
    """Tell of a folder's files as figshare does."""
    entries: list[dict[str, Any]] = [
        {
            "name": path.name,
            "size": path.stat().st_size,
            "is_link_only": False,
            "download_url": f"{address}/ndownloader/{folder.name}/{quote(path.name)}",
            "supplied_md5": "",
            "computed_md5": md5(path),
        }
        for path in files_of(folder)
    ]
    return json.dumps(entries).encode()


def files_of(folder: Path) -> list[Path]:
    """List the files of a folder, without those of its folders: the APIs know none."""
    return sorted(path for path in folder.iterdir() if path.is_file())


def md5(path: Path) -> str:
    """Sum a file."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def sums(folder: Path) -> None:
    """Write SHA256SUMS.txt over a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SUMS)
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(folder).as_posix()}\n"
        for path in files
    ]
    (folder / SUMS).write_text("".join(lines))


def cut(after: int) -> Fault:
    """Break the connection off after some bytes."""

    def make(handler: Handler, content: bytes, start: int) -> None:
        handler.send(content, start, start + after)
        handler.close_connection = True

    return make


def stall(after: int) -> Fault:
    """Fall silent after some bytes."""

    def make(handler: Handler, content: bytes, start: int) -> None:
        handler.send(content, start, start + after)
        handler.mirror.closing.wait(30)
        handler.close_connection = True

    return make


def status(code: int, **headers: str) -> Fault:
    """Answer with a status alone."""
    return lambda handler, content, start: handler.answer(
        code, {key.replace("_", "-"): value for key, value in headers.items()}
    )


def other(content: bytes) -> Fault:
    """Send something else."""
    return lambda handler, _, start: handler.send(content, 0)


def main() -> None:
    """Serve a folder until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--drop", type=float, default=0.0, help="share of answers to break off")
    parser.add_argument("--rate", type=float, default=0.0, help="bytes a second and connection")
    options = parser.parse_args()
    with Mirror(options.folder, options.port, options.drop, options.rate) as mirror:
        mirror.closing.wait()


if __name__ == "__main__":
    main()
