"""What residual networks over time share: blocks that add to what they are given, in stages."""

from collections.abc import Iterable

from jaxtyping import Float
from torch import Tensor, nn

from ecgpipe import model
from ecgpipe.backbones._maps import initialise, to_map, to_tokens

# blocks of each stage, by the depth of the network (He et al. 2016)
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


class Block(nn.Module):
    """Layers that learn beside a shortcut, empty where the two fit as they are."""

    def __init__(self, main: Iterable[nn.Module], shortcut: Iterable[nn.Module]) -> None:
        super().__init__()
        self.main = nn.Sequential(*main)
        self.identity = nn.Sequential(*shortcut)
        self.last = nn.ReLU()

    def forward(self, features: Float[Tensor, "batch _ 1 _"]) -> Tensor:
        """Add what the block has learnt to what it was given."""
        return self.last(self.main(features) + self.identity(features))


class Backbone(model.Backbone):
    """A stem, then stages of blocks, each but the first of which halves the length."""

    def __init__(self, entry: list[nn.Module], stages: list[list[Block]], dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.entry = nn.Sequential(*entry)
        self.stages = nn.Sequential(*(nn.Sequential(*blocks) for blocks in stages))
        initialise(self)

    def stem(self, signal: Float[Tensor, "batch lead time"]) -> Float[Tensor, "batch _ 1 _"]:
        """Shorten the signal four times."""
        return self.entry(to_map(signal))

    def trunk(self, stemmed: Float[Tensor, "batch _ 1 _"]) -> Float[Tensor, "batch token dim"]:
        """Pass the stages."""
        return to_tokens(self.stages(stemmed))

    def layers(self) -> list[nn.Module]:
        """List stem and stages."""
        return [self.entry, *self.stages]
