"""Transformers over tokens (Vaswani et al. 2017), norms first and without biases, at any length."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention


class Block(nn.Module):
    """Attention, then a perceptron four times as wide, each added to what came in."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        if heads < 1 or dim % heads:
            raise ValueError(f"transformer: dim {dim} must be a multiple of its {heads} heads")
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.ask = nn.Linear(dim, 3 * dim, bias=False)  # queries, keys, values
        self.tell = nn.Linear(dim, dim, bias=False)
        self.think = nn.Sequential(
            nn.Linear(dim, 4 * dim, bias=False), nn.GELU(), nn.Linear(4 * dim, dim, bias=False)
        )

    def attend(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        """Let every token gather from all."""
        asked = self.ask(tokens).unflatten(2, (3, self.heads, -1))
        query, key, value = asked.permute(2, 0, 3, 1, 4)
        return self.tell(scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))

    def forward(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        """Attend, then think."""
        tokens = tokens + self.attend(self.norms[0](tokens))
        return tokens + self.think(self.norms[1](tokens))


class Transformer(nn.Sequential):
    """Blocks and a last norm."""

    def __init__(self, dim: int, depth: int, heads: int) -> None:
        super().__init__(*(Block(dim, heads) for _ in range(depth)), nn.LayerNorm(dim))


def positions(count: int, dim: int, like: Tensor) -> Float[Tensor, "count dim"]:
    """Write places as sines and cosines, whose wavelengths go from 2 pi to 20,000 pi tokens.

    `like` says on which device and in which precision.
    """
    if dim % 2:
        raise ValueError(f"transformer: dim {dim} must be even for sines and cosines of positions")
    place = torch.arange(count, device=like.device, dtype=like.dtype)
    rate = 10_000 ** (torch.arange(0, dim, 2, device=like.device, dtype=like.dtype) / -dim)
    angle = torch.outer(place, rate)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def patches(
    signal: Float[Tensor, "batch lead time"], samples: int
) -> Float[Tensor, "batch token _"]:
    """Cut signals into patches of all leads, lead by lead; the last is filled up with zeros."""
    whole = pad(signal, (0, -signal.shape[-1] % samples))
    return whole.unflatten(2, (-1, samples)).transpose(1, 2).flatten(2)
