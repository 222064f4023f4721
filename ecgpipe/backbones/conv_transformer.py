"""Convolution blocks, then a causal transformer: the network of CE-SSL (Zhou et al. 2024).

As in the authors' code (KAZABANA/CE-SSL, arXiv:2406.14377), but at any length. The head that goes
with it is `{hidden: [width], activation: none, pool: max, norm: false, dropout: 0}`. Adapters find
the weights by these names, in the order of a forward pass:

- `blocks.B.main.0` and `main.3`: the two convolutions; `blocks.B.skip.1`: that of the shortcut
- `transformer.L.attention.qkv`: queries, keys and values, one after the other; `attention.out`
- `transformer.L.widen` and `narrow`: the perceptron
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from ecgpipe import model
from ecgpipe.backbones._maps import to_map, to_tokens
from ecgpipe.backbones._rectifiers import LeakyReLU, rectify_and_add
from ecgpipe.transformer import positions

KERNEL, STRIDE = 9, 4  # samples

Map = Float[Tensor, "batch _ 1 _"]
Tokens = Float[Tensor, "batch token dim"]


@dataclass(frozen=True)
class Config:
    """The published size `base`.

    Medium has width 512 and depth 12, large 768 and 12, tiny-light 64 and 1.
    """

    width: int = 256
    depth: int = 8  # layers of the transformer
    heads: int = 16
    blocks: int = 3  # of convolutions, each of which shortens the signal four times

    def __post_init__(self) -> None:
        if min(self.width, self.depth, self.heads, self.blocks) < 1:
            raise ValueError(
                f"conv_transformer: width {self.width}, depth {self.depth}, heads {self.heads} "
                f"and blocks {self.blocks} must be positive"
            )
        if self.width % 2 or self.width % self.heads:
            raise ValueError(
                f"conv_transformer: width {self.width} must be even and a multiple of its "
                f"{self.heads} heads"
            )


def normed(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    """Convolve and normalise; unlike `_maps.normed` with biases, which adapters train."""
    padding = (0, KERNEL // 2)
    convolution = nn.Conv2d(inputs, outputs, (1, KERNEL), (1, stride), padding)
    return [convolution, nn.BatchNorm2d(outputs)]


class Block(nn.Module):
    """Two convolutions beside a pooled shortcut; nothing comes after their sum."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        first, second = normed(inputs, outputs, STRIDE), normed(outputs, outputs, 1)
        self.main = nn.Sequential(*first, LeakyReLU(), *second)
        # a last piece shorter than the stride is averaged too, so that both are of one length
        pool = nn.AvgPool2d((1, STRIDE), ceil_mode=True)
        self.skip = nn.Sequential(pool, nn.Conv2d(inputs, outputs, 1))

    def forward(self, features: Map) -> Map:
        """Shorten to `time / 4` rounded up."""
        return rectify_and_add(self.main(features), self.skip(features))


class Attention(nn.Module):
    """Attention of every token to itself and those before it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        nn.init.normal_(self.out.weight, std=0.02)  # as GPT-2 (Radford et al. 2019)
        nn.init.zeros_(self.out.bias)

    def forward(self, tokens: Tokens) -> Tokens:
        """Gather from the past."""
        asked = self.qkv(tokens).unflatten(2, (3, self.heads, -1))
        query, key, value = asked.permute(2, 0, 3, 1, 4)
        gathered = scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.out(gathered.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Attention, then a perceptron four times as wide; norms first, each added to what came in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.attention = Attention(width, heads)
        self.widen = nn.Linear(width, 4 * width)
        self.rectify = LeakyReLU()
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, tokens: Tokens) -> Tokens:
        """Attend, then think."""
        tokens = tokens + self.attention(self.norms[0](tokens))
        return tokens + self.narrow(self.rectify(self.widen(self.norms[1](tokens))))


class Backbone(model.Backbone):
    """Blocks of convolutions, whose output is tokens; their places; layers of a transformer."""

    causal = True

    def __init__(self, config: Config, leads: int) -> None:
        super().__init__()
        self.dim = self.width = config.width
        inputs = [leads] + [config.width] * (config.blocks - 1)
        self.blocks = nn.Sequential(*(Block(n, config.width) for n in inputs))
        layers = (Layer(config.width, config.heads) for _ in range(config.depth))
        self.transformer = nn.Sequential(*layers)

    def stem(self, signal: Float[Tensor, "batch lead time"]) -> Tokens:
        """Turn every `4 ** blocks` samples, and some around them, into a token."""
        return to_tokens(self.blocks(to_map(signal)))

    def trunk(self, stemmed: Tokens) -> Tokens:
        """Mark places, sine and cosine in turns, and let every token look back."""
        places = positions(stemmed.shape[1], self.dim, next(self.parameters()))
        return self.transformer(stemmed + places.unflatten(1, (2, -1)).mT.flatten(1))

    def layers(self) -> list[nn.Module]:
        """List the blocks, then the layers."""
        return [*self.blocks, *self.transformer]
