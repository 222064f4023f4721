"""Adapt a model to every valid and test patient, and predict what is left of each.

A few windows of a patient are labeled, chosen from the beginning on or at random; the model as it
was trained is adapted to each patient by these alone, all patients at once. Thresholds come from
valid patients whom it was adapted to in the same way. It takes the place of predict for recipes
that say `personalize`; what the model says before it is adapted is predicted, too.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ecgpipe import (
    episodes,
    inference,
    learners,
    model,
    predictions,
    registry,
    supports,
)
from ecgpipe.cohort import Cohort, TaskRows, read_task
from ecgpipe.learners import Learner
from ecgpipe.model import Classifier
from ecgpipe.parallel import start
from ecgpipe.personal_settings import Personalization
from ecgpipe.predictions import Adapted, Predictions
from ecgpipe.settings import Task, build, parse, plugin

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """State the inputs, the settings and the output."""
    parser.add_argument("--settings", required=True, help="task, personalize, revision")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--shards", type=Path, nargs="+", required=True)
    parser.add_argument("--splits", type=Path, nargs="+", required=True, help="one a dataset")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)


def run(
    *,
    settings: str,
    checkpoint: Path,
    shards: list[Path],
    splits: list[Path],
    threads: int,
    out: Path,
) -> None:
    """Predict before, then adapt by every draw of windows and predict after."""
    torch.set_num_threads(threads)
    device = start()
    told = parse(settings)
    personal = build(Personalization, told["personalize"], "recipe: personalize")
    network, metadata = model.load(checkpoint)
    rows = read_task(build(Task, told["task"], "task"), shards, splits)
    judged = np.isin(rows.part, ["valid", "test"])
    cohort = rows.load(judged, device, "valid or test")
    model.refuse_other_montage(checkpoint, metadata, cohort.montage)
    crop = metadata["recipe"]["fit"]["crop"]
    refuse_misfit(network, rows, cohort, crop)
    before = inference.probabilities(network.to(device), cohort, crop, crop).cpu().numpy()
    clean = inference.to_predictions(rows, judged, network.labels, before)
    learner = learners.view(attach(network, personal), cohort, crop)
    adapted = personalize(learner, clean, personal)
    attributes = predictions.origin(metadata, told["revision"], shards)
    predictions.write(out, {"clean": clean}, attributes, adapted=adapted)


def refuse_misfit(network: Classifier, rows: TaskRows, cohort: Cohort, crop: float) -> None:
    """Raise if labels are not those of the model, or crops not as long as what is labeled."""
    if network.labels != rows.labels:
        raise ValueError(
            f"the model was trained for {network.labels}, but patients are labeled {rows.labels}; "
            "score it on a task with its own labels"
        )
    if crop < (seconds := length(cohort)):
        raise ValueError(
            f"crops of {crop} s, but windows of {seconds} s: a window is labeled as a whole; set "
            f"`crop` of the recipe's fit to {seconds}"
        )


def length(cohort: Cohort) -> float:
    """Return how many seconds a window lasts."""
    return cohort.signal.shape[-1] / cohort.montage.fs


def attach(network: Classifier, personal: Personalization) -> Classifier:
    """Let those weights learn that the adapter chooses."""
    name, values = plugin(personal.adapter, "recipe: personalize: adapter")
    adapter = registry.load("adapters", name)
    adapter.attach(network, build(adapter.Config, values, f"adapter {name}"), None)
    return network


def personalize(learner: Learner, clean: Predictions, personal: Personalization) -> list[Adapted]:
    """Adapt to every patient by each draw and number of shots."""
    columns = {name: getattr(clean, name) for name in ("patient", "record", "start")}
    windows = pd.DataFrame(columns)
    kind = episodes.classes(learner.cohort.target).cpu().numpy()
    classes, seconds = 1 + len(clean.labels), length(learner.cohort)
    found = []
    for drawn in supports.draw(windows, kind, classes, personal, seconds):
        probability = {}
        for shots in sorted(personal.shots):
            support = drawn.support(shots)
            counts = supports.count(windows, kind, classes, support, drawn.scored)
            log.info("%s, %d shots: %s", drawn.name, shots, supports.describe(counts))
            given = (learner, windows, kind, drawn, shots, personal)
            probability[shots] = learners.adapt_to_all(*given)
        row = np.flatnonzero(drawn.scored)
        found.append(Adapted(drawn.name, drawn.rank, row, probability))
    return found
