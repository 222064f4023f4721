"""Estimate how well each pretraining will transfer, before anything is finetuned: MELEP.

A network that was pretrained on labels says its own labels of a task's labeled train records; from
that and the true labels of the task follows the score (`melep`). Lower foretells better transfer.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ecgpipe import inference, model, writing
from ecgpipe.cohort import Cohort, are_listed, read_task
from ecgpipe.melep import melep
from ecgpipe.parallel import start
from ecgpipe.settings import Task, build, parse
from ecgpipe.studies import Run, Study, runs

COLUMNS = ["pretraining", "task", "split", "budget", "seed", "records", "melep"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """State the inputs, the settings and the output."""
    told = "study, tasks, preparation of each pretraining with labels, shards of each dataset"
    parser.add_argument("--settings", required=True, help=f"{told}, shared pretrainings, as JSON")
    parser.add_argument("--results", type=Path, required=True, help="folder of all results")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="CSV: one line a labeled start")


def run(*, settings: str, results: Path, threads: int, out: Path) -> None:
    """Estimate from each pretraining with labels, at every task, split, budget and seed."""
    torch.set_num_threads(threads)
    device = start()
    told = parse(settings)
    places: dict[tuple[str, str, str], list[Run]] = {}
    for one in runs(build(Study, told["study"], "--settings: study")):
        if preparation := told["preparations"].get(one.pretraining):
            places.setdefault((one.task, one.split, preparation), []).append(one)
    lines: list[dict[str, Any]] = []
    for place, own in places.items():
        cohort = load_train(told, *place, results, device)
        starts = dict.fromkeys((one.pretraining, one.seed) for one in own)
        for pretraining, seed in starts:
            same = [one for one in own if (one.pretraining, one.seed) == (pretraining, seed)]
            from_seed = 0 if pretraining in told["shared"] else seed
            folder = results / "pretraining" / pretraining / place[1] / str(from_seed)
            lines += estimate(folder / "checkpoint.safetensors", cohort, same, results)
    with writing.whole(out) as part:
        pd.DataFrame(lines, columns=COLUMNS).to_csv(part, index=False, float_format="%.6g")


def load_train(
    told: dict[str, Any],
    task: str,
    split: str,
    preparation: str,
    results: Path,
    device: torch.device,
) -> Cohort:
    """Load every train record of a task, labeled or not under some budget."""
    asked = build(Task, told["tasks"][task], f"config/tasks/{task}.yaml")
    shards = [
        results / "shards" / dataset / preparation / f"{shard}.h5"
        for dataset in asked.datasets
        for shard in range(told["shards"][dataset])
    ]
    splits = [results / "splits" / dataset / f"{split}.csv" for dataset in asked.datasets]
    rows = read_task(asked, shards, splits)
    return rows.load(rows.part == "train", device, "train")


def estimate(
    checkpoint: Path, cohort: Cohort, own: list[Run], results: Path
) -> Iterator[dict[str, Any]]:
    """Score a pretrained network under each budget of its runs, by what it says of their draws."""
    network, metadata = model.load(checkpoint)
    model.refuse_other_montage(checkpoint, metadata, cohort.montage)
    if not network.labels:  # they only judged: it says nothing of them
        return
    crop = metadata["pretraining"]["fit"]["crop"]
    network.to(cohort.signal.device)
    probability = inference.probabilities(network, cohort, crop, crop).cpu().numpy()
    target = cohort.target.cpu().numpy().astype(bool)
    drawn_by = {one.budget: one for one in own}
    for budget, one in drawn_by.items():
        draw = results / "draws" / one.task / one.split / budget / f"{one.seed}.csv"
        drawn = are_listed(cohort.table, draw)
        about = {name: getattr(one, name) for name in COLUMNS[:5]}
        yield {
            **about,
            "records": int(drawn.sum()),
            "melep": melep(probability[drawn], target[drawn]),
        }
