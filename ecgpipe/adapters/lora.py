"""Low-rank updates of linear and convolution weights, and the head (LoRA, Hu et al. 2022).

The update is added to the weight, not to the layer's output: a weight of a network over time is
small beside its signals, so one convolution with `W + scale * up @ down` costs less than two
(docs/benchmarks.md). That also holds for every stride, dilation, padding and number of groups.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.parametrize import (
    is_parametrized,
    register_parametrization,
    remove_parametrizations,
)

from ecgpipe.adapter_files import Factors
from ecgpipe.adapters._learn import learn_only
from ecgpipe.batches import Labeled
from ecgpipe.model import Classifier


@dataclass(frozen=True)
class Config:
    """As published for RoBERTa."""

    rank: int = 8
    alpha: float = 8.0  # the update is scaled by alpha / rank
    biases: bool = False  # of the backbone learn too

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha <= 0:
            raise ValueError(f"lora: rank {self.rank} and alpha {self.alpha} must be positive")


class Update(nn.Module):
    """A low-rank update of one weight, at first zero."""

    def __init__(self, weight: Tensor, config: Config) -> None:
        super().__init__()
        outputs, inputs = weight.shape[0], weight[0].numel()
        # beyond this rank the two factors would hold more than the weight itself
        rank = min(config.rank, max(1, outputs * inputs // (outputs + inputs)))
        self.scale = config.alpha / config.rank
        self.down = nn.Parameter(weight.new_empty(rank, inputs))
        self.up = nn.Parameter(weight.new_zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the updated weight."""
        return weight + self.scale * (self.up @ self.down).view_as(weight)


def attach(model: Classifier, config: Config, labeled: Iterable[Labeled] | None) -> None:
    """Give every linear and convolution layer of the backbone an update; freeze the rest."""
    named = model.backbone.named_parameters()
    biases = [p for name, p in named if config.biases and "bias" in name.rpartition(".")[2]]
    updates = []
    for layer in list(model.backbone.modules()):
        if isinstance(layer, nn.Linear | _ConvNd):
            updates.append(Update(layer.weight, config))
            register_parametrization(layer, "weight", updates[-1])
    learn_only(model, [*biases, *(factor for update in updates for factor in update.parameters())])


@torch.no_grad()
def factors(model: Classifier) -> dict[str, Factors]:
    """Give what `merge` adds, by the names of weights."""
    named = [each for each in model.named_modules() if is_parametrized(each[1], "weight")]
    found = {f"{name}.weight": layer.parametrizations.weight[0] for name, layer in named}
    return {name: (each.scale * each.up[None], each.down[None]) for name, each in found.items()}


@torch.no_grad()
def merge(model: Classifier) -> None:
    """Fold the updates into the weights they belong to."""
    for layer in list(model.backbone.modules()):
        if is_parametrized(layer, "weight"):
            remove_parametrizations(layer, "weight", leave_parametrized=True)
