"""Recurrent networks over samples: GRU, LSTM and BiLSTM (for ECG: Nguyen & Do 2024).

A token is what the network remembers at its sample: of the past alone, or in both directions of
all samples. The published heads lay all tokens side by side in front of one linear layer, which
holds over nine tenths of the weights and stays behind at transfer. Pooled heads (`max_mean`, or
`max_mean_last` for one direction) treat these networks as they do others.

Padding is nothing to remember: it follows what one direction remembers, and no head pools it; the
other direction begins where the recording ends.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ecgpipe import model, padding
from ecgpipe.backbones._encoder import Encoder

CELLS: dict[str, type[nn.GRU] | type[nn.LSTM]] = {"gru": nn.GRU, "lstm": nn.LSTM}


@dataclass(frozen=True)
class Config:
    """The published GRU, which sees every sample; `cell` and `bidirectional` give the other two.

    A stride above 1 puts a convolution in front. Recurrence goes from token to token, so fewer
    take less time (`benchmarks/recurrent.py`).
    """

    cell: str = "gru"  # or `lstm`
    bidirectional: bool = False  # each token also sees what follows; true makes it not causal
    layers: int = 1
    hidden: int = 100  # of a cell, in each direction
    stride: int = 1  # samples from one token to the next

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise ValueError(f"rnn: cell {self.cell!r}; allowed: {', '.join(CELLS)}")
        if min(self.layers, self.hidden, self.stride) < 1:
            raise ValueError(
                f"rnn: layers {self.layers}, hidden {self.hidden} and stride {self.stride} "
                "must be positive"
            )


class Backbone(model.Backbone):
    """Samples, or tokens of a convolution, through recurrent layers."""

    def __init__(self, config: Config, leads: int) -> None:
        super().__init__()
        hidden, stride = config.hidden, config.stride
        self.causal = not config.bidirectional
        self.dim = hidden * (2 if config.bidirectional else 1)
        self.width = leads if stride == 1 else hidden
        # reaches as far to either side as the next token
        kernel = 2 * stride + 1
        self.encoder = Encoder(leads, hidden, (kernel,), (stride,)) if stride > 1 else None
        # the framework's own layers: one call for all of the time (oneDNN, cuDNN)
        self.recurrent = CELLS[config.cell](
            self.width,
            hidden,
            config.layers,
            batch_first=True,
            bidirectional=config.bidirectional,
        )

    def stem(self, signal: Float[Tensor, "batch lead time"]) -> Float[Tensor, "batch token width"]:
        """Take samples as tokens, or convolve, without memory; tokens of padding are zero."""
        if self.encoder is None:
            return signal.mT
        tokens = self.encoder(signal)
        return tokens * self.recorded(signal, tokens.shape[1])[..., None]

    def trunk(
        self, stemmed: Float[Tensor, "batch token width"]
    ) -> Float[Tensor, "batch token dim"]:
        """Remember the past and, in both directions, what is to come."""
        time = stemmed.shape[1]
        # the host must know lengths to pack; a silent token behind an encoder is one of padding
        lengths = None if self.causal else padding.recorded(stemmed.mT).cpu()
        if lengths is None or bool((lengths == time).all()):
            return self.recurrent(stemmed)[0]
        packed = pack_padded_sequence(stemmed, lengths, batch_first=True, enforce_sorted=False)
        remembered = self.recurrent(packed)[0]
        return pad_packed_sequence(remembered, batch_first=True, total_length=time)[0]
