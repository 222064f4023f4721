"""Vision transformer over time (Dosovitskiy et al. 2021; for ECG: Weimann & Conrad 2025).

A token is a patch of time in all leads. The stem embeds patches and marks their places, so any of
its tokens may be left out of what the trunk is given: objectives that hide patches do so.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ecgpipe import model
from ecgpipe.transformer import Transformer, patches, positions

LOUDNESS = 0.2  # mV, about the standard deviation of a lead: tokens begin as loud as their places


@dataclass(frozen=True)
class Config:
    """ViT-S of ECG-JEPA; XS has dim 192 and 3 heads, B dim 768, depth 12 and 12 heads."""

    patch: int = 25  # samples
    dim: int = 384
    depth: int = 8  # blocks
    heads: int = 6
    registers: int = 1  # tokens that stand for no patch and are not returned

    def __post_init__(self) -> None:
        if min(self.patch, self.depth) < 1 or self.registers < 0 or self.dim < 2:
            raise ValueError(
                f"vit1d: patch {self.patch} and depth {self.depth} must be positive, dim "
                f"{self.dim} at least 2, registers {self.registers} not negative"
            )


class Backbone(model.Backbone):
    """An embedding of patches, then a transformer."""

    def __init__(self, config: Config, leads: int) -> None:
        super().__init__()
        self.dim = self.width = config.dim
        self.patch, self.samples = (leads, config.patch), config.patch
        self.embed = nn.Linear(leads * config.patch, config.dim)
        self.registers = nn.Parameter(torch.randn(config.registers, config.dim))
        self.transformer = Transformer(config.dim, config.depth, config.heads)

    def stem(self, signal: Float[Tensor, "batch lead time"]) -> Float[Tensor, "batch token dim"]:
        """Embed patches and mark their places."""
        embedded = self.embed(patches(signal, self.samples) / LOUDNESS)
        return embedded + positions(embedded.shape[1], self.dim, self.embed.weight)

    def trunk(self, stemmed: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        """Let all tokens that are given attend to each other."""
        registers = self.registers.expand(len(stemmed), -1, -1)
        return self.transformer(torch.cat([registers, stemmed], dim=1))[:, len(self.registers) :]

    def layers(self) -> list[nn.Module]:
        """List what comes before the transformer, then its blocks and its norm."""
        first = nn.ParameterList([self.registers, *self.embed.parameters()])
        return [first, *self.transformer]
