"""CE-SSL written plainly, as its description reads: what `ce_ssl.py` measures ours against.

Every layer forms `W + up @ down` in every pass, gradients are whatever the framework makes of that,
maps are two-dimensional and lie time last, norm and rectifier are operations of their own,
attention writes out its scores and a mask, and everything is in single precision.
"""

import math
import random
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    avg_pool2d,
    binary_cross_entropy_with_logits,
    conv2d,
    leaky_relu,
    linear,
    softmax,
)

from ecgpipe.backbones import conv_transformer
from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.model import Classifier


class Layer(nn.Module):
    """The weight of one of our layers, and its update, which is off at random while training."""

    def __init__(self, ours: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        self.weight = nn.Parameter(ours.weight.detach().clone(), ours.weight.requires_grad)
        self.bias = nn.Parameter(ours.bias.detach().clone())
        update = getattr(ours, "update", None)
        self.p = update.p if update else 1.0
        self.up = nn.Parameter(update.up.detach().clone()) if update else None
        self.down = nn.Parameter(update.down.detach().clone()) if update else None

    def formed(self) -> Tensor:
        """Return the weight of this pass."""
        if random.random() < self.p:
            return self.weight
        return self.weight + (self.up @ self.down).view_as(self.weight)


class Linear(Layer):
    """A linear layer."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Apply it."""
        return linear(tokens, self.formed(), self.bias)


class Convolution(Layer):
    """A convolution over time."""

    def __init__(self, ours: nn.Conv2d) -> None:
        super().__init__(ours)
        self.stride, self.padding = ours.stride, ours.padding

    def forward(self, features: Tensor) -> Tensor:
        """Convolve."""
        return conv2d(features, self.formed(), self.bias, self.stride, self.padding)


class Block(nn.Module):
    """Two convolutions beside a pooled shortcut."""

    def __init__(self, ours: conv_transformer.Block) -> None:
        super().__init__()
        self.main = nn.Sequential()
        for i in (0, 3):
            norm = nn.BatchNorm2d(ours.main[i].out_channels)
            norm.weight.requires_grad_(False)
            self.main.extend([Convolution(ours.main[i]), norm, nn.LeakyReLU()])
        self.skip = Convolution(ours.skip[1])

    def forward(self, features: Tensor) -> Tensor:
        """Shorten to a quarter."""
        return self.main(features) + self.skip(avg_pool2d(features, (1, 4), (1, 4)))


class Transformer(nn.Module):
    """Masked attention, then a perceptron."""

    def __init__(self, ours: conv_transformer.Layer, tokens: int) -> None:
        super().__init__()
        self.heads = ours.attention.heads
        self.qkv, self.out = Linear(ours.attention.qkv), Linear(ours.attention.out)
        self.widen, self.narrow = Linear(ours.widen), Linear(ours.narrow)
        width = len(ours.norms[0].weight)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        for norm in self.norms:
            norm.weight.requires_grad_(False)
        self.register_buffer("mask", torch.ones(tokens, tokens).tril())

    def attend(self, tokens: Tensor) -> Tensor:
        """Gather from the past."""
        asked = self.qkv(tokens).unflatten(2, (3, self.heads, -1))
        query, key, value = (part.transpose(1, 2) for part in asked.unbind(2))
        score = query @ key.mT / math.sqrt(query.shape[-1])
        score = score * self.mask - 1e10 * (1 - self.mask)
        return self.out((softmax(score, dim=3) @ value).transpose(1, 2).flatten(2))

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend, then think."""
        tokens = tokens + self.attend(self.norms[0](tokens))
        return tokens + self.narrow(leaky_relu(self.widen(self.norms[1](tokens))))


@dataclass(frozen=True)
class Config:
    """As published."""

    tokens: int = 96  # of 6,144 samples


class Method(nn.Module):
    """Network and method: made of one of our networks, and called as our methods are."""

    def __init__(self, model: Classifier, config: Config) -> None:
        super().__init__()
        backbone, tokens = model.backbone, config.tokens
        assert isinstance(backbone, conv_transformer.Backbone) and model.head is not None
        self.blocks = nn.Sequential(*(Block(block) for block in backbone.blocks))
        layers = (Transformer(layer, tokens) for layer in backbone.transformer)
        self.transformer = nn.Sequential(*layers)
        linears = [layer for layer in model.head.layers if isinstance(layer, nn.Linear)]
        self.head = nn.Sequential(*(Linear(layer) for layer in linears))
        place = torch.arange(tokens)[:, None]
        angle = place / 10_000 ** (torch.arange(0, backbone.dim, 2) / backbone.dim)
        code = torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)
        self.register_buffer("code", code)

    def forward(self, labeled: Labeled, unlabeled: Unlabeled) -> dict[str, Tensor]:
        """Normalise both halves together; learn the labeled one."""
        signal = torch.cat([labeled.signal, unlabeled.weak]).unsqueeze(2)
        stemmed = self.blocks(signal)[: len(labeled.signal)]
        tokens = self.transformer(stemmed.squeeze(2).transpose(1, 2) + self.code)
        loss = binary_cross_entropy_with_logits(self.head(tokens.amax(dim=1)), labeled.target)
        return {"loss": loss, "supervised": loss}
