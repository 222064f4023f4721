"""Residual networks over time (He et al. 2016; for ECG: Nguyen & Do 2024): widths double.

The published classifier averages the tokens in front of one hidden layer, which is
`HeadConfig(hidden=(512,), dropout=0.0, norm=False, pool="mean")`.
"""

from dataclasses import dataclass

from torch import nn

from ecgpipe.backbones import _residual
from ecgpipe.backbones._maps import activated, normed
from ecgpipe.backbones._residual import BLOCKS, Block


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


class Backbone(_residual.Backbone):
    """One convolution and a pool, then four stages, each twice as wide as the one before."""

    def __init__(self, config: Config, leads: int) -> None:
        width, kernel, dim = config.width, config.kernel, config.width
        entry = [*activated(leads, width, 7, stride=2), nn.MaxPool2d((1, 3), (1, 2), (0, 1))]
        stages = []
        for i, blocks in enumerate(BLOCKS[config.depth]):
            inputs, width = dim, config.width * 2**i
            dim = width * (1 if config.depth < 50 else 4)
            first = build_block(inputs, width, dim, 1 if i == 0 else 2, kernel)
            others = [build_block(dim, width, dim, 1, kernel) for _ in range(blocks - 1)]
            stages.append([first, *others])
        super().__init__(entry, stages, dim)


def build_block(inputs: int, width: int, outputs: int, stride: int, kernel: int) -> Block:
    """Build two convolutions, or a bottleneck of three where it ends wider, beside a shortcut."""
    if outputs == width:
        main = activated(inputs, width, kernel, stride) + normed(width, outputs, kernel)
    else:
        main = activated(inputs, width, 1) + activated(width, width, kernel, stride)
        main += normed(width, outputs, 1)
    fits = stride == 1 and inputs == outputs
    return Block(main, [] if fits else normed(inputs, outputs, 1, stride))
