"""What low-rank adapters share: the weights they update, the factors, and what else learns.

An update is a product of two factors, `up @ down`, added to a frozen weight (LoRA, Hu et al. 2022).
Queries, keys and values that one layer computes are three weights: each has factors of its own.
The head learns besides: its last layer whole, its hidden layers by an update.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ecgpipe.adapter_files import Factors
from ecgpipe.adapters._low_rank_functions import add_product, updated_convolution, updated_linear
from ecgpipe.model import Classifier

# layers of the backbones' transformers, by the ends of their names
STACKED = (".qkv", ".ask")  # queries, keys and values in one weight
ATTENDED = (".attention.out", ".tell")  # what an attention found, mixed


@dataclass(frozen=True)
class Site:
    """A weight that gets an update."""

    name: str  # of its layer, as in `named_modules`
    layer: nn.Linear | nn.Conv1d | nn.Conv2d
    blocks: int = 1  # of its rows, each with factors of its own: 3 for queries, keys and values

    @property
    def in_head(self) -> bool:
        """Whether it belongs to the head."""
        return self.name.startswith("head.")

    @property
    def outputs(self) -> int:
        """Count the rows of a block."""
        return len(self.layer.weight) // self.blocks

    @property
    def inputs(self) -> int:
        """Count the columns: input channels times the samples of a kernel."""
        return self.layer.weight[0].numel()


class Update(nn.Module):
    """Two factors; `up` is zero at first, so that nothing is added."""

    def __init__(self, site: Site, rank: int) -> None:
        super().__init__()
        weight = site.layer.weight
        self.down = nn.Parameter(weight.new_empty(site.blocks, rank, site.inputs))
        self.up = nn.Parameter(weight.new_zeros(site.blocks, site.outputs, rank))
        for block in self.down:
            nn.init.kaiming_uniform_(block, a=math.sqrt(5))

    def factors(self) -> Factors | None:
        """Give the factors whose product is added now, or None where nothing is."""
        return self.up, self.down

    def merged(self) -> Factors | None:
        """Give the factors that merging folds in: those of evaluation."""
        training = self.training
        factors = self.eval().factors()
        self.train(training)
        return factors


class Updated(nn.Module):
    """What a layer becomes by `attach_updates`: itself, and an update of its weight.

    It is never compiled: gates and ranks that change from step to step would ask for one more graph
    of the whole network each time. What lies between such layers is.
    """

    weight: Tensor
    update: Update


class UpdatedLinear(Updated, nn.Linear):
    """A linear layer and an update of its weight."""

    @torch.compiler.disable
    def forward(self, input: Tensor) -> Tensor:
        """Apply the updated weight."""
        return updated_linear(self, input, self.update.factors())


class UpdatedConv1d(Updated, nn.Conv1d):
    """A convolution over time and an update of its weight."""

    @torch.compiler.disable
    def forward(self, input: Tensor) -> Tensor:
        """Convolve with the updated weight."""
        return updated_convolution(self, input, self.update.factors())


class UpdatedConv2d(Updated, nn.Conv2d):
    """A convolution over a map and an update of its weight."""

    @torch.compiler.disable
    def forward(self, input: Tensor) -> Tensor:
        """Convolve with the updated weight."""
        return updated_convolution(self, input, self.update.factors())


UPDATED: dict[type[nn.Module], type[Updated]] = {
    nn.Linear: UpdatedLinear,
    nn.Conv1d: UpdatedConv1d,
    nn.Conv2d: UpdatedConv2d,
}


def sites(model: Classifier) -> list[Site]:
    """List the weights to update: all of linear layers and convolutions, with these exceptions.

    The output of an attention is left as it is, as published; so is the head's last layer, which
    learns whole.
    """
    layers: nn.Sequential | list[nn.Module] = [] if model.head is None else model.head.layers
    hidden = [layer for layer in layers if isinstance(layer, nn.Linear)][:-1]
    return [
        Site(name, layer, 3 if name.endswith(STACKED) else 1)
        for name, layer in model.named_modules()
        if type(layer) in UPDATED
        and not name.endswith(ATTENDED)
        and (layer in hidden or not name.startswith("head."))
    ]


def attach_updates(
    model: Classifier, make: Callable[[Site], Update | None], *, biases: bool
) -> None:
    """Give every site the update made for it, if any; what is updated and the rest is frozen.

    Updates learn, the head as far as no update stands in, and the biases where asked for.
    """
    found = {site.name: (site.layer, make(site)) for site in sites(model)}
    model.requires_grad_(False)
    for name, parameter in model.named_parameters():
        place, _, kind = name.rpartition(".")
        free = name.startswith("head.") or (biases and kind.startswith("bias"))
        parameter.requires_grad_(free and not (place in found and kind == "weight"))
    for layer, update in found.values():
        if update is not None:
            layer.__class__ = UPDATED[type(layer)]  # type: ignore[assignment]
            layer.update = update


def updates(model: Classifier) -> dict[str, Update]:
    """Find the updates of a model by the names of their layers."""
    return {name: x.update for name, x in model.named_modules() if isinstance(x, Updated)}


@torch.no_grad()
def merged_factors(model: Classifier) -> dict[str, Factors]:
    """Give what merging adds, by the names of weights: `up @ down`, block by block."""
    found = {f"{name}.weight": update.merged() for name, update in updates(model).items()}
    return {name: factors for name, factors in found.items() if factors is not None}


@torch.no_grad()
def merge_updates(model: Classifier) -> None:
    """Fold the updates into the weights they belong to, and leave plain layers."""
    plain = {updated: known for known, updated in UPDATED.items()}
    for layer in list(model.modules()):
        if isinstance(layer, Updated):
            up, down = layer.update.merged() or (None, None)
            layer.weight.copy_(add_product(layer.weight, up, down))
            del layer.update
            layer.__class__ = plain[type(layer)]  # type: ignore[assignment]
