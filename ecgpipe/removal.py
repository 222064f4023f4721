"""What a network misses when a part of a signal is taken out: the drop of a logit.

What is taken out is replaced, lead by lead, by the level that the lead has there without its waves.
A straight line across the gap would not do: it would keep the level of an ST segment, which is what
is to be taken out. A single level for all of the time would not either, where the baseline wanders.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from ecgpipe.logits import logit, per_pass, settled
from ecgpipe.model import Classifier
from ecgpipe.padding import as_silent

LEVEL = 1.0  # seconds, about a beat, less than half of which is waves: their median is the baseline


def baseline(signal: Float[Tensor, "crop lead time"], fs: int) -> Float[Tensor, "crop lead time"]:
    """Follow the level of each lead: the median of each second or so, joined by lines.

    Padding stays silent, so that a signal without it ends where it ended.
    """
    time = signal.shape[-1]
    pieces = max(1, round(time / (LEVEL * fs)))
    length = time // pieces
    level = signal.unfold(-1, length, length)[:, :, :pieces].median(dim=-1).values
    return as_silent(interpolate(level, time, mode="linear"), signal)


@torch.no_grad()
def drops(
    network: Classifier,
    signal: Float[Tensor, "crop lead time"],
    label: Int[Tensor, " crop"],
    piece: Int[Tensor, "crop lead time"],
    pieces: int,
    fs: int,
) -> Float[Tensor, "crop piece"]:
    """Take each piece out of each crop, and say how far the logit of the crop's label falls.

    `piece` numbers the samples from 0 to `pieces` - 1; samples with other numbers stay.
    """
    level = baseline(signal, fs)
    crop = torch.arange(len(signal), device=signal.device).repeat_interleave(pieces)
    number = torch.arange(pieces, device=signal.device).repeat(len(signal))
    at_once = per_pass(signal.shape[-1], signal.device)
    left = []
    with settled(network):
        whole = logit(network, signal, label)
        for some, out in zip(crop.split(at_once), number.split(at_once), strict=True):
            gone = piece[some] == out[:, None, None]
            left.append(logit(network, torch.where(gone, level[some], signal[some]), label[some]))
    return whole[:, None] - torch.cat(left).view(-1, pieces)
