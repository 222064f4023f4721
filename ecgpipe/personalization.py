"""Adaptation of a model to each of many patients at once, from a few labeled windows of each.

Pre-fine-tuning moves the weights a few pairs of gradients before Adam takes over (MetaVA, Zhang et
al. 2022, arXiv:2202.12450), where L is the loss on a patient's labeled windows:

- `gd`: ahead = w - rate * grad L(w), then w = ahead - rate * grad L(ahead). It is what the authors'
  code does: two plain steps of gradient descent.
- `lookahead`: w = w - rate * grad L(ahead), from where it was. It is what their figure shows.
- `split`: as `lookahead`, but ahead by one half of the windows, then by the gradient on the other;
  each pair of gradients has other halves. Only here does the second see what the first did not.

Norms keep their statistics and nothing is dropped: a patient's outcome depends on nobody else's.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ecgpipe import per_task
from ecgpipe.episodes import Windows
from ecgpipe.inner_loop import losses_on
from ecgpipe.per_task import Weights
from ecgpipe.personal_settings import Personalization

Half = Float[Tensor, "patient window"]


def adapt(
    model: nn.Module,
    labeled: Windows,
    halves: Sequence[tuple[Half, Half]],
    settings: Personalization,
) -> Weights:
    """Return weights for each patient; the parameters of the model that learn are where they start.

    `halves` weigh the windows of both halves, for every pair of gradients of `split`.
    """
    start = per_task.stack(model, len(labeled.weight))
    weights = {name: weight.detach() for name, weight in start.items()}
    if settings.pre_finetuning != "none":
        weights = pre_finetune(model, weights, labeled, halves, settings)
    return finetune(model, weights, labeled, settings)


def pre_finetune(
    model: nn.Module,
    weights: Weights,
    labeled: Windows,
    halves: Sequence[tuple[Half, Half]],
    settings: Personalization,
) -> Weights:
    """Move the weights by pairs of gradients, the second of which is taken one step ahead."""
    whole = [(labeled.weight, labeled.weight)] * settings.pre_steps
    for near, far in halves if settings.pre_finetuning == "split" else whole:
        there = replace(labeled, weight=near), replace(labeled, weight=far)
        ahead = _descend(model, weights, weights, there[0], settings.pre_rate)
        begin = ahead if settings.pre_finetuning == "gd" else weights
        weights = _descend(model, begin, ahead, there[1], settings.pre_rate)
    return weights


def finetune(
    model: nn.Module, weights: Weights, labeled: Windows, settings: Personalization
) -> Weights:
    """Take steps of Adam on all labeled windows; it moves each number by itself, so no two mix."""
    learning = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
    optimizer = torch.optim.Adam(learning.values(), lr=settings.rate)
    for _ in range(settings.steps):
        optimizer.zero_grad()
        losses_on(model, learning, labeled).sum().backward()
        optimizer.step()
    return {name: weight.detach() for name, weight in learning.items()}


def _descend(
    model: nn.Module, begin: Weights, at: Weights, labeled: Windows, rate: float
) -> Weights:
    """Go from some weights against the gradient at others."""
    leaves = {name: weight.detach().requires_grad_() for name, weight in at.items()}
    loss = losses_on(model, leaves, labeled).sum()
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    moved = zip(begin.items(), gradients, strict=True)
    return {name: weight - rate * gradient for (name, weight), gradient in moved}
