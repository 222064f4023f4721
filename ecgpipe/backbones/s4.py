"""Structured state spaces, S4 (Gu et al. 2022; for ECG: Mehari & Strodthoff 2023).

Each channel is filtered by `x' = A x + B u`, `y = C x + D u`, with A and B of HiPPO-LegS and a step
of its own. The published A is a rotation less a damping, `R - I/2 - P P^T`, which is stable
whatever R and P are. All of it is real, so real numbers do: the response C A^l B follows from
powers of A by doubling, at any length, and no buffer depends on the length of training signals.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, glu

from ecgpipe import model
from ecgpipe.backbones._encoder import Encoder

LEARNABLE = ("A", "B", "step")


@dataclass(frozen=True)
class Config:
    """The published classifier, but that its steps are learnt too; `learn: []` holds them."""

    width: int = 512
    depth: int = 4  # blocks
    state: int = 8  # numbers that a channel remembers
    bidirectional: bool = True  # each token also sees what follows; false makes the trunk causal
    learn: tuple[str, ...] = ("step",)  # of A, B, step; C and D always are
    dropout: float = 0.2  # of whole channels
    kernels: tuple[int, ...] = ()  # of an encoder in front, as of `cpc_lstm`; published for CPC
    strides: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.learn) - set(LEARNABLE)):
            raise ValueError(f"s4: learn {', '.join(unknown)}; allowed: {', '.join(LEARNABLE)}")
        if min(self.width, self.depth, self.state) < 1 or not 0 <= self.dropout < 1:
            raise ValueError(
                f"s4: width {self.width}, depth {self.depth} and state {self.state} must be "
                f"positive, dropout {self.dropout} a share below 1"
            )


class StateSpace(nn.Module):
    """One linear filter a channel, or one each way."""

    R: Float[Tensor, "state state"]
    P: Float[Tensor, " state"]
    B: Float[Tensor, " state"]
    step: Float[Tensor, " width"]

    def __init__(self, config: Config) -> None:
        super().__init__()
        width, state = config.width, config.state
        root = (2 * torch.arange(state) + 1.0).sqrt()
        low, high = math.log(1e-3), math.log(1e-1)
        self.hold("R", (-torch.outer(root, root) / 2).tril(-1), "A" in config.learn)
        self.hold("P", root / math.sqrt(2), "A" in config.learn)
        self.hold("B", root, "B" in config.learn)
        # logarithm of how long a sample is in the filter's own time
        self.hold("step", low + (high - low) * torch.rand(width), "step" in config.learn)
        # published: complex, in the coordinates of R's eigenvectors; as a draw it is the same
        self.C = nn.Parameter(torch.randn(width, state, 2 if config.bidirectional else 1))
        self.D = nn.Parameter(torch.randn(width))

    def hold(self, name: str, values: Tensor, learnt: bool) -> None:
        """Keep values as a parameter or, where they stay as they are, as a buffer."""
        if learnt:
            self.register_parameter(name, nn.Parameter(values))
        else:
            self.register_buffer(name, values)

    def discretise(
        self,
    ) -> tuple[Float[Tensor, "width state state"], Float[Tensor, "width state 1"]]:
        """Turn A and B into what one step does to the state (bilinear rule)."""
        one = torch.eye(len(self.B), dtype=self.B.dtype, device=self.B.device)
        rate = self.R - self.R.T - one / 2 - torch.outer(self.P, self.P)
        step = self.step.exp()[:, None, None]
        moved = torch.cat([one + step / 2 * rate, step * self.B[:, None]], dim=2)
        solved = torch.linalg.solve(one - step / 2 * rate, moved)
        return solved[..., :-1], solved[..., -1:]

    def response(self, length: int) -> Float[Tensor, "width length direction"]:
        """Return what follows an impulse: C A^l B, each doubling one product."""
        power, after = self.discretise()
        states = after.mT
        while (found := states.shape[1]) < length:
            states = torch.cat([states, states[:, : length - found] @ power.mT], dim=1)
            power = power @ power
        return states @ self.C

    def forward(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        """Filter every channel, in float32 whatever the precision around it."""
        length = tokens.shape[1]
        with torch.autocast(tokens.device.type, enabled=False):
            past, *future = self.response(length).unbind(2)
            # twice the length, so that nothing wraps around; what is last comes before the first
            kernel = torch.cat([past, *(each.flip(1) for each in future)], dim=1)
            signal = tokens.to(kernel.dtype)
            spectrum = torch.fft.rfft(signal, 2 * length, dim=1)
            spectrum = spectrum * torch.fft.rfft(kernel, 2 * length, dim=1).T
            return torch.fft.irfft(spectrum, 2 * length, dim=1)[:, :length] + self.D * signal


class Block(nn.Module):
    """A filter, a gate, and a norm over their sum with what came in."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.filter = StateSpace(config)
        self.dropout = nn.Dropout(config.dropout)
        self.mix = nn.Linear(config.width, 2 * config.width)
        self.norm = nn.LayerNorm(config.width)

    def drop(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        """Silence whole channels of a record."""
        return tokens * self.dropout(torch.ones_like(tokens[:, :1]))

    def forward(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        """Add what was filtered, then normalise."""
        mixed = glu(self.mix(self.drop(gelu(self.filter(tokens)))), dim=-1)
        return self.norm(tokens + self.drop(mixed))


class Backbone(model.Backbone):
    """A linear layer on samples, or an encoder, then blocks that keep the length."""

    def __init__(self, config: Config, leads: int) -> None:
        super().__init__()
        width = self.dim = self.width = config.width
        self.causal = not config.bidirectional
        encoded = bool(config.kernels or config.strides)
        self.encoder = Encoder(leads, width, config.kernels, config.strides) if encoded else None
        self.enter = nn.Linear(width if encoded else leads, width)
        self.blocks = nn.Sequential(*(Block(config) for _ in range(config.depth)))

    def stem(self, signal: Float[Tensor, "batch lead time"]) -> Float[Tensor, "batch token dim"]:
        """Encode, without memory."""
        return self.enter(signal.mT) if self.encoder is None else self.encoder(signal)

    def trunk(self, stemmed: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        """Pass the blocks; behind an encoder, through a linear layer."""
        return self.blocks(stemmed if self.encoder is None else self.enter(stemmed))

    def layers(self) -> list[nn.Module]:
        """List what comes first, then the blocks."""
        first = [self.enter] if self.encoder is None else [self.encoder, self.enter]
        return [*first, *self.blocks]
