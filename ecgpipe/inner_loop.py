"""Adaptation of every task's own weights by gradient descent on its support: the inner loop.

Finn et al. 2017. The steps are an expression like any other: of the first order, gradients are
taken as constants, and what is differentiated behind them sees the adapted weights alone; of the
second order, it sees through the gradients, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from ecgpipe import per_task
from ecgpipe.episodes import Windows, even, shuffle
from ecgpipe.per_task import Weights


@dataclass(frozen=True)
class InnerLoop:
    """How weights adapt to a support; as published, 50 steps at 0.001 of 4 windows."""

    steps: int = 5
    rate: float = 0.01
    batch: int = 5  # windows of each class in a step

    def __post_init__(self) -> None:
        if min(self.steps, self.batch) < 1 or self.rate <= 0:
            raise ValueError(
                f"inner loop: steps {self.steps}, rate {self.rate} and batch {self.batch} must be "
                "positive"
            )


def batches(
    support: Windows, classes: int, settings: InnerLoop, generator: Generator
) -> list[Windows]:
    """Draw the windows of every step: as many of each class, none twice in a step."""
    there = (support.weight > 0).unflatten(1, (classes, -1)).expand(settings.steps, -1, -1, -1)
    order = shuffle(there, generator)[..., : settings.batch]
    weight = even(there.gather(3, order))
    first = torch.arange(classes, device=order.device)[:, None] * there.shape[3]
    drawn = zip((order + first).flatten(2), weight, strict=True)
    return [take(support, window, weights) for window, weights in drawn]


def take(
    windows: Windows, window: Int[Tensor, "task few"], weight: Float[Tensor, "task few"]
) -> Windows:
    """Take some windows of each task, with other weights."""
    task = torch.arange(len(window), device=window.device)[:, None]
    return Windows(windows.signal[task, window], windows.target[task, window], weight)


def adapt(model: nn.Module, weights: Weights, steps: Sequence[Windows], rate: float) -> Weights:
    """Descend on a batch a step; gradients are constants to whatever is differentiated behind."""
    return _descend(model, weights, steps, rate, through=False)


def adapt_through(
    model: nn.Module, weights: Weights, steps: Sequence[Windows], rate: float
) -> Weights:
    """Descend on a batch a step, such that the steps can be differentiated, too: second order."""
    return _descend(model, weights, steps, rate, through=True)


def _descend(
    model: nn.Module, weights: Weights, steps: Sequence[Windows], rate: float, through: bool
) -> Weights:
    for windows in steps:
        loss = losses_on(model, weights, windows).sum()
        gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=through)
        moved = zip(weights.items(), gradients, strict=True)
        weights = {name: weight - rate * gradient for (name, weight), gradient in moved}
    return weights


def losses_on(model: nn.Module, weights: Weights, windows: Windows) -> Float[Tensor, " task"]:
    """Return each task's loss on its windows under its weights."""
    return per_task.losses(model, weights, windows.signal, windows.target, windows.weight)
