"""The encoder in front of a network over tokens: convolutions, each with its norm and rectifier."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from ecgpipe.backbones._maps import activated, initialise, to_map, to_tokens


class Encoder(nn.Module):
    """Convolutions from leads to tokens; with strides, a token stands for several samples."""

    def __init__(
        self, leads: int, width: int, kernels: tuple[int, ...], strides: tuple[int, ...]
    ) -> None:
        super().__init__()
        if len(kernels) != len(strides) or not kernels or min(*kernels, *strides) < 1:
            raise ValueError(f"encoder: kernels {kernels} and strides {strides} must go in pairs")
        if any(stride > kernel for kernel, stride in zip(kernels, strides, strict=True)):
            raise ValueError(
                f"encoder: strides {strides} skip samples, kernels {kernels} are short"
            )
        inputs = [leads] + [width] * (len(kernels) - 1)
        shapes = zip(inputs, kernels, strides, strict=True)
        self.layers = nn.Sequential(
            *(layer for n, k, s in shapes for layer in activated(n, width, k, s))
        )
        self.shortest = 1  # samples that give one token
        for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
            padded = 2 * ((kernel - 1) // 2)
            self.shortest = max(1, (self.shortest - 1) * stride + kernel - padded)
        initialise(self)

    def forward(self, signal: Float[Tensor, "batch lead time"]) -> Float[Tensor, "batch token dim"]:
        """Encode; a signal too short for one token is filled up with zeros."""
        missing = max(0, self.shortest - signal.shape[-1])
        return to_tokens(self.layers(to_map(pad(signal, (0, missing)))))
