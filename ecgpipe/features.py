"""Tokens of a frozen backbone, computed once: then only the head runs, a thousand times faster."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from ecgpipe import model, parallel
from ecgpipe.cohort import Cohort
from ecgpipe.heads import Head
from ecgpipe.inference import CROPS, autocast

LARGEST = 4 << 30  # bytes of tokens that are kept


class Given(model.Backbone):
    """A backbone whose signals are tokens already."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def stem(self, signal: Float[Tensor, "batch token dim"]) -> Tensor:
        """Pass on the tokens."""
        return signal

    def trunk(self, stemmed: Tensor) -> Float[Tensor, "batch token dim"]:
        """Pass on the tokens."""
        return stemmed


@dataclass(frozen=True)
class Features:
    """What a head sees of every crop of some records."""

    tokens: Float[Tensor, "record crop token dim"]
    target: Float[Tensor, "record label"]
    seconds: float  # that encoding took

    def draw(
        self, index: Int[Tensor, " batch"], generator: Generator
    ) -> Float[Tensor, "share token dim"]:
        """Take one crop of each record of this process's share."""
        crops = self.tokens.shape[1]
        crop = torch.randint(0, crops, (len(index),), generator=generator, device=index.device)
        return self.tokens[parallel.share(index), parallel.share(crop)]

    @torch.no_grad()
    def probabilities(self, head: Head) -> Float[np.ndarray, "record label"]:
        """Average the probabilities of all crops of each record."""
        was_training = head.training
        head.eval()
        logits = head(self.tokens.flatten(0, 1)).float().unflatten(0, self.tokens.shape[:2])
        head.train(was_training)
        return logits.sigmoid().mean(dim=1).cpu().numpy()


@torch.no_grad()
def encode(
    network: model.Classifier, cohort: Cohort, seconds: float, mixed: bool
) -> Features | None:
    """Encode crops half a crop apart, as briefly as the head allows; None if that is too much."""
    assert network.head is not None
    began, device = time.monotonic(), cohort.signal.device
    length = cohort.samples(seconds)
    network.eval()
    found: list[Tensor] = []
    records = max(1, CROPS[device.type] // 8)
    for first in range(0, len(cohort), records):
        tiles = cohort.tiles(slice(first, first + records), length, max(length // 2, 1))
        with autocast(device, mixed):
            tokens = network.backbone(tiles.flatten(0, 1))
        few = network.head.summarise(tokens.float()).unflatten(0, tiles.shape[:2])
        if few[0].numel() * few.element_size() * len(cohort) > LARGEST:
            return None
        found.append(few)
    return Features(torch.cat(found), cohort.target, time.monotonic() - began)
