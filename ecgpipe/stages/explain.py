"""Explain where a trained model looks: relevance by region of the heartbeat, beside two nulls.

Test records and the labels they carry are explained by every attribution that is asked for. Beside
the model as trained stand the nulls: the same relevance over regions shifted in time, and the
relevance of a model with random weights over the true regions. Apart from these, each region is
taken out of the signals, and the fall of the logit is noted.
"""

import argparse
import logging
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import torch

from ecgpipe import (
    attention,
    examples,
    explanations,
    inference,
    model,
    predictions,
    registry,
    writing,
)
from ecgpipe.cohort import derive, read_task
from ecgpipe.explanation_settings import Explanation
from ecgpipe.explanations import Attribute, Measured, Questions
from ecgpipe.logits import own
from ecgpipe.model import Classifier
from ecgpipe.parallel import start
from ecgpipe.settings import Task, build, parse, plugin

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """State the inputs, the settings and the outputs."""
    told = "one a shard: the shard itself where its waves are known, else what was delineated"
    parser.add_argument("--settings", required=True, help="task, explanation, revision")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--shards", type=Path, nargs="+", required=True)
    parser.add_argument("--splits", type=Path, nargs="+", required=True, help="one a dataset")
    parser.add_argument("--waves", type=Path, nargs="+", required=True, help=told)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="CSV; examples lie beside, in .h5")


def run(
    *,
    settings: str,
    checkpoint: Path,
    shards: list[Path],
    splits: list[Path],
    waves: list[Path],
    threads: int,
    out: Path,
) -> None:
    """Choose what to ask, attribute in every way, take regions out, save."""
    torch.set_num_threads(threads)
    began, device, told = time.monotonic(), start(), parse(settings)
    explanation = build(Explanation, told["explanation"], "explanation")
    network, metadata = model.load(checkpoint)
    rows = read_task(build(Task, told["task"], "task"), shards, splits)
    asked = explanations.ask(rows, network.labels, explanation.records)
    crop, seed = metadata["recipe"]["fit"]["crop"], metadata["seed"]
    questions = explanations.load(asked, network.labels, crop, shards, waves, device)
    model.refuse_other_montage(checkpoint, metadata, questions.cohort.montage)
    random = explanations.untrained(network, metadata, derive(seed, 6)).to(device)
    said = inference.probabilities(network.to(device), questions.cohort, crop, crop / 2)
    asked["probability"] = own(said, questions.label).cpu().numpy()

    shown = (asked.groupby("label").cumcount() < explanation.examples).to_numpy()
    shifted = attention.shift(questions.region, torch.Generator().manual_seed(derive(seed, 7)))
    found, kept = [], {}
    timed = network.backbone.timed
    for name, attribute in attributions(explanation, questions.cohort.montage.fs, timed):
        relevance = questions.relevance(network, attribute)
        measured = against_nulls(questions, relevance, shifted, random, attribute)
        found += [explanations.lines(asked, name, *each) for each in measured.items()]
        kept[name] = relevance.cpu().numpy()[shown]
    found.append(explanations.lines(asked, "removal", "", questions.removal(network)))
    write(pd.concat(found), out)
    pictured = examples.gather(asked[shown], questions.region.cpu().numpy()[shown], kept)
    origin = predictions.origin(metadata, told["revision"], shards)
    examples.write(out.with_suffix(".h5"), pictured, origin)
    counts, seconds = asked["label"].value_counts().to_dict(), time.monotonic() - began
    log.info("%d records explained in %.0f s: %s", len(set(asked["record"])), seconds, counts)


def attributions(explanation: Explanation, fs: int, timed: bool) -> Iterator[tuple[str, Attribute]]:
    """Set every attribution up as the settings say; leave out those that need timed tokens."""
    for told in explanation.attributions:
        name, values = plugin(told, "explanation: attributions")
        chosen = registry.load("attributions", name)
        config = build(chosen.Config, values, f"attribution {name}")
        if getattr(chosen, "OF_TOKENS", False) and not timed:
            log.info("%s left out: this network's tokens stand for no part of the time", name)
            continue
        yield name, partial(chosen.attribute, config=config, fs=fs)


def against_nulls(
    questions: Questions,
    relevance: torch.Tensor,
    shifted: torch.Tensor,
    random: Classifier,
    attribute: Attribute,
) -> dict[str, Measured]:
    """Measure where relevance lies, over shifted regions too, and that of a random network."""
    by_chance = questions.relevance(random, attribute)
    return {
        "": attention.measure(relevance, questions.region),
        "shifted": attention.measure(relevance, shifted),
        "random": attention.measure(by_chance, questions.region),
    }


def write(table: pd.DataFrame, out: Path) -> None:
    """Write what was measured."""
    with writing.whole(out) as part:
        table.to_csv(part, index=False, float_format="%.6g")
