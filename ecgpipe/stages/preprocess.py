"""Bring the recordings of some patients to a preparation, and write them as one shard."""

import argparse
import json
import logging
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from tqdm import tqdm

from ecgpipe import (
    annotations,
    archives,
    fingerprints,
    quality,
    records,
    registry,
    signals,
    writing,
)
from ecgpipe.records import Record, Row, Signal
from ecgpipe.settings import Preparation, build, parse

log = logging.getLogger(__name__)


@dataclass
class Findings:
    """What was noticed while reading, by record."""

    seconds: float = 0.0  # recorded, before cropping
    padded: dict[str, float] = field(default_factory=dict)  # seconds added
    cropped: dict[str, float] = field(default_factory=dict)  # seconds left out at the end
    flat: dict[str, list[str]] = field(default_factory=dict)  # leads, see `quality`
    saturated: dict[str, list[str]] = field(default_factory=dict)
    drifting: dict[str, list[str]] = field(default_factory=dict)
    noisy: dict[str, list[str]] = field(default_factory=dict)
    clipped: dict[str, int] = field(default_factory=dict)  # samples beyond int16 microvolts
    nan: dict[str, int] = field(default_factory=dict)  # samples that are missing
    missing: dict[str, float] = field(default_factory=dict)  # seconds in which a lead is
    unreadable: dict[str, float] = field(default_factory=dict)  # seconds annotated as such
    empty: list[str] = field(default_factory=list)  # recordings of which nothing was kept
    fs: Counter[str] = field(default_factory=Counter)  # Hz, as recorded: recordings
    lengths: Counter[str] = field(default_factory=Counter)  # seconds, as recorded: recordings
    pieces: dict[str, Counter[str]] = field(default_factory=dict)  # see `quality`, by lead
    rhythms: dict[str, float] = field(default_factory=dict)  # seconds annotated, by code
    beats: Counter[str] = field(default_factory=Counter)  # beats annotated, by symbol


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this stage."""
    parser.add_argument("--dataset", required=True, help="a file of ecgpipe/datasets")
    parser.add_argument("--preparation", required=True, help="its name, for messages and report")
    parser.add_argument("--settings", required=True, help="the preparation, as JSON or YAML")
    parser.add_argument("--shard", type=int, required=True, help="which patients: their hash")
    parser.add_argument("--manifests", type=Path, nargs="+", required=True, help="files go beside")
    parser.add_argument("--report", type=Path, required=True, help="JSON: left out, flat, clipped")
    parser.add_argument("--out", type=Path, required=True, help="the shard, HDF5")


def run(
    *,
    dataset: str,
    preparation: str,
    settings: str,
    shard: int,
    manifests: list[Path],
    report: Path,
    out: Path,
) -> None:
    """Read, prepare and write the recordings whose patients belong to this shard."""
    plugin = registry.load("datasets", dataset)
    told = build(Preparation, parse(settings), f"preparation {preparation}")
    for manifest in manifests:
        archives.refuse_changed(manifest)
    available = plugin.records(manifests[0].parent)
    chosen = [r for r in available if records.shard_of(r.patient, plugin.SHARDS) == shard]
    rows, findings = prepare(plugin, told, manifests[0].parent, chosen)
    if findings.nan and told.missing_samples == "refuse":
        raise ValueError(
            f"{len(findings.nan)} records have missing samples: {findings.nan}; "
            f"name them in EXCLUDED of ecgpipe/datasets/{dataset}.py with the reason, take own "
            "recordings out of labels.csv, or let the preparation say `missing_samples: leave_out`"
        )
    sources = archives.sum_manifests(manifests)
    records.write_shard(out, rows, dataset=dataset, preparation=told, sources=sources)
    told_of = {"dataset": dataset, "preparation": preparation, "shard": shard}
    unlisted = {"unlisted": archives.unlisted(manifests, [r.path for r in available])}
    counts = count(plugin, available, chosen, rows) | (unlisted if plugin.URL is None else {})
    write_report(report, told_of | counts | vars(findings))
    log.info("%s %s, shard %d: %d rows", dataset, preparation, shard, len(rows))


def prepare(
    plugin: ModuleType, preparation: Preparation, folder: Path, chosen: list[Record]
) -> tuple[list[Row], Findings]:
    """Read recordings one by one; note what is odd about them."""
    rows, findings = [], Findings()
    for record in tqdm(chosen, unit=" records", mininterval=10):
        signal = plugin.read(folder, record, preparation.source_among(plugin.SOURCES))
        try:
            look(record, signal, preparation, findings)
            characterise(record, signal, findings)
            whole = record.id not in findings.nan or preparation.window is not None
            found = signals.prepare(signal, preparation, record.unreadable) if whole else []
        except ValueError as error:
            raise ValueError(f"record {record.id}: {error}") from error
        rows += rows_of(record, signal, found, preparation, findings)
    return rows, findings


def rows_of(
    record: Record,
    signal: Signal,
    found: list[tuple[float, np.ndarray]],
    preparation: Preparation,
    findings: Findings,
) -> list[Row]:
    """Make the rows of one recording: what each holds, and which rhythms and beats lie in it."""
    digest, fingerprint = records.digest(signal), fingerprints.fingerprint(signal)
    starts = np.array([start for start, _ in found])
    seconds = np.array([millivolts.shape[1] / preparation.fs for _, millivolts in found])
    rhythms = annotations.shares(record.spans, starts, seconds)
    beats = annotations.counts(record.beats, starts, seconds)
    rows = []
    for (start, millivolts), covering, holding in zip(found, rhythms, beats, strict=True):
        prepared, clipped = records.microvolts(millivolts, record.id)
        if clipped:
            findings.clipped[record.id] = findings.clipped.get(record.id, 0) + clipped
        rows.append(Row(record, start, prepared, digest, covering, holding, fingerprint))
    if not rows:
        findings.empty.append(record.id)
    return rows


def look(record: Record, signal: Signal, preparation: Preparation, findings: Findings) -> None:
    """Note what of a recording does not fit the preparation, is missing or is unreadable."""
    millivolts = signal.millivolts
    seconds = millivolts.shape[1] / signal.fs
    findings.seconds += seconds
    if seconds < preparation.seconds:
        findings.padded[record.id] = preparation.seconds - seconds
    if seconds > preparation.seconds and preparation.window is None:
        findings.cropped[record.id] = seconds - preparation.seconds
    picked = signals.pick_leads(signal, preparation.leads, preparation.missing_leads)
    absent = np.isnan(picked)
    if missing := int(absent.sum()):
        findings.nan[record.id] = missing
        findings.missing[record.id] = int(absent.any(axis=0).sum()) / signal.fs
    if unreadable := sum(offset - onset for onset, offset in record.unreadable):
        findings.unreadable[record.id] = unreadable


def characterise(record: Record, signal: Signal, findings: Findings) -> None:
    """Note how a recording was made, what is annotated along it, and how good its leads are."""
    findings.fs[f"{signal.fs:g}"] += 1
    findings.lengths[f"{signal.millivolts.shape[1] / signal.fs:.1f}"] += 1
    findings.beats.update(record.beats.symbol.tolist())
    for span in record.spans:
        before = findings.rhythms.get(span.code, 0.0)
        findings.rhythms[span.code] = before + span.offset - span.onset
    for kind, found in quality.judge(signal).items():
        if found.any():
            counts: Counter[str] = Counter()
            for lead, count in zip(signal.leads, found.sum(axis=1).tolist(), strict=True):
                counts[lead] += count  # two leads may have one name, such as ECG
            findings.pieces.setdefault(kind, Counter()).update(counts)
            if kind != "judged":
                getattr(findings, kind)[record.id] = list(+counts)


def count(
    plugin: ModuleType, available: list[Record], chosen: list[Record], rows: list[Row]
) -> dict[str, Any]:
    """Count the records that came in, those left out of the whole dataset, and those equal."""
    same: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        same[row.digest].add(row.record.id)
    missing = max(plugin.SIZE - len(available) - len(plugin.EXCLUDED), 0) if plugin.URL else 0
    return {
        "records": len(chosen),
        "rows": len(rows),
        "release": {
            "records": len(available),
            "excluded": plugin.EXCLUDED,
            "not in this part of the release": missing,
        },
        "identical": sorted(sorted(ids) for ids in same.values() if len(ids) > 1),
    }


def write_report(path: Path, values: dict[str, Any]) -> None:
    """Write what a shard's page is made of."""
    writing.write_text(path, json.dumps(values, indent=1) + "\n")
