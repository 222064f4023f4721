"""InceptionTime (Ismail Fawaz et al. 2020; for ECG: Strodthoff et al. 2020)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ecgpipe import model
from ecgpipe.backbones._maps import convolution, initialise, normed, to_map, to_tokens
from ecgpipe.backbones._residual import Block


@dataclass(frozen=True)
class Config:
    """`inception1d` of the PTB-XL benchmark."""

    groups: int = 2  # of three modules, with a shortcut around each group
    width: int = 32  # of a branch
    kernels: tuple[int, ...] = (39, 19, 9)

    def __post_init__(self) -> None:
        if not all(kernel % 2 for kernel in self.kernels):
            raise ValueError(f"inception1d: kernels {self.kernels} must be odd")


class Module(nn.Module):
    """Convolutions of several lengths, and a pool, side by side."""

    def __init__(self, inputs: int, config: Config) -> None:
        super().__init__()
        width = config.width
        self.bottleneck = convolution(inputs, width, 1)
        self.branches = nn.ModuleList(convolution(width, width, k) for k in config.kernels)
        self.pooled = nn.Sequential(
            nn.MaxPool2d((1, 3), stride=1, padding=(0, 1)), convolution(inputs, width, 1)
        )
        outputs = width * (len(config.kernels) + 1)
        self.last = nn.Sequential(nn.BatchNorm2d(outputs), nn.ReLU())

    def forward(self, features: Float[Tensor, "batch _ 1 time"]) -> Float[Tensor, "batch _ 1 time"]:
        """Let every branch look, and stack what they see."""
        narrow = self.bottleneck(features)
        seen = [branch(narrow) for branch in self.branches]
        return self.last(torch.cat([*seen, self.pooled(features)], dim=1))


class Backbone(model.Backbone):
    """Groups of inception modules; the length of the signal stays."""

    def __init__(self, config: Config, leads: int) -> None:
        super().__init__()
        self.dim = config.width * (len(config.kernels) + 1)
        inputs = [leads] + [self.dim] * (config.groups - 1)
        self.groups = nn.Sequential(*(build_group(n, self.dim, config) for n in inputs))
        initialise(self)

    def stem(self, signal: Float[Tensor, "batch lead time"]) -> Float[Tensor, "batch _ 1 time"]:
        """Pass the first group, which takes leads to channels."""
        return self.groups[0](to_map(signal))

    def trunk(self, stemmed: Float[Tensor, "batch _ 1 time"]) -> Float[Tensor, "batch token dim"]:
        """Pass the other groups."""
        return to_tokens(self.groups[1:](stemmed))

    def layers(self) -> list[nn.Module]:
        """List the groups."""
        return list(self.groups)


def build_group(inputs: int, outputs: int, config: Config) -> Block:
    """Build three modules beside a shortcut."""
    main = [Module(n, config) for n in (inputs, outputs, outputs)]
    return Block(main, normed(inputs, outputs, 1))
