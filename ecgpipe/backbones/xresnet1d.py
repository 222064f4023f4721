"""XResNet over time (He et al. 2019; for ECG: Strodthoff et al. 2020): one width in all stages."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from ecgpipe import model
from ecgpipe.backbones._maps import activated, convolution, initialise, normed, to_map, to_tokens

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


@dataclass(frozen=True)
class Config:
    """`xresnet1d50` of the PTB-XL benchmark."""

    depth: int = 50
    width: int = 64  # of the blocks; they end four times as wide from depth 50 on
    kernel: int = 5

    def __post_init__(self) -> None:
        if self.depth not in BLOCKS:
            raise ValueError(
                f"xresnet1d: depth {self.depth}; allowed: {', '.join(map(str, BLOCKS))}"
            )
        if self.width < 2 or self.width % 2 or self.kernel % 2 == 0:
            raise ValueError(
                f"xresnet1d: width {self.width} must be even, kernel {self.kernel} odd"
            )


class Block(nn.Module):
    """A residual block: two convolutions, or a bottleneck of three."""

    def __init__(self, inputs: int, outputs: int, stride: int, config: Config) -> None:
        super().__init__()
        width, kernel = config.width, config.kernel
        norm = nn.BatchNorm2d(outputs)
        nn.init.zeros_(norm.weight)  # at first the block passes on what it is given
        if outputs == width:
            main = activated(inputs, width, kernel, stride)
            main += [convolution(width, outputs, kernel), norm]
        else:
            main = activated(inputs, width, 1) + activated(width, width, kernel, stride)
            main += [convolution(width, outputs, 1), norm]
        self.main = nn.Sequential(*main)
        pool = [] if stride == 1 else [nn.AvgPool2d((1, stride), ceil_mode=True)]
        widen = [] if inputs == outputs else normed(inputs, outputs, 1)
        self.identity = nn.Sequential(*pool, *widen)
        self.last = nn.ReLU()

    def forward(self, features: Float[Tensor, "batch _ 1 _"]) -> Tensor:
        """Add what the block has learnt to what it was given."""
        return self.last(self.main(features) + self.identity(features))


class Backbone(model.Backbone):
    """A stem of three convolutions and a pool, then four stages of residual blocks."""

    def __init__(self, config: Config, leads: int) -> None:
        super().__init__()
        width, kernel = config.width, config.kernel
        self.dim = width * (1 if config.depth < 50 else 4)
        self.entry = nn.Sequential(
            *activated(leads, width // 2, kernel, stride=2),
            *activated(width // 2, width // 2, kernel),
            *activated(width // 2, width, kernel),
            nn.MaxPool2d((1, 3), (1, 2), (0, 1)),
        )
        stages = []
        for i, blocks in enumerate(BLOCKS[config.depth]):
            first = Block(width if i == 0 else self.dim, self.dim, 1 if i == 0 else 2, config)
            others = [Block(self.dim, self.dim, 1, config) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(first, *others))
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
