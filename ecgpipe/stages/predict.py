"""Predict every valid and test record under every condition of a run, averaging over crops."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ecgpipe import inference, model, predictions, provenance, records, signals
from ecgpipe.augment import disturb
from ecgpipe.cohort import MILLIVOLTS, Cohort, TaskRows, derive, read_task
from ecgpipe.parallel import start
from ecgpipe.predictions import Predictions
from ecgpipe.settings import Condition, Task, build, parse


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
    leads = tuple(metadata["leads"])
    crop = metadata["recipe"]["fit"]["crop"]
    found = {}
    for name, values in sorted(told["conditions"].items()):
        condition = build(Condition, values, f"config/conditions/{name}.yaml")
        generator = torch.Generator(device).manual_seed(derive(int(provenance.digest(name), 16)))
        recorded = read_noise(noise, condition, cohort.fs)
        shown = disturbed(cohort, condition, leads, generator, recorded)
        probability = inference.probabilities(network, shown, crop, crop / 2)
        found[name] = collect(rows, scored, network.labels, probability.cpu().numpy())
    attributes = {
        "revision": json.dumps(metadata["revision"] | told["revision"], sort_keys=True),
        "commit": provenance.commit(),
        "datasets": json.dumps(metadata["datasets"] | records.read_sources(shards), sort_keys=True),
    }
    predictions.write(out, found, attributes)


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


def disturbed(
    cohort: Cohort,
    condition: Condition,
    leads: tuple[str, ...],
    generator: torch.Generator,
    recorded: torch.Tensor | None,
) -> Cohort:
    """Show the records as a condition has them, as int16 microvolts again."""
    if condition == Condition():
        return cohort
    clean = cohort.signal.float() * MILLIVOLTS
    pool = None if recorded is None else recorded.to(clean.device)
    millivolts = disturb(clean, condition, leads, generator, pool)
    limits = torch.iinfo(torch.int16)
    microvolts = (millivolts / MILLIVOLTS).round().clamp(limits.min, limits.max)
    return replace(cohort, signal=microvolts.to(torch.int16))


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
