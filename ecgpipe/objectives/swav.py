"""SwAV (Caron et al. 2020): predict from each view the cluster that another view belongs to.

Clusters are prototypes; Sinkhorn's iterations share a batch evenly among them. There are two large
views and several small ones. The widths are those of Mehari & Strodthoff 2022 for 12-lead ECG, with
fewer prototypes: they have 3000, as for a million photographs.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import log_softmax, softmax

from ecgpipe import parallel
from ecgpipe.batches import Pretext
from ecgpipe.model import Classifier
from ecgpipe.objectives._embedding import Embedder, cosines, mlp
from ecgpipe.objectives._queue import Queue
from ecgpipe.objectives._views import view


@dataclass(frozen=True)
class Config:
    """How views are made, embedded and clustered."""

    views: tuple[Any, ...] = ("local_warp", "time_out")
    large: float = 2.5  # seconds of each of the two views whose clusters are predicted
    small: float = 1.25  # seconds of the others
    smalls: int = 4  # how many there are of them
    hidden: int = 2048
    dim: int = 128
    prototypes: int = 128
    held: float = 0.01  # share of the steps in which the prototypes do not learn yet
    queue: int = 3840  # earlier embeddings that are shared among the prototypes, too
    queue_from: float = 0.15  # share of the steps before that
    iterations: int = 3
    epsilon: float = 0.05  # how soft clusters are
    temperature: float = 0.1

    def __post_init__(self) -> None:
        if self.iterations < 1 or self.epsilon <= 0 or self.temperature <= 0:
            raise ValueError(
                f"swav: iterations {self.iterations} must be 1 or more, epsilon {self.epsilon} and "
                f"temperature {self.temperature} above 0"
            )


class Objective(nn.Module):
    """Predict the clusters of the two large views from all other views."""

    prototypes_learn: Bool[Tensor, ""]
    queue_counts: Bool[Tensor, ""]

    def __init__(self, model: Classifier, config: Config) -> None:
        super().__init__()
        self.config = config
        projector = mlp(2 * model.backbone.dim, config.hidden, config.dim, norm=True)
        self.embedder = Embedder(model.backbone, projector)
        self.prototypes = nn.Parameter(torch.randn(config.prototypes, config.dim))
        self.queue = Queue(config.queue, 2, config.dim)
        self.register_buffer("prototypes_learn", torch.tensor(config.held == 0))
        self.register_buffer("queue_counts", torch.tensor(config.queue_from == 0))

    def forward(self, batch: Pretext) -> dict[str, Tensor]:
        """Return the loss of one batch; in training its large views enter the queues."""
        config = self.config
        seconds = [config.large] * 2 + [config.small] * config.smalls
        embedded = [self.embedder(view(batch, config.views, length)) for length in seconds]
        held = self.prototypes.detach()
        prototypes = torch.where(self.prototypes_learn, self.prototypes, held)
        scores = [cosines(embedding, prototypes) for embedding in embedded]
        codes = [self.assign(scores[i], self.queue.embedding[:, i]) for i in range(2)]
        if self.training:
            large = torch.stack(embedded[:2], dim=1)
            self.queue.push(parallel.gather(large), parallel.gather(batch.patient))
        return {"loss": swapped(codes, scores, config.temperature)}

    @torch.no_grad()
    def assign(
        self, scores: Float[Tensor, "batch prototype"], queue: Float[Tensor, "size dim"]
    ) -> Float[Tensor, "batch prototype"]:
        """Share the batch, and what counts of the queue, evenly among the prototypes."""
        everything = torch.cat([parallel.gather(scores), cosines(queue, self.prototypes)])
        new = len(everything) - len(queue)
        earlier = self.queue.filled & self.queue_counts
        counts = torch.cat([earlier.new_ones(new), earlier])
        codes = sinkhorn(everything, counts, self.config.epsilon, self.config.iterations)
        return parallel.share(codes[:new])

    def after_step(self, step: int, steps: int) -> None:
        """Let prototypes learn, and queues count, from their share of the steps on."""
        self.prototypes_learn.fill_(step >= self.config.held * steps)
        self.queue_counts.fill_(step >= self.config.queue_from * steps)


def sinkhorn(
    scores: Float[Tensor, "sample prototype"],
    counts: Bool[Tensor, " sample"],
    epsilon: float,
    iterations: int,
) -> Float[Tensor, "sample prototype"]:
    """Assign samples softly to prototypes, of which each gets as much of those that count."""
    logits = scores / epsilon
    nothing = torch.zeros_like(logits[:, 0]).masked_fill(~counts, -torch.inf)
    of_sample = nothing
    for _ in range(iterations):
        of_prototype = -torch.logsumexp(logits + of_sample[:, None], dim=0)
        of_sample = nothing - torch.logsumexp(logits + of_prototype, dim=1)
    return softmax(logits + of_prototype, dim=1)


def swapped(
    codes: list[Float[Tensor, "batch prototype"]],
    scores: list[Float[Tensor, "batch prototype"]],
    temperature: float,
) -> Float[Tensor, ""]:
    """Return the mean cross entropy of each code predicted from every view but its own."""
    predicted = [log_softmax(score / temperature, dim=1) for score in scores]
    terms = [
        -(code * predicted[j]).sum(dim=1).mean()
        for i, code in enumerate(codes)
        for j in range(len(predicted))
        if i != j
    ]
    return torch.stack(terms).mean()
