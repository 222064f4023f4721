"""What a model makes of whole signals, averaged over crops: probabilities, embeddings."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import ModuleType

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ecgpipe.cohort import Cohort, TaskRows, mean_over_crops
from ecgpipe.heads import pool
from ecgpipe.model import Classifier
from ecgpipe.predictions import Predictions
from ecgpipe.scores import Sample, estimate

CROPS = {"cpu": 128, "cuda": 8192}  # in one forward pass: what a cache, or a GPU, holds


def autocast(device: torch.device, mixed: bool = True) -> AbstractContextManager:
    """Compute in bfloat16 where the hardware does so natively: in training, not in predict."""
    native = device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=mixed and native)


def probabilities(
    model: nn.Module, cohort: Cohort, seconds: float, stride: float
) -> Float[Tensor, "record label"]:
    """Average the probabilities of all crops of each signal, crops `stride` seconds apart."""

    def say(crops: Tensor) -> tuple[Tensor, ...]:
        return (model(crops).float().sigmoid(),)

    return _over_crops(model, say, cohort, seconds, stride)[0]


def probabilities_and_embeddings(
    model: Classifier, cohort: Cohort, seconds: float, stride: float
) -> tuple[Float[Tensor, "record label"], Float[Tensor, "record pooled"]]:
    """Average, beside them, what the encoder makes of the crops: its tokens' maximum and mean."""
    head = model.head
    assert head is not None, "a classifier without labels has no probabilities"

    def say(crops: Tensor) -> tuple[Tensor, ...]:
        tokens, recorded = model.backbone.encode(crops)
        said = head(tokens, recorded).float().sigmoid()
        return said, pool(tokens.float(), "max_mean", recorded)

    probability, embedded = _over_crops(model, say, cohort, seconds, stride)
    return probability, embedded


def embeddings(
    model: Classifier, cohort: Cohort, seconds: float, stride: float
) -> Float[Tensor, "record pooled"]:
    """Average what the encoder makes of all crops of each signal: its tokens' maximum and mean."""

    def say(crops: Tensor) -> tuple[Tensor, ...]:
        tokens, recorded = model.backbone.encode(crops)
        return (pool(tokens.float(), "max_mean", recorded),)

    return _over_crops(model, say, cohort, seconds, stride)[0]


@torch.inference_mode()
def _over_crops(
    model: nn.Module,
    say: Callable[[Tensor], tuple[Tensor, ...]],
    cohort: Cohort,
    seconds: float,
    stride: float,
) -> list[Float[Tensor, "record said"]]:
    was_training = model.training
    model.eval()
    length, step = cohort.samples(seconds), cohort.samples(stride)
    crops = cohort.crops(length, step)
    per_pass = max(1, CROPS[cohort.signal.device.type] // int(crops.max()))
    means = []
    for first in range(0, len(cohort), per_pass):
        some = slice(first, first + per_pass)
        said = say(cohort.tiles(some, length, step))
        means.append([mean_over_crops(each, crops[some]) for each in said])
    model.train(was_training)
    return [torch.cat(each) for each in zip(*means, strict=True)]


def to_predictions(
    rows: TaskRows,
    here: Bool[np.ndarray, " row"],
    labels: tuple[str, ...],
    probability: Float[np.ndarray, "here label"],
) -> Predictions:
    """Put the probabilities of the labels that the task has beside its targets."""
    shared = [label for label in labels if label in rows.labels]
    table = rows.table[here]
    return Predictions(
        labels=tuple(shared),
        record=table["record"].to_numpy(str),
        patient=(table["dataset"] + ":" + table["patient"]).to_numpy(str),
        start=table["start"].to_numpy(float),
        part=rows.part[here],
        target=rows.target[here][:, [rows.labels.index(label) for label in shared]],
        probability=probability[:, [labels.index(label) for label in shared]],
    )


def macro_score(
    metric: ModuleType, model: nn.Module, cohort: Cohort, seconds: float, mixed: bool
) -> float:
    """Score a model while it trains: over labels, on crops side by side."""
    with autocast(cohort.signal.device, mixed):
        probability = probabilities(model, cohort, seconds, seconds).cpu().numpy()
    target = cohort.target.cpu().numpy().astype(bool)
    return float(estimate(metric, Sample(target, probability, np.zeros(target.shape[1])))[0])
