"""Tokens of a frozen backbone, computed once: then only the head runs, a thousand times faster."""

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from ecgpipe import model, padding, parallel
from ecgpipe.cohort import Cohort, mean_over_crops
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

    def recorded(
        self, signal: Float[Tensor, "batch token dim"], tokens: int
    ) -> Bool[Tensor, "batch token"]:
        """Tell padding by its tokens, which are zero."""
        return padding.recorded_tokens(signal.mT, tokens)


def behind(network: model.Classifier) -> model.Classifier:
    """Return the head of a network as a classifier of tokens; the weights are the network's own."""
    given = model.Classifier(Given(network.backbone.dim))
    given.labels, given.head_config = network.labels, network.head_config
    given.head = network.head
    return given


@dataclass(frozen=True)
class Features:
    """What a head sees of every crop of some records."""

    tokens: Float[Tensor, "crop token dim"]  # of one record after the other
    crops: Int[np.ndarray, " record"]  # that there are of each
    target: Float[Tensor, "record label"]
    seconds: float  # that encoding took

    def draw(
        self, index: Int[Tensor, " batch"], generator: Generator
    ) -> Float[Tensor, "share token dim"]:
        """Take one crop of each record of this process's share."""
        most = int(self.crops.max())
        crop = torch.randint(0, most, (len(index),), generator=generator, device=index.device)
        index, crop = parallel.share(index), parallel.share(crop)
        first, count = self.places
        return self.tokens[first[index] + crop * count[index] // most]

    def beginnings(self, index: Int[Tensor, " batch"]) -> Float[Tensor, "batch token dim"]:
        """Take the first crop of each record."""
        return self.tokens[self.places[0, index]]

    @cached_property
    def places(self) -> Int[Tensor, "2 record"]:
        """Say at which crop each record begins, and how many it has, on the device."""
        first = np.cumsum(self.crops) - self.crops
        return torch.from_numpy(np.stack([first, self.crops])).to(self.tokens.device)

    @torch.no_grad()
    def probabilities(self, head: Head) -> Float[np.ndarray, "record label"]:
        """Average the probabilities of all crops of each record."""
        was_training = head.training
        head.eval()
        recorded = padding.recorded_tokens(self.tokens.mT, self.tokens.shape[1])
        logits = head(self.tokens, recorded).float()
        head.train(was_training)
        return mean_over_crops(logits.sigmoid(), self.crops).cpu().numpy()


@torch.no_grad()
def encode(
    network: model.Classifier, cohort: Cohort, seconds: float, mixed: bool
) -> Features | None:
    """Encode crops half a crop apart, as briefly as the head allows; None if that is too much."""
    assert network.head is not None
    began, device = time.monotonic(), cohort.signal.device
    length = cohort.samples(seconds)
    stride = max(length // 2, 1)
    crops = cohort.crops(length, stride)
    network.eval()
    found: list[Tensor] = []
    records = max(1, CROPS[device.type] // 8)
    for first in range(0, len(cohort), records):
        tiles = cohort.tiles(slice(first, first + records), length, stride)
        with autocast(device, mixed):
            tokens, recorded = network.backbone.encode(tiles)
        few = network.head.summarise(tokens.float(), recorded)
        if few[0].nbytes * crops.sum() > LARGEST:
            return None
        found.append(few)
    return Features(torch.cat(found), crops, cohort.target, time.monotonic() - began)
