"""From tokens to logits: how they are pooled over time, then a small classifier."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

Tokens = Float[Tensor, "batch token dim"]
Recorded = Bool[Tensor, "batch token"]  # the other tokens stand for padding; None: all of them

POOLED = {  # token widths
    "max_mean": 2,
    "max": 1,
    "mean": 1,
    "max_mean_last": 3,
    "attention": 1,
    "flatten": 0,  # as many as the tokens of a crop: `HeadConfig.tokens`
}
QUERIES = 16  # heads of the attention, at most


@dataclass(frozen=True)
class HeadConfig:
    """The head of the PTB-XL benchmark (Strodthoff et al. 2020), without its hidden layer."""

    hidden: tuple[int, ...] = ()
    dropout: float = 0.5
    norm: bool = True
    pool: str = "max_mean"  # or another of `POOLED`; `max_mean_last` is for recurrent networks
    activation: str = "relu"  # after hidden layers, or `none`
    tokens: int = 0  # of a crop, where the pool is `flatten`: such a head takes one length only

    def __post_init__(self) -> None:
        if self.pool not in POOLED:
            raise ValueError(f"pool {self.pool!r}; allowed: {', '.join(POOLED)}")
        if (self.pool == "flatten") != (self.tokens > 0):
            raise ValueError(
                f"pool {self.pool!r}, tokens {self.tokens}: `flatten` needs the number of tokens "
                "of a crop, other pools take any (0)"
            )
        if self.activation not in ("relu", "none"):
            raise ValueError(f"activation {self.activation!r}; allowed: relu, none")

    def same_weights(self, other: "HeadConfig") -> bool:
        """Tell whether the weights of one head fit the other; dropout has none."""
        return replace(self, dropout=0.0) == replace(other, dropout=0.0)


class Head(nn.Module):
    """Pool tokens, then classify."""

    def __init__(self, dim: int, labels: int, config: HeadConfig = HeadConfig()) -> None:
        super().__init__()
        self.pool, self.tokens = config.pool, config.tokens
        self.attend = Attention(dim) if config.pool == "attention" else None
        sizes = [(config.tokens or POOLED[config.pool]) * dim, *config.hidden, labels]
        layers: list[nn.Module] = []
        for i, (inputs, outputs) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
            last = i == len(sizes) - 2
            layers += [nn.BatchNorm1d(inputs)] if config.norm else []
            layers += [nn.Dropout(config.dropout if last else config.dropout / 2)]
            layers += [nn.Linear(inputs, outputs)]
            layers += [nn.ReLU()] if not last and config.activation == "relu" else []
        self.layers = nn.Sequential(*layers)

    @torch.no_grad()
    def expect(self, prevalence: Float[Tensor, " label"]) -> None:
        """Say at first what is known beforehand: how common each label is (Lin et al. 2017)."""
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        last.bias.copy_(torch.logit(prevalence, eps=1e-3))

    @torch.no_grad()
    def carry_over(self, before: "Head") -> None:
        """Take what a head of the same shape has learnt of other labels: its hidden layers."""
        new, hidden = self.state_dict(), [f"layers.{i}." for i in range(len(self.layers) - 1)]
        kept = [name for name in new if name.startswith(("attend.", *hidden))]
        self.load_state_dict({**new, **{name: before.state_dict()[name] for name in kept}})

    def summarise(
        self, tokens: Tokens, recorded: Recorded | None = None
    ) -> Float[Tensor, "batch few dim"]:
        """Give as few tokens as this head needs to see the same: what is kept of many crops.

        Where that takes all of them, those of padding are zero; `flatten` does not tell them apart.
        """
        if self.pool in ("max", "mean"):
            return pool(tokens, self.pool, recorded)[:, None]
        if self.pool == "max_mean":  # two tokens of the same maximum and mean
            highest, mean = pool(tokens, "max_mean", recorded).chunk(2, dim=1)
            return torch.stack([highest, 2 * mean - highest], dim=1)
        if recorded is None or self.pool == "flatten":
            return tokens
        return tokens.masked_fill(~recorded[..., None], 0.0)

    def forward(
        self, tokens: Tokens, recorded: Recorded | None = None
    ) -> Float[Tensor, "batch label"]:
        """Return one logit a label; tokens of padding are not pooled, but by `flatten`."""
        if self.tokens not in (0, tokens.shape[1]):
            raise ValueError(
                f"a flattened head of {self.tokens} tokens was given {tokens.shape[1]}; crops must "
                "be as long as in training (`crop` in `fit`, `tokens` in `head`)"
            )
        if self.attend is not None:
            return self.layers(self.attend(tokens, recorded))
        return self.layers(pool(tokens, self.pool, recorded))


class Attention(nn.Module):
    """Attention of one learnt query to all tokens."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        heads = next(heads for heads in range(QUERIES, 0, -1) if dim % heads == 0)
        self.query = nn.Parameter(torch.zeros(1, 1, dim))  # at first it attends evenly
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)

    def forward(
        self, tokens: Tokens, recorded: Recorded | None = None
    ) -> Float[Tensor, "batch dim"]:
        """Pool."""
        query = self.query.expand(len(tokens), -1, -1)
        unheard = None if recorded is None else ~recorded
        told = {"key_padding_mask": unheard, "need_weights": False}
        return self.attention(query, tokens, tokens, **told)[0][:, 0]


def pool(
    tokens: Tokens, kind: str = "max_mean", recorded: Recorded | None = None
) -> Float[Tensor, "batch pooled"]:
    """Pool what was recorded over time, by parameters of none; `flatten` takes all tokens."""
    if kind == "flatten":
        return tokens.flatten(1)
    if recorded is None:
        recorded = tokens.new_ones(tokens.shape[:2], dtype=torch.bool)
    parts = [POOLS[name](tokens, recorded) for name in kind.split("_")]
    return torch.cat(parts, dim=1)


def highest(tokens: Tokens, recorded: Recorded) -> Float[Tensor, "batch dim"]:
    """Take the maximum of each feature."""
    return tokens.masked_fill(~recorded[..., None], -torch.inf).amax(dim=1)


def mean(tokens: Tokens, recorded: Recorded) -> Float[Tensor, "batch dim"]:
    """Average each feature."""
    total = tokens.masked_fill(~recorded[..., None], 0.0).sum(dim=1)
    return total / recorded.sum(dim=1, keepdim=True)


def last(tokens: Tokens, recorded: Recorded) -> Float[Tensor, "batch dim"]:
    """Take the last token."""
    place = recorded.sum(dim=1) - 1
    return tokens.take_along_dim(place[:, None, None], dim=1)[:, 0]


POOLS = {"max": highest, "mean": mean, "last": last}
