"""One network with weights of its own for every one of several tasks, in one batched pass.

A task is whatever a network is adapted to, such as a patient. Weights are held as a dictionary of
tensors whose first axis is the task (`torch.func.functional_call` under `torch.func.vmap`). Tasks
do not mix: the gradient of their summed loss is each task's own gradient.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.modules.batchnorm import _BatchNorm

Weights = dict[str, Tensor]  # by the parameter's name, (task, *shape of the parameter)


def stack(model: nn.Module, tasks: int) -> Weights:
    """Repeat every parameter that learns, once for each task: (task, *shape).

    The copies stay connected: what is differentiated with respect to them reaches the model's own
    parameters, summed over tasks. Detach them to let an optimiser move them. Parameters that do
    not learn are left out, and `forward` takes the model's.
    """
    return {
        name: parameter.unsqueeze(0).repeat(tasks, *[1] * parameter.dim())
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def forward(
    model: nn.Module, weights: Weights, signal: Float[Tensor, "task window *of_one"]
) -> Float[Tensor, "task window label"]:
    """Return the logits of every task's windows under that task's weights.

    Buffers are shared by all tasks and never written: norms with running statistics normalise by
    those, whatever the mode, so no task sees another's windows. Dropout is drawn for each task.
    Recurrent networks, which `vmap` does not know, take one task after the other.
    """
    recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
    with statistics_fixed(model):
        return (one_by_one if recurrent else all_at_once)(model, weights, signal)


def all_at_once(
    model: nn.Module, weights: Weights, signal: Float[Tensor, "task window *of_one"]
) -> Float[Tensor, "task window label"]:
    """Run the network once, on tensors that have the tasks as one more axis.

    Attention is computed by plain products: `vmap` would take fused ones task by task, and they
    cannot be differentiated twice.
    """

    def run(own: Weights, signal: Tensor) -> Tensor:
        return functional_call(model, own, (signal,))

    with sdpa_kernel(SDPBackend.MATH):
        return vmap(run, randomness="different")(weights, signal)


def one_by_one(
    model: nn.Module, weights: Weights, signal: Float[Tensor, "task window *of_one"]
) -> Float[Tensor, "task window label"]:
    """Run the network once for each task."""
    logits = []
    for task, windows in enumerate(signal):
        own = {name: weight[task] for name, weight in weights.items()}
        logits.append(functional_call(model, own, (windows,)))
    return torch.stack(logits)


def losses(
    model: nn.Module,
    weights: Weights,
    signal: Float[Tensor, "task window *of_one"],
    target: Float[Tensor, "task window label"],
    weight: Float[Tensor, "task window"],
) -> Float[Tensor, " task"]:
    """Return each task's binary cross entropy: the mean over labels, weighted over windows.

    A window of weight 0 is not there (rows that fill a task up); a task without any has loss 0.
    """
    logit = forward(model, weights, signal).to(target.dtype)
    cost = binary_cross_entropy_with_logits(logit, target, reduction="none").mean(dim=2)
    total = weight.sum(dim=1).clamp(min=torch.finfo(weight.dtype).tiny)
    return (cost * weight).sum(dim=1) / total


@contextmanager
def statistics_fixed(model: nn.Module) -> Iterator[None]:
    """Let norms with running statistics normalise by those and leave them as they are."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    modes = [norm.training for norm in norms]
    for norm in norms:
        norm.training = False
    try:
        yield
    finally:
        for norm, mode in zip(norms, modes, strict=True):
            norm.training = mode
