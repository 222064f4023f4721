"""Predict every test record under every condition of a run, averaging over crops.

Records of valid are predicted as they are: thresholds come from there, and no condition moves one.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from ecgpipe import inference, model, predictions, provenance, records, signals
from ecgpipe.cohort import MILLIVOLTS, Cohort, derive, read_task
from ecgpipe.conditions import disturb
from ecgpipe.parallel import start
from ecgpipe.settings import Condition, Task, build, parse

BLOCK = 16  # records disturbed at once: what a cache holds
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
    """Load the model and the records once, then predict under each condition."""
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
    conditions = {
        name: build(Condition, values, f"config/conditions/{name}.yaml")
        for name, values in sorted(told["conditions"].items())
    }
    recorded = {
        source: read_noise(noise, source, cohort.montage.fs)
        for source in {condition.recorded for condition in conditions.values()}
    }
    crop, test = metadata["recipe"]["fit"]["crop"], rows.part == "test"
    frozen = metadata["recipe"]["adapter"]["name"] == FROZEN and test.any()
    found, embedding = {}, None
    for name, condition in conditions.items():
        here = scored if condition == Condition() else test
        shown = disturbed(cohort.of(here[scored]), condition, recorded[condition.recorded])
        if frozen and condition == Condition():
            said, embedded = inference.probabilities_and_embeddings(network, shown, crop, crop / 2)
            embedding = embedded.cpu().numpy()[test[scored]]
        else:
            said = inference.probabilities(network, shown, crop, crop / 2)
        found[name] = inference.to_predictions(rows, here, network.labels, said.cpu().numpy())
    attributes = predictions.origin(metadata, told["revision"], shards)
    predictions.write(out, found, attributes, embedding)


def read_noise(
    shards: list[Path], recorded: tuple[str, str] | None, fs: int
) -> Float[torch.Tensor, "channel long"] | None:
    """Read the noise that a condition names, such as ("nstdb", "em"), in one piece.

    Its scale means nothing yet: the condition's signal-to-noise ratio decides.
    """
    if recorded is None:
        return None
    dataset, record = recorded
    table = records.read_table(shards)
    here = table[(table["dataset"] == dataset) & (table["record"] == record)].sort_values("start")
    if here.empty:
        there = sorted(set(table["dataset"] + "/" + table["record"]))
        raise ValueError(f"noise '{dataset}/{record}': --noise has {', '.join(there)}")
    windows = [records.read_signals(shards[at])[row] for at, row in here[["shard", "row"]].values]
    native = records.read_attributes(shards[0])["fs"]
    joined = np.concatenate(windows, axis=1).astype(np.float32)
    return torch.from_numpy(signals.resample(joined, float(native), float(fs)))


def disturbed(cohort: Cohort, condition: Condition, recorded: torch.Tensor | None) -> Cohort:
    """Show records as a condition has them, in int16 microvolts again; padding stays zero.

    Rounding moves a signal-to-noise ratio by less than 0.1 dB at 24 dB and 0.01 dB at -6 dB. What
    is beyond 32.8 mV is clipped.
    """
    if condition == Condition():
        return cohort
    seeds = noise_seeds(cohort, condition)
    limits = torch.iinfo(torch.int16)
    signal = torch.zeros_like(cohort.signal)
    for samples, alike in cohort.table.groupby("samples").indices.items():
        for some in torch.from_numpy(alike).split(BLOCK):
            clean = cohort.signal[some, :, :samples].cpu().double() * MILLIVOLTS
            own = [seeds[row] for row in some]
            millivolts = disturb(clean, condition, cohort.montage, own, recorded)
            microvolts = (millivolts / MILLIVOLTS).round().clamp(limits.min, limits.max)
            signal[some, :, :samples] = microvolts.to(signal)
    return replace(cohort, signal=signal)


def noise_seeds(cohort: Cohort, condition: Condition) -> list[int]:
    """Make a seed for each row of who it is and the kind of noise.

    So no other record and no other condition changes a record's noise, and under every ratio it is
    the same noise, louder or fainter.
    """
    rows = cohort.table[["dataset", "record", "start"]].astype(str).agg("/".join, axis=1)
    return [derive(int(provenance.digest(condition.noise or "", row), 16)) for row in rows]
