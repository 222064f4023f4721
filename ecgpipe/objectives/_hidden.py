"""Which patches of a signal an objective hides, and a small network that fills them in."""

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from ecgpipe.model import Backbone
from ecgpipe.transformer import Transformer, positions


def shape_of_patch(backbone: Backbone, objective: str) -> tuple[int, int]:
    """Say what a token stands for, (lead, sample); refuse backbones that need all their tokens."""
    if backbone.patch is None:
        raise ValueError(
            f"{objective}: hidden patches are not shown to the backbone, and this one needs every "
            "token; choose one of patches: vit1d"
        )
    return backbone.patch


def draw_hidden(
    batch: int, tokens: int, share: float, block: int, generator: Generator
) -> tuple[Int[Tensor, "batch shown"], Int[Tensor, "batch hidden"]]:
    """Draw which tokens of each record are shown and which are hidden, both in order.

    A `share` of the tokens is hidden, at least one, but not all; in stretches of at least `block`,
    where so many are hidden. Stretches may meet, and one that reaches the end goes on at the start,
    which makes all places equal.
    """
    if tokens < 2:
        raise ValueError("a crop of one patch leaves nothing to predict it from: set a longer crop")
    hidden = min(max(round(share * tokens), 1), tokens - 1)
    shown, stretches = tokens - hidden, max(hidden // block, 1)
    device = generator.device
    gap = torch.randint(shown + 1, (batch, 1, stretches), generator=generator, device=device)
    length = hidden // stretches + (torch.arange(stretches, device=device) < hidden % stretches)
    turn = torch.randint(tokens, (batch, 1), generator=generator, device=device)
    place = torch.arange(shown, device=device)
    place = (place + (length * (gap <= place[:, None])).sum(dim=2) + turn) % tokens
    is_shown = torch.zeros(batch, tokens, dtype=torch.int8, device=device).scatter(1, place, 1)
    order = is_shown.argsort(dim=1, stable=True)
    return order[:, hidden:], order[:, :hidden]


def take(
    tokens: Float[Tensor, "batch token dim"], place: Int[Tensor, "batch some"]
) -> Float[Tensor, "batch some dim"]:
    """Take some of the tokens of each record."""
    return tokens.gather(1, place[..., None].expand(-1, -1, tokens.shape[2]))


class Filler(nn.Module):
    """A narrow transformer from the tokens that are shown to those that are hidden."""

    def __init__(self, inputs: int, outputs: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.enter = nn.Linear(inputs, width)
        self.blank = nn.Parameter(0.02 * torch.randn(width))
        self.transformer = Transformer(width, depth, heads)
        self.leave = nn.Linear(width, outputs)

    def forward(
        self,
        tokens: Float[Tensor, "batch shown inputs"],
        shown: Int[Tensor, "batch shown"],
        hidden: Int[Tensor, "batch hidden"],
    ) -> Float[Tensor, "batch hidden outputs"]:
        """Fill in what is hidden."""
        places = positions(shown.shape[1] + hidden.shape[1], len(self.blank), self.blank)
        known, asked = self.enter(tokens) + places[shown], self.blank + places[hidden]
        filled = self.transformer(torch.cat([known, asked], dim=1))
        return self.leave(filled[:, shown.shape[1] :])
