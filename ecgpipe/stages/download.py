"""Fetch one source of a dataset: its metadata, or its signals at one sampling frequency."""

import argparse
import logging
from pathlib import Path
from types import ModuleType

from ecgpipe import archives, registry

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this stage."""
    parser.add_argument("--dataset", required=True, help="a file of ecgpipe/datasets")
    parser.add_argument("--source", required=True, help="metadata, or signals such as 100hz")
    parser.add_argument("--mirror", help="path or address of the publisher's tree; else he himself")
    parser.add_argument("--out", type=Path, required=True, help="manifest; files are put beside it")


def run(*, dataset: str, source: str, mirror: str | None, out: Path) -> None:
    """Bring the files beside the manifest, then write it."""
    plugin = registry.load("datasets", dataset)
    if source not in plugin.SOURCES:
        raise ValueError(f"--source {source}: {dataset} has {', '.join(plugin.SOURCES)}")
    place = archives.place_of(plugin.URL, mirror, plugin.MIRROR)
    out.parent.mkdir(parents=True, exist_ok=True)
    if place is None:
        lines = own(plugin, source, out.parent)
    else:
        lines = published(plugin, source, place, out.parent)
    if not lines:
        raise FileNotFoundError(f"{place or out.parent} holds no files of {dataset}, {source}")
    log.info("%s %s: %d files, %d bytes", dataset, source, len(lines), sum(n for _, n, _ in lines))
    archives.write_manifest(out, lines)


def published(
    plugin: ModuleType, source: str, place: str, folder: Path
) -> list[tuple[str, int, str]]:
    """Fetch the wanted files of a release, or of the part of it that a mirror holds."""
    sums = archives.read_sums(place)
    records = archives.read_records(place, sums)
    wanted = plugin.files(source, sorted(sums), records)
    if unknown := [name for name in wanted if name not in sums]:
        raise FileNotFoundError(
            f"{place}: {len(unknown)} wanted files are not in {archives.SUMS}: {unknown[:3]}"
        )
    log.info("%s of %s: %d files wanted", source, place, len(wanted))
    recordings = sum(name.endswith(".hea") for name in wanted)
    if 0 < recordings < plugin.SIZE:
        log.info("only a part of the release: %d of %d recordings", recordings, plugin.SIZE)
    return archives.fetch(place, {name: sums[name] for name in wanted}, folder)


def own(plugin: ModuleType, source: str, folder: Path) -> list[tuple[str, int, str]]:
    """List the files of a dataset that is made here, or that the user has put there."""
    if hasattr(plugin, "make"):
        with archives.locked(folder):
            plugin.make(folder)
    names = plugin.files(source, archives.list_own(folder), archives.own_records(folder))
    return archives.sum_own(names, folder)
