"""Fetch one source of a dataset: its metadata, or its signals at one sampling frequency."""

import argparse
import logging
from itertools import chain
from pathlib import Path
from types import ModuleType

from ecgpipe import archives, extract, fetch, pins, registry, releases
from ecgpipe.archives import Line
from ecgpipe.parts import File

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this stage."""
    parser.add_argument("--dataset", required=True, help="a file of ecgpipe/datasets")
    parser.add_argument("--source", required=True, help="metadata, or signals such as 100hz")
    parser.add_argument("--mirror", help="path or address of the publisher's tree; else he himself")
    parser.add_argument("--lock", type=Path, help="our SHA-256, where the publisher gives none")
    parser.add_argument("--out", type=Path, required=True, help="manifest; files are put beside it")


def run(
    *, dataset: str, source: str, mirror: str | None, lock: Path | None = None, out: Path
) -> None:
    """Bring the files beside the manifest, then write it."""
    plugin = registry.load("datasets", dataset)
    if source not in plugin.SOURCES:
        raise ValueError(f"--source {source}: {dataset} has {', '.join(plugin.SOURCES)}")
    place = releases.place_of(plugin.URL, mirror, plugin.MIRROR)
    out.parent.mkdir(parents=True, exist_ok=True)
    if place is None:
        lines = own(plugin, source, out.parent)
    else:
        lines = published(plugin, source, place, lock, out.parent)
    if not lines:
        raise FileNotFoundError(f"{place or out.parent} holds no files of {dataset}, {source}")
    log.info("%s %s: %d files, %d bytes", dataset, source, len(lines), sum(n for _, n, _ in lines))
    archives.write_manifest(out, lines)


def published(
    plugin: ModuleType, source: str, place: str, lock: Path | None, folder: Path
) -> list[Line]:
    """Fetch the wanted files of a release, or of the part of it that a mirror holds."""
    release = releases.read(place)
    wanted = set(plugin.files(source, sorted(release.files), releases.records(release)))
    log.info("%s of %s: %d files wanted", source, place, len(wanted))
    recordings = sum(name.endswith(".hea") for name in wanted)
    if 0 < recordings < plugin.SIZE:
        log.info("only a part of the release: %d of %d recordings", recordings, plugin.SIZE)
    names, members = extract.sort_out(wanted, release.files)
    if unknown := [name for name in names if name not in release.files]:
        raise FileNotFoundError(
            f"{place}: {len(unknown)} wanted files are not published there: {unknown[:3]}"
        )
    fetched = bring([release.files[name] for name in names], release.connections, lock, folder)
    with archives.locked(folder):
        opened = [each for each in fetched if each[0] in members]
        inside = [extract.extract(each, members[each[0]], folder) for each in opened]
    plain = [line for line in fetched if line[0] in wanted]
    return sorted(chain(plain, *inside))


def bring(files: list[File], connections: int, lock: Path | None, folder: Path) -> list[Line]:
    """Fetch files; hold those without published SHA-256 to the lock file, or pin them there."""
    if lock is None:
        return fetch.fetch(files, folder, connections)
    held = pins.hold(files, lock)
    lines = fetch.fetch(held, folder, connections)
    with archives.locked(folder):
        pins.add(lines, held, lock)
    return lines


def own(plugin: ModuleType, source: str, folder: Path) -> list[Line]:
    """List the files of a dataset that is made here, or that the user has put there."""
    if hasattr(plugin, "make"):
        with archives.locked(folder):
            plugin.make(folder)
    names = plugin.files(source, archives.list_own(folder), archives.own_records(folder))
    return archives.sum_own(names, folder)
