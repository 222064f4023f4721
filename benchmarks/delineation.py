"""How well waves are delineated, against the boundaries that shards hold, and how fast.

    python benchmarks/delineation.py results/shards/ludb/100hz-10s/*.h5

As a reference, the marks of one lead are taken for all leads: what any boundaries that are common
to all leads must get wrong.
"""

import argparse
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int32

from ecgpipe import delineation, records, regions
from ecgpipe.delineation import Delineated
from ecgpipe.delineation_errors import agreement, errors

Waves = Int32[np.ndarray, "wave 6"]


def main() -> None:
    """Delineate every signal, compare, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", type=Path, nargs="+", help="of one dataset, with waves")
    parser.add_argument("--lead", default="II", help="whose marks are the reference")
    told = parser.parse_args()
    attributes = records.read_attributes(told.shards[0])
    fs, leads = float(attributes["fs"]), attributes["leads"]
    marked = stacked([records.read_waves(path) for path in told.shards], told.shards)
    if not len(marked):
        raise SystemExit(f"{told.shards[0].parent}: no waves are marked there")

    began = time.process_time()
    found = [delineate(path, fs) for path in told.shards]
    every = [each for shard in found for each in shard]
    milliseconds = 1000 * (time.process_time() - began) / len(every)
    print(f"{len(every)} records, {milliseconds:.0f} ms a record; {failures(every)}\n")
    numbered = [number(shard) for shard in found]
    ours = stacked(numbered, told.shards)
    of_lead = np.isin(marked[:, 2], [leads.index(told.lead), delineation.ALL_LEADS])
    theirs = marked[of_lead].copy()
    theirs[:, 2] = delineation.ALL_LEADS
    samples = records.read_table(told.shards)["samples"].to_numpy()
    length = int(samples.max())
    truth = regions.code(marked, samples, len(leads), length)
    for name, waves in (("delineated", ours), (f"marks of {told.lead}", theirs)):
        print(f"## {name}\n")
        print(table(errors(marked, waves, len(leads), fs)))
        print(table(agreement(truth, regions.code(waves, samples, len(leads), length))))


def delineate(path: Path, fs: float) -> list[Delineated]:
    """Delineate the signals of a shard as far as they were recorded."""
    samples = records.read_table([path])["samples"]
    rows = zip(records.read_signals(path), samples, strict=True)
    return [delineation.delineate(row[:, :most] / np.float32(1000), fs) for row, most in rows]


def number(found: list[Delineated]) -> Waves:
    """Put the row before each wave."""
    rows = [np.insert(each.waves, 0, row, axis=1) for row, each in enumerate(found)]
    return np.concatenate([np.empty((0, 6), np.int32), *rows])


def stacked(waves: list[Waves], shards: list[Path]) -> Waves:
    """Count the rows on from shard to shard."""
    rows = [len(records.read_signals(path)) for path in shards]
    first = np.cumsum([0, *rows[:-1]])
    moved = [
        own + np.array([start, 0, 0, 0, 0, 0]) for own, start in zip(waves, first, strict=True)
    ]
    return np.concatenate(moved).astype(np.int32)


def failures(found: list[Delineated]) -> str:
    """Say what failed."""
    refused = sum((each.refused for each in found), Counter[str]())
    told = {
        "records without beats": sum(not each.beats for each in found),
        "beats": sum(each.beats for each in found),
        "failed beats": sum(each.failed for each in found),
    } | refused
    return ", ".join(f"{name}: {count}" for name, count in told.items())


def table(lines: pd.DataFrame) -> str:
    """Write a table: shares in percent; lines of what there is none of are left out."""
    shares = ["sensitivity", "precision", "share", "unnamed"]
    text = lines.assign(**{name: 100 * lines[name] for name in shares if name in lines})
    return text.dropna().to_markdown(index=False, floatfmt=".1f") + "\n"


if __name__ == "__main__":
    main()
