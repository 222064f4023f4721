"""Where in a signal the samples of a view are read, each record its own draw.

A place is a sample's number, with fractions: 1.5 is midway between the second sample and the third.
"""

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn.functional import pad

Places = Float[Tensor, "batch time"]


def read(
    signal: Float[Tensor, "batch lead time"], places: Places
) -> Float[Tensor, "batch lead time"]:
    """Read all leads at the same places, linearly between samples; exact where a place is one."""
    left = places.long().clamp(max=signal.shape[-1] - 2)
    index = left[:, None].expand(signal.shape)
    share = (places - left).to(signal.dtype)[:, None]
    before, after = signal[..., :-1].gather(-1, index), signal[..., 1:].gather(-1, index)
    return before.lerp_(after, share)


def stretch(batch: int, samples: int, low: float, high: float, generator: Generator) -> Places:
    """Spread a crop of a random share of the samples evenly over all of them."""
    start, length = crop(batch, samples, low, high, generator)
    return start + (length - 1) * torch.linspace(0, 1, samples, device=generator.device)


def scatter(batch: int, samples: int, low: float, high: float, generator: Generator) -> Places:
    """Put the samples of a crop at random places, in order; the ends of the crop at the ends.

    Which places the samples between get is any choice without repetition, equally likely; the
    places left over are read between their neighbours. So time is stretched here and there, by
    random factors (`RandomResizedCrop` of Mehari & Strodthoff 2022).
    """
    start, length = crop(batch, samples, low, high, generator)
    device, between = generator.device, samples - 2
    key = torch.rand((batch, between), generator=generator, device=device)
    # Taken are the `length - 2` smallest keys: those below the next one, which fillers bring to the
    # same rank in every row. Selecting takes half the time of sorting. Where two keys tie for the
    # last place, in one row of 10,000, neither is taken, and the crop is shorter by a sample.
    filler = torch.where(torch.arange(between, device=device) < samples - length, -1.0, 2.0)
    next_ = torch.cat([key, filler], dim=1).kthvalue(between + 1, keepdim=True).values
    taken = pad(key < next_, (1, 1), value=True)
    number = taken.cumsum(dim=1) - 1  # of the crop's sample here or before
    one = torch.ones(number.shape, device=device)
    gap = torch.zeros_like(one).scatter_add_(1, number, one)  # from this sample to the next
    begun = gap.cumsum(dim=1) - gap
    time = torch.arange(samples, device=device)
    return start + number + (time - begun.gather(1, number)) / gap.gather(1, number)


def walk(batch: int, samples: int, least: float, generator: Generator) -> Places:
    """Read at a speed that walks at random, from the first sample to the last.

    The speed is a walk of steps of standard deviation 1, raised until it is `least` at its slowest.
    """
    steps = torch.randn((batch, samples - 1), generator=generator, device=generator.device)
    speed = steps.cumsum(dim=1)
    passed = (speed - speed.amin(dim=1, keepdim=True) + least).cumsum(dim=1)
    return pad(passed / passed[:, -1:], (1, 0)) * (samples - 1)


def crop(
    batch: int, samples: int, low: float, high: float, generator: Generator
) -> tuple[Float[Tensor, "batch 1"], Float[Tensor, "batch 1"]]:
    """Draw first samples and lengths of crops, shares of the samples between `low` and `high`."""
    if not 0 < low <= high <= 1:
        raise ValueError(f"a share between {low} and {high}: expected 0 < low <= high <= 1")
    share, place = torch.rand((2, batch, 1), generator=generator, device=generator.device)
    length = ((low + (high - low) * share) * samples).floor().clamp(min=2)
    return (place * (samples - length + 1)).floor(), length
