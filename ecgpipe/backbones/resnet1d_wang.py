"""Residual network for time series (Wang et al. 2017; for ECG: Strodthoff et al. 2020)."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from ecgpipe import model
from ecgpipe.backbones._maps import activated, initialise, normed, to_map, to_tokens
from ecgpipe.backbones._residual import Block


@dataclass(frozen=True)
class Config:
    """`resnet1d_wang` of the PTB-XL benchmark."""

    width: int = 128
    stem_kernel: int = 7
    kernels: tuple[int, int] = (5, 3)
    strides: tuple[int, ...] = (1, 2, 2)  # one a block

    def __post_init__(self) -> None:
        if not all(kernel % 2 for kernel in (self.stem_kernel, *self.kernels)):
            raise ValueError(
                f"resnet1d_wang: kernels must be odd: {self.stem_kernel}, {self.kernels}"
            )


class Backbone(model.Backbone):
    """One convolution without pooling, then three blocks of the same width."""

    def __init__(self, config: Config, leads: int) -> None:
        super().__init__()
        self.dim = config.width
        self.entry = nn.Sequential(*activated(leads, config.width, config.stem_kernel))
        self.blocks = nn.Sequential(*(build_block(config, stride) for stride in config.strides))
        initialise(self)

    def stem(self, signal: Float[Tensor, "batch lead time"]) -> Float[Tensor, "batch _ 1 _"]:
        """Widen the signal; its length stays."""
        return self.entry(to_map(signal))

    def trunk(self, stemmed: Float[Tensor, "batch _ 1 _"]) -> Float[Tensor, "batch token dim"]:
        """Pass the blocks."""
        return to_tokens(self.blocks(stemmed))

    def layers(self) -> list[nn.Module]:
        """List stem and blocks."""
        return [self.entry, *self.blocks]


def build_block(config: Config, stride: int) -> Block:
    """Build two convolutions beside a shortcut."""
    width, (first, second) = config.width, config.kernels
    main = activated(width, width, first, stride) + normed(width, width, second)
    return Block(main, [] if stride == 1 else normed(width, width, 1, stride))
