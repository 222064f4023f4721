"""Predict every test record under every condition of a run, averaging over crops.

Records of valid are predicted as they are: thresholds come from there, and no condition moves one.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from ecgpipe import inference, model, predictions, provenance, records, signals
from ecgpipe.cohort import MILLIVOLTS, Cohort, TaskRows, derive, read_task
from ecgpipe.conditions import disturb
from ecgpipe.parallel import start
from ecgpipe.predictions import Predictions
from ecgpipe.settings import Condition, Task, build, parse

BLOCK = 256  # records disturbed at once
FROZEN = "probe"  # the adapter that leaves the encoder as pretraining made it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """State the inputs, the settings and the output."""
    parser.add_argument("--settings", required=True, help="task, conditions, revision")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--shards", type=Path, nargs="+", required=True)
    parser.add_argument("--splits", type=Path, nargs="+", required=True, help="one a dataset")
    parser.add_argument("--noise", type=Path, nargs="*", default=[], help="shards of noise")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)


def run(
    *,
    settings: str,
    checkpoint: Path,
    shards: list[Path],
    splits: list[Path],
    noise: list[Path],
    threads: int,
    out: Path,
) -> None:
    """Load the model once, then predict under each condition."""
    torch.set_num_threads(threads)
    device = start()
    told = parse(settings)
    network, metadata = model.load(checkpoint)
    network.to(device).eval()
    rows = read_task(build(Task, told["task"], "task"), shards, splits)
    if not set(network.labels) & set(rows.labels):
        raise ValueError(
            f"{checkpoint} was trained for {network.labels}, none of which is a label of the task"
        )
    scored = np.isin(rows.part, ["valid", "test"])
    cohort = rows.load(scored, device, "valid or test")
    model.refuse_other_montage(checkpoint, metadata, cohort.montage)
    crop = metadata["recipe"]["fit"]["crop"]
    found = {}
    for name, values in sorted(told["conditions"].items()):
        condition = build(Condition, values, f"config/conditions/{name}.yaml")
        recorded = read_noise(noise, condition, cohort.montage.fs)
        here = scored if condition == Condition() else rows.part == "test"
        shown = disturbed(cohort.of(here[scored]), condition, recorded)
        probability = inference.probabilities(network, shown, crop, crop / 2)
        found[name] = collect(rows, here, network.labels, probability.cpu().numpy())
    attributes = {
        "revision": json.dumps(metadata["revision"] | told["revision"], sort_keys=True),
        "commit": provenance.commit(),
        "datasets": json.dumps(metadata["datasets"] | records.read_sources(shards), sort_keys=True),
    }
    predictions.write(out, found, attributes, embed(network, metadata, rows, device))


def read_noise(shards: list[Path], condition: Condition, fs: int) -> torch.Tensor | None:
    """Read the noise that a condition names, such as `nstdb/em`, in one piece: (channel, long).

    Its scale means nothing yet: the condition's signal-to-noise ratio decides.
    """
    if condition.recorded is None:
        return None
    dataset, record = condition.recorded
    table = records.read_table(shards)
    here = table[(table["dataset"] == dataset) & (table["record"] == record)].sort_values("start")
    if here.empty:
        there = sorted(set(table["dataset"] + "/" + table["record"]))
        raise ValueError(f"noise {condition.noise!r}: --noise has {', '.join(there)}")
    windows = [records.read_signals(shards[at])[row] for at, row in here[["shard", "row"]].values]
    native = records.read_attributes(shards[0])["fs"]
    joined = np.concatenate(windows, axis=1).astype(np.float32)
    return torch.from_numpy(signals.resample(joined, float(native), float(fs)))


def disturbed(cohort: Cohort, condition: Condition, recorded: torch.Tensor | None) -> Cohort:
    """Show records as a condition has them, in int16 microvolts again.

    Rounding moves a signal-to-noise ratio by less than 0.1 dB at 24 dB and 0.01 dB at -6 dB. What
    is beyond 32.8 mV is clipped.
    """
    if condition == Condition():
        return cohort
    seeds = noise_seeds(cohort, condition)
    limits = torch.iinfo(torch.int16)
    signal = torch.empty_like(cohort.signal)
    for first in range(0, len(cohort), BLOCK):
        some = slice(first, first + BLOCK)
        clean = cohort.signal[some].cpu().double() * MILLIVOLTS
        millivolts = disturb(clean, condition, cohort.montage, seeds[some], recorded)
        microvolts = (millivolts / MILLIVOLTS).round().clamp(limits.min, limits.max)
        signal[some] = microvolts.to(signal)
    return replace(cohort, signal=signal)


def noise_seeds(cohort: Cohort, condition: Condition) -> list[int]:
    """Make a seed for each row of who it is and the kind of noise.

    So no other record and no other condition changes a record's noise, and under every ratio it is
    the same noise, louder or fainter.
    """
    rows = cohort.table[["dataset", "record", "start"]].astype(str).agg("/".join, axis=1)
    return [derive(int(provenance.digest(condition.noise or "", row), 16)) for row in rows]


def collect(
    rows: TaskRows, scored: np.ndarray, labels: tuple[str, ...], probability: np.ndarray
) -> Predictions:
    """Put the probabilities of labels that the task has beside its targets."""
    shared = [label for label in labels if label in rows.labels]
    table = rows.table[scored]
    return Predictions(
        labels=tuple(shared),
        record=table["record"].to_numpy(str),
        patient=(table["dataset"] + ":" + table["patient"]).to_numpy(str),
        start=table["start"].to_numpy(float),
        part=rows.part[scored],
        target=rows.target[scored][:, [rows.labels.index(label) for label in shared]],
        probability=probability[:, [labels.index(label) for label in shared]],
    )


def embed(
    network: model.Classifier, metadata: dict[str, Any], rows: TaskRows, device: torch.device
) -> Float[np.ndarray, "test pooled"] | None:
    """Embed the test records as they are, where the encoder was frozen: for a map of them."""
    test = rows.part == "test"
    if metadata["recipe"]["adapter"]["name"] != FROZEN or not test.any():
        return None
    crop = metadata["recipe"]["fit"]["crop"]
    cohort = rows.load(test, device, "test")
    return inference.embeddings(network, cohort, crop, crop / 2).cpu().numpy()
