"""Find the boundaries of the waves in a shard's signals, where nobody marked them.

The output has `waves` as a shard has them, and tells in its attributes how many records and beats
failed, and how many waves of the others were not believed. It needs the optional neurokit2.
"""

import argparse
import json
import logging
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ecgpipe import delineation, hdf5, records
from ecgpipe.delineation import Delineated

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this stage."""
    parser.add_argument("--shard", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="HDF5: waves, and what failed")


def run(*, shard: Path, out: Path) -> None:
    """Delineate every signal as far as it was recorded; save."""
    fs, signals = float(records.read_attributes(shard)["fs"]), records.read_signals(shard)
    samples = records.read_table([shard])["samples"]
    found = [
        delineation.delineate(signal[:, :recorded] / np.float32(1000), fs)
        for signal, recorded in tqdm(
            zip(signals, samples, strict=True), total=len(signals), unit=" records", mininterval=10
        )
    ]
    write(out, found)


def write(out: Path, found: list[Delineated]) -> None:
    """Number the waves by their rows, and count what failed."""
    numbered = [np.insert(each.waves, 0, row, axis=1) for row, each in enumerate(found)]
    counts = {
        "records": len(found),
        "failed_records": sum(not len(each.waves) for each in found),
        "beats": sum(each.beats for each in found),
        "failed_beats": sum(each.failed for each in found),
    }
    refused = sum((each.refused for each in found), Counter[str]())
    with hdf5.written(out) as file:
        file.create_dataset("waves", data=np.concatenate([np.empty((0, 6), np.int32), *numbered]))
        file.attrs.update(counts | {"refused": json.dumps(refused)})
    log.info("%s: %s, refused: %s", out, counts, dict(refused))
