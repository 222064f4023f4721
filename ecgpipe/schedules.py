"""How fast what learns: the learning rate over the steps, and over the depth of a network."""

import math
from typing import Any

from torch import nn

from ecgpipe.fit_settings import Fit
from ecgpipe.model import Classifier


def rate_factor(settings: Fit, step: int) -> float:
    """Return the share of the full learning rate at a step (0-based)."""
    done = step / max(settings.steps - 1, 1)
    if settings.schedule == "one_cycle":  # Smith & Topin 2019, with cosine arms
        rise = 0.3
        if done < rise:
            return _cosine(1 / 25, 1.0, done / rise)
        return _cosine(1.0, 1e-5, (done - rise) / (1 - rise))
    if done < settings.warmup:
        return (step + 1) / (settings.warmup * settings.steps + 1)
    left = 1 - (done - settings.warmup) / (1 - settings.warmup)
    if settings.schedule == "cosine":
        return _cosine(0.0, 1.0, left)
    return left if settings.schedule == "linear" else 1.0


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def parameter_groups(model: Classifier, loss: nn.Module, settings: Fit) -> list[dict[str, Any]]:
    """Group what learns by depth, with rates falling towards the input, and by weight decay.

    Biases and the parameters of norms are not decayed. `settings` have one rate and one decay.
    """
    rate, decay = settings.rate, settings.weight_decay
    assert isinstance(rate, float) and isinstance(decay, float), "a search is one fit each"
    layers = model.backbone.layers()
    depth = {
        id(parameter): settings.rate_decay ** (1 - i / len(layers))
        for i, layer in enumerate(layers)
        for parameter in layer.parameters()
    }
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for parameter in loss.parameters():
        if parameter.requires_grad:
            key = (rate * depth.get(id(parameter), 1.0), parameter.dim() > 1)
            groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": peak,
            "peak": peak,
            "weight_decay": decay if decayed else 0.0,
        }
        for (peak, decayed), parameters in groups.items()
    ]
