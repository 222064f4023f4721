"""Semi-supervised batch normalisation whose unlabeled half is kept out of the backward pass.

A variant of `joint_norm`: the same values, but statistics of unlabeled records are taken as given.
The stem sees both halves once without a gradient, where every batch norm tells what the unlabeled
half looks like in front of it, and then the labeled half alone, normalised with what both look
like. Against `joint_norm` that saves the backward pass of the unlabeled half and the memory of its
activations; it costs a second forward pass of the labeled one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ecgpipe import parallel
from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.methods._joint import batch_norms, both, refuse_still_norms, supervise
from ecgpipe.model import Classifier

Moments = Float[Tensor, "process 2 _"]  # mean and variance of a batch in each process
Channels = Float[Tensor, " _"]


@dataclass(frozen=True)
class Config:
    """There is nothing to choose; how many unlabeled records there are is the fit's."""


class Method(nn.Module):
    """Binary cross entropy of labeled records, normalised together with unlabeled ones."""

    def __init__(
        self, model: Classifier, config: Config, teacher: Classifier | None = None
    ) -> None:
        super().__init__()
        refuse_still_norms(model.backbone, "joint_norm_detached")
        self.model = model

    def forward(self, labeled: Labeled, unlabeled: Unlabeled | None) -> dict[str, Tensor]:
        """Return the loss of one batch."""
        signal, records = both(labeled, unlabeled, "joint_norm_detached"), len(labeled.signal)
        stem, norms = self.model.backbone.stem, batch_norms(self.model.backbone)
        with torch.no_grad(), watched(norms, records) as others:
            stem(signal)
        with joined(norms, others, share=records / len(signal)):
            stemmed = stem(labeled.signal)
        return supervise(self.model, stemmed, labeled)


@contextmanager
def watched(norms: list[_BatchNorm], first: int) -> Iterator[list[Moments]]:
    """List, norm by norm as they are passed, what the records from the `first` on look like."""
    found: list[Moments] = []
    watch = [
        norm.register_forward_pre_hook(lambda _, given: found.append(moments(given[0][first:])))
        for norm in norms
    ]
    try:
        yield found
    finally:
        for handle in watch:
            handle.remove()


@contextmanager
def joined(norms: list[_BatchNorm], others: list[Moments], share: float) -> Iterator[None]:
    """Let norms use the statistics of what they are given, a share of all, and of the others."""
    left = iter(others)
    for norm in norms:
        norm.forward = partial(normalise, norm, others=left, share=share)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward  # the class's own shows again


def normalise(
    norm: _BatchNorm,
    signal: Float[Tensor, "batch channel ..."],
    others: Iterator[Moments],
    share: float,
) -> Float[Tensor, "batch channel ..."]:
    """Normalise as a batch norm does, with the next of the others in the statistics."""
    mean, variance = pooled(moments(signal), next(others), share)
    scale = norm.weight * (variance + norm.eps).rsqrt()
    shift = norm.bias - mean * scale
    shape = [1, -1] + [1] * (signal.dim() - 2)
    return (precise(signal) * scale.view(shape) + shift.view(shape)).to(signal.dtype)


def pooled(own: Moments, other: Moments, share: float) -> tuple[Channels, Channels]:
    """Make mean and variance of the whole of those of its parts (Chan et al. 1979)."""
    mean = share * own[:, 0].mean(dim=0) + (1 - share) * other[:, 0].mean(dim=0)
    around_own, around_other = (
        (part[:, 1] + (part[:, 0] - mean).square()).mean(dim=0) for part in (own, other)
    )
    return mean, share * around_own + (1 - share) * around_other


def moments(signal: Float[Tensor, "batch channel ..."]) -> Moments:
    """Return means and variances of the channels, in every process."""
    axes = [axis for axis in range(signal.dim()) if axis != 1]
    variance, mean = torch.var_mean(precise(signal), axes, correction=0)
    return parallel.gather(torch.stack([mean, variance])[None])


def precise(signal: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Compute in single precision at least."""
    return signal.to(torch.promote_types(signal.dtype, torch.float32))
