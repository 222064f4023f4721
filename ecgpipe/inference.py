"""What a model makes of whole signals, averaged over crops: probabilities, embeddings."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import ModuleType

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ecgpipe.cohort import Cohort
from ecgpipe.heads import pool
from ecgpipe.model import Classifier
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
    return _over_crops(model, lambda crops: model(crops).float().sigmoid(), cohort, seconds, stride)


def embeddings(
    model: Classifier, cohort: Cohort, seconds: float, stride: float
) -> Float[Tensor, "record pooled"]:
    """Average what the encoder makes of all crops of each signal: its tokens' maximum and mean."""

    def encode(crops: Tensor) -> Tensor:
        return pool(model.backbone(crops).float(), "max_mean")

    return _over_crops(model, encode, cohort, seconds, stride)


@torch.inference_mode()
def _over_crops(
    model: nn.Module,
    say: Callable[[Tensor], Tensor],
    cohort: Cohort,
    seconds: float,
    stride: float,
) -> Float[Tensor, "record said"]:
    was_training = model.training
    model.eval()
    length, step = cohort.samples(seconds), cohort.samples(stride)
    crops = 1 + -(-(cohort.signal.shape[-1] - length) // step)
    per_pass = max(1, CROPS[cohort.signal.device.type] // crops)
    means = []
    for first in range(0, len(cohort), per_pass):
        tiles = cohort.tiles(slice(first, first + per_pass), length, step)
        means.append(say(tiles.flatten(0, 1)).unflatten(0, tiles.shape[:2]).mean(dim=1))
    model.train(was_training)
    return torch.cat(means)


def macro_score(
    metric: ModuleType, model: nn.Module, cohort: Cohort, seconds: float, mixed: bool
) -> float:
    """Score a model while it trains: over labels, on crops side by side."""
    with autocast(cohort.signal.device, mixed):
        probability = probabilities(model, cohort, seconds, seconds).cpu().numpy()
    target = cohort.target.cpu().numpy().astype(bool)
    return float(estimate(metric, Sample(target, probability, np.zeros(target.shape[1])))[0])
