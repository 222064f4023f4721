"""The network of contrastive predictive coding for ECG (Mehari & Strodthoff 2022).

The stem encodes samples, the trunk sums up the past: a token has seen nothing of later ones but
what the stem's kernels reach.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from ecgpipe import model
from ecgpipe.backbones._encoder import Encoder


@dataclass(frozen=True)
class Config:
    """Four layers on single samples and two LSTMs ("4FC+2LSTM").

    The published alternative with strides has kernels 10, 4, 4, 4 and strides 2, 2, 2, 2.
    """

    width: int = 512
    kernels: tuple[int, ...] = (1, 1, 1, 1)  # samples, one a layer
    strides: tuple[int, ...] = (1, 1, 1, 1)
    hidden: int = 512  # of an LSTM
    recurrent: int = 2  # LSTMs

    def __post_init__(self) -> None:
        if min(self.width, self.hidden, self.recurrent) < 1:
            raise ValueError(
                f"cpc_lstm: width {self.width}, hidden {self.hidden} and recurrent "
                f"{self.recurrent} must be positive"
            )


class Backbone(model.Backbone):
    """An encoder of samples, then LSTMs."""

    causal = True

    def __init__(self, config: Config, leads: int) -> None:
        super().__init__()
        self.dim, self.width = config.hidden, config.width
        self.encoder = Encoder(leads, config.width, config.kernels, config.strides)
        self.context = nn.LSTM(config.width, config.hidden, config.recurrent, batch_first=True)

    def stem(self, signal: Float[Tensor, "batch lead time"]) -> Float[Tensor, "batch token width"]:
        """Encode, without memory."""
        return self.encoder(signal)

    def trunk(
        self, stemmed: Float[Tensor, "batch token width"]
    ) -> Float[Tensor, "batch token dim"]:
        """Sum up the past."""
        return self.context(stemmed)[0]
