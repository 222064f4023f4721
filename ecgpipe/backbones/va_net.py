"""Two convolutions side by side, a third, and one layer of a transformer: the network of MetaVA.

Zhang et al. 2022 (arXiv:2202.12450), for two seconds of one ambulatory lead at 250 Hz. Norms are
over groups of channels within a window instead of over a batch: there are no statistics that one
patient could leave behind for another, and a window is judged alike in any company and at any gain.
The published 0.596 million weights count the layer of the transformer twice, of which one copy is
never used. The head that goes with it is `{pool: mean, norm: false, dropout: 0}`.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from ecgpipe import model
from ecgpipe.backbones._maps import initialise, to_map, to_tokens

BESIDE, BEHIND = (5, 9), 8  # samples that the convolutions see
THINNED = 0.1  # share of the transformer's values that are dropped in training

Tokens = Float[Tensor, "batch token dim"]


@dataclass(frozen=True)
class Config:
    """The published size; width and dim 32 and hidden 128 are enough for a CPU."""

    width: int = 64  # of the two convolutions
    dim: int = 64  # of a token
    heads: int = 4
    hidden: int = 2048  # of the transformer's perceptron
    tokens: int = 50  # of any signal long enough
    groups: int = 8  # of channels that are normalised together
    dropout: float = 0.5  # behind the two convolutions

    def __post_init__(self) -> None:
        if min(self.width, self.dim, self.heads, self.hidden, self.tokens, self.groups) < 1:
            raise ValueError(f"va_net: every size must be positive, got {self}")
        if self.width % self.groups or self.dim % self.groups or self.dim % self.heads:
            raise ValueError(
                f"va_net: width {self.width} and dim {self.dim} must be multiples of the "
                f"{self.groups} groups, dim of the {self.heads} heads, too"
            )


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Convolve over time without bias; an even kernel makes one sample more."""
    padding = (0, kernel // 2)
    return nn.Conv2d(inputs, outputs, (1, kernel), (1, stride), padding, bias=False)


class Layer(nn.Module):
    """Attention of all tokens to all, then a perceptron; each sum is normalised."""

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.widen = nn.Linear(dim, hidden)
        self.narrow = nn.Linear(hidden, dim)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.thin = nn.Dropout(THINNED)

    def attend(self, tokens: Tokens) -> Tokens:
        """Gather, written out: fused attention cannot be differentiated twice."""
        asked = self.qkv(tokens.flatten(0, 1)).unflatten(0, tokens.shape[:2])
        query, key, value = asked.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        alike = query @ key.mT / math.sqrt(query.shape[-1])
        gathered = self.thin(alike.softmax(dim=-1)) @ value
        return gathered.transpose(1, 2).flatten(2)

    def forward(self, tokens: Tokens) -> Tokens:
        """Attend, then think, on all tokens in a row: weights of a task each meet one matrix."""
        row = tokens.flatten(0, 1)
        gathered = self.out(self.attend(tokens).flatten(0, 1))
        row = self.norms[0](row + self.thin(gathered))
        thought = self.narrow(self.thin(self.widen(row).relu()))
        return self.norms[1](row + self.thin(thought)).unflatten(0, tokens.shape[:2])


class Backbone(model.Backbone):
    """The mean of two convolutions, a third, tokens of equal shares of the time, attention."""

    def __init__(self, config: Config, leads: int) -> None:
        super().__init__()
        self.dim, self.tokens = config.dim, config.tokens
        width, dim, groups = config.width, config.dim, config.groups
        self.beside = nn.ModuleList(convolution(leads, width, k, stride=2) for k in BESIDE)
        self.shorten = nn.Sequential(
            nn.GroupNorm(groups, width),
            nn.MaxPool2d((1, 2), ceil_mode=True),
            nn.ReLU(),  # after the pool, which gives the same of half as many
            nn.Dropout(config.dropout),
        )
        third = convolution(width, dim, BEHIND)
        self.behind = nn.Sequential(third, nn.GroupNorm(groups, dim), nn.ReLU())
        self.transformer = Layer(dim, config.heads, config.hidden)
        initialise(self)

    def stem(self, signal: Float[Tensor, "batch lead time"]) -> Tokens:
        """Convolve, and average equal shares of the time: at most so many as samples are left."""
        leads = to_map(signal)
        short, long = (convolve(leads) for convolve in self.beside)
        mean = (short + long) / 2
        if torch.is_grad_enabled() and not mean.requires_grad:
            # the backward of a norm over channels-last features that need no gradient crashes
            mean = mean.contiguous()
        features = self.shorten(mean)
        tokens = min(self.tokens, features.shape[-1])
        return to_tokens(adaptive_avg_pool2d(self.behind(features), (1, tokens)))

    def trunk(self, stemmed: Tokens) -> Tokens:
        """Let tokens attend to each other; they do not know their places, as published."""
        return self.transformer(stemmed)

    def layers(self) -> list[nn.Module]:
        """List the two convolutions with their norm, the third, and the transformer's layer."""
        return [nn.ModuleList([self.beside, self.shorten]), self.behind, self.transformer]
