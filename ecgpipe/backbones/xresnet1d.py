"""XResNet over time (He et al. 2019; for ECG: Strodthoff et al. 2020): one width in all stages."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from ecgpipe import padding
from ecgpipe.backbones import _residual
from ecgpipe.backbones._maps import activated, convolution, normed
from ecgpipe.backbones._residual import BLOCKS, Block

FLOOR = 0.01  # millivolts, added in squares to a deviation: no lead grows more than 100 times


@dataclass(frozen=True)
class Config:
    """`xresnet1d50` of the PTB-XL benchmark."""

    depth: int = 50
    width: int = 64  # of the blocks; they end four times as wide from depth 50 on
    kernel: int = 5
    standardised: bool = False  # each lead of a signal by its own mean and deviation

    def __post_init__(self) -> None:
        if self.depth not in BLOCKS:
            raise ValueError(
                f"xresnet1d: depth {self.depth}; allowed: {', '.join(map(str, BLOCKS))}"
            )
        if self.width < 2 or self.width % 2 or self.kernel % 2 == 0:
            raise ValueError(
                f"xresnet1d: width {self.width} must be even, kernel {self.kernel} odd"
            )


class Backbone(_residual.Backbone):
    """A stem of three convolutions and a pool, then four stages of residual blocks."""

    def __init__(self, config: Config, leads: int) -> None:
        width, kernel = config.width, config.kernel
        entry = [
            *activated(leads, width // 2, kernel, stride=2),
            *activated(width // 2, width // 2, kernel),
            *activated(width // 2, width, kernel),
            nn.MaxPool2d((1, 3), (1, 2), (0, 1)),
        ]
        dim = width * (1 if config.depth < 50 else 4)
        stages = []
        for i, blocks in enumerate(BLOCKS[config.depth]):
            first = build_block(width if i == 0 else dim, dim, 1 if i == 0 else 2, config)
            others = [build_block(dim, dim, 1, config) for _ in range(blocks - 1)]
            stages.append([first, *others])
        super().__init__(entry, stages, dim)
        self.standardised = config.standardised

    def stem(self, signal: Float[Tensor, "batch lead time"]) -> Float[Tensor, "batch _ 1 _"]:
        """Standardise if asked to, and shorten the signal four times."""
        return super().stem(standardise(signal) if self.standardised else signal)


def standardise(signal: Float[Tensor, "batch lead time"]) -> Float[Tensor, "batch lead time"]:
    """Bring each lead to mean 0 and deviation 1 over what was recorded; the rest stays zero."""
    there = padding.recorded_samples(signal)
    samples = there.sum(dim=-1, keepdim=True)
    centred = (signal - signal.sum(dim=-1, keepdim=True) / samples) * there
    variance = centred.square().sum(dim=-1, keepdim=True) / samples
    return centred * (variance + FLOOR**2).rsqrt()


def build_block(inputs: int, outputs: int, stride: int, config: Config) -> Block:
    """Build two convolutions, or a bottleneck of three, beside a shortcut."""
    width, kernel = config.width, config.kernel
    norm = nn.BatchNorm2d(outputs)
    nn.init.zeros_(norm.weight)  # at first the block passes on what it is given
    if outputs == width:
        main = activated(inputs, width, kernel, stride)
        main += [convolution(width, outputs, kernel), norm]
    else:
        main = activated(inputs, width, 1) + activated(width, width, kernel, stride)
        main += [convolution(width, outputs, 1), norm]
    pool = [] if stride == 1 else [nn.AvgPool2d((1, stride), ceil_mode=True)]
    widen = [] if inputs == outputs else normed(inputs, outputs, 1)
    return Block(main, [*pool, *widen])
