"""How much each weight matters to the loss before training, and the ranks that follow from it."""

from collections.abc import Iterable
from copy import deepcopy
from itertools import islice

import torch
from scipy.stats import rankdata
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ecgpipe import parallel
from ecgpipe.adapter_files import Down
from ecgpipe.batches import Labeled
from ecgpipe.model import Classifier


def importance(
    model: Classifier,
    names: Iterable[str],
    labeled: Iterable[Labeled],
    score: str,
    sketch: dict[str, Down] | None = None,
) -> dict[str, float]:
    """Score the weights of the layers named, over labeled batches that see every record once.

    With the gradient G of a batch's loss, the score of a weight W is the mean over its entries of
    `(W G)^2` (`taylor`) or `G^2` (`fisher`), averaged over batches. A `sketch` puts the gradient
    that `up` would have, brought back to the weight, in G's place: `G down^T down`.
    The model is left as it is.
    """
    probe = deepcopy(model).requires_grad_(True).train()
    parallel.share_statistics(probe)
    weights = {name: probe.get_parameter(f"{name}.weight") for name in names}
    epoch = getattr(labeled, "epoch", 1)
    total = torch.zeros(len(weights), device=next(iter(weights.values())).device)
    for batch in islice(labeled, epoch):
        loss = binary_cross_entropy_with_logits(probe(batch.signal), batch.target)
        gradients = torch.autograd.grad(loss, list(weights.values()))
        for i, (name, gradient) in enumerate(zip(weights, gradients, strict=True)):
            found = parallel.mean(gradient)
            if sketch is not None:
                found = sketched(found, sketch[name])
            factor = weights[name].detach() if score == "taylor" else 1.0
            total[i] += (factor * found).square().mean()
    return dict(zip(weights, (total / epoch).tolist(), strict=True))


def sketched(gradient: Tensor, down: Down) -> Tensor:
    """See a gradient through random factors, block by block: G down^T down."""
    blocks = gradient.reshape(len(down), -1, down.shape[2])
    return (blocks @ down.mT @ down).view_as(gradient)


def allocate(scores: dict[str, float], rank: int, share: float) -> dict[str, int]:
    """Give a share of the weights, those that score highest, the full rank, the others half.

    Ties share their average place. Half a rank is `2 (rank // 4)`, as published, but at least 1.
    """
    half = max(1, rank // 4 * 2)
    least = len(scores) - round(share * len(scores))
    places = rankdata(list(scores.values()))
    return {
        name: rank if place > least else half for name, place in zip(scores, places, strict=True)
    }
