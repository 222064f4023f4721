"""Residual networks over time (He et al. 2016; for ECG: Nguyen & Do 2024): widths double.

The published classifier averages the tokens in front of one hidden layer, which is
`HeadConfig(hidden=(512,), dropout=0.0, norm=False, pool="mean")`.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from ecgpipe import model
from ecgpipe.backbones._maps import activated, initialise, normed, to_map, to_tokens

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


@dataclass(frozen=True)
class Config:
    """`ResNet1d18` of the comparison of transfer with training from scratch."""

    depth: int = 18
    width: int = 64  # of the first stage; blocks end four times as wide from depth 50 on
    kernel: int = 3  # of the blocks

    def __post_init__(self) -> None:
        if self.depth not in BLOCKS:
            raise ValueError(
                f"resnet1d: depth {self.depth}; allowed: {', '.join(map(str, BLOCKS))}"
            )
        if self.width < 1 or self.kernel < 1 or self.kernel % 2 == 0:
            raise ValueError(
                f"resnet1d: width {self.width} must be positive, kernel {self.kernel} odd"
            )


class Block(nn.Module):
    """A residual block: two convolutions, or a bottleneck of three where it ends wider."""

    def __init__(self, inputs: int, width: int, outputs: int, stride: int, kernel: int) -> None:
        super().__init__()
        if outputs == width:
            main = activated(inputs, width, kernel, stride) + normed(width, outputs, kernel)
        else:
            main = activated(inputs, width, 1) + activated(width, width, kernel, stride)
            main += normed(width, outputs, 1)
        self.main = nn.Sequential(*main)
        fits = stride == 1 and inputs == outputs
        self.identity = nn.Sequential(*([] if fits else normed(inputs, outputs, 1, stride)))
        self.last = nn.ReLU()

    def forward(self, features: Float[Tensor, "batch _ 1 _"]) -> Tensor:
        """Add what the block has learnt to what it was given."""
        return self.last(self.main(features) + self.identity(features))


class Backbone(model.Backbone):
    """One convolution and a pool, then four stages, each twice as wide as the one before."""

    def __init__(self, config: Config, leads: int) -> None:
        super().__init__()
        self.entry = nn.Sequential(
            *activated(leads, config.width, 7, stride=2), nn.MaxPool2d((1, 3), (1, 2), (0, 1))
        )
        self.dim = config.width
        stages = []
        for i, blocks in enumerate(BLOCKS[config.depth]):
            width = config.width * 2**i
            outputs = width * (1 if config.depth < 50 else 4)
            first = Block(self.dim, width, outputs, 1 if i == 0 else 2, config.kernel)
            others = (Block(outputs, width, outputs, 1, config.kernel) for _ in range(blocks - 1))
            stages.append(nn.Sequential(first, *others))
            self.dim = outputs
        self.stages = nn.Sequential(*stages)
        initialise(self)

    def stem(self, signal: Float[Tensor, "batch lead time"]) -> Float[Tensor, "batch _ 1 _"]:
        """Shorten the signal four times."""
        return self.entry(to_map(signal))

    def trunk(self, stemmed: Float[Tensor, "batch _ 1 _"]) -> Float[Tensor, "batch token dim"]:
        """Pass the stages, each but the first of which halves the length."""
        return to_tokens(self.stages(stemmed))

    def layers(self) -> list[nn.Module]:
        """List stem and stages."""
        return [self.entry, *self.stages]
