"""MoCo v2 (He et al. 2020, Chen et al. 2020): find the other view among the keys of a long queue.

Keys come from an average of the network, so those of earlier batches still compare. Its norms use
the statistics that they have averaged, never those of a batch: a query cannot tell its own key by
the batch, which is what shuffling records between devices is for.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy

from ecgpipe import parallel
from ecgpipe.batches import Pretext
from ecgpipe.model import Classifier
from ecgpipe.objectives._average import start_average
from ecgpipe.objectives._embedding import Embedder, cosines, mlp
from ecgpipe.objectives._queue import Queue
from ecgpipe.objectives._views import view
from ecgpipe.states import follow


@dataclass(frozen=True)
class Config:
    """How views are made, embedded and remembered."""

    views: tuple[Any, ...] = ("local_warp", "time_out")
    crop: float | None = None  # seconds; each view is another crop, else both are of the same one
    hidden: int = 2048
    dim: int = 128
    queue: int = 65536  # keys
    decay: float = 0.999  # of the average
    temperature: float = 0.2

    def __post_init__(self) -> None:
        if self.queue < 1 or self.temperature <= 0 or not 0 <= self.decay <= 1:
            raise ValueError(
                f"moco: queue {self.queue} must be 1 or more, temperature {self.temperature} above "
                f"0, decay {self.decay} between 0 and 1"
            )


class Objective(nn.Module):
    """Tell a query's own key from those of other patients in the queue."""

    def __init__(self, model: Classifier, config: Config) -> None:
        super().__init__()
        self.config = config
        projector = mlp(2 * model.backbone.dim, config.hidden, config.dim, norm=False)
        self.embedder = Embedder(model.backbone, projector)
        self.average = start_average(self.embedder)
        self.queue = Queue(config.queue, config.dim)

    def forward(self, batch: Pretext) -> dict[str, Tensor]:
        """Return the loss of one batch; in training its keys enter the queue."""
        one, other = (view(batch, self.config.views, self.config.crop) for _ in range(2))
        query = self.embedder(one)
        with torch.no_grad():
            key = self.average(other)
        negatives = cosines(query, self.queue.embedding)
        theirs = self.queue.filled & (self.queue.patient != batch.patient[:, None])
        negatives = negatives.masked_fill(~theirs, -torch.inf)
        if self.training:
            self.queue.push(parallel.gather(key), parallel.gather(batch.patient))
        return {"loss": info_nce(query, key, negatives, self.config.temperature)}

    def train(self, mode: bool = True) -> "Objective":
        """Switch mode, but for the average."""
        super().train(mode)
        self.average.eval()
        return self

    def after_step(self, step: int, steps: int) -> None:
        """Let the average follow the network: weights, biases, statistics of norms."""
        follow(self.average, self.embedder, self.config.decay)


def info_nce(
    query: Float[Tensor, "batch dim"],
    key: Float[Tensor, "batch dim"],
    negatives: Float[Tensor, "batch queue"],
    temperature: float,
) -> Float[Tensor, ""]:
    """Return the cross entropy of each query's key among it and the cosines of the negatives."""
    positive = cosine_similarity(query.float(), key.float())[:, None]
    logits = torch.cat([positive, negatives], dim=1) / temperature
    return cross_entropy(logits, torch.zeros_like(logits[:, 0], dtype=torch.long))
