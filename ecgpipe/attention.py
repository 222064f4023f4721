"""Where a network looks: how its relevance lies over the regions of a heartbeat.

Mass and its ratio to area are the relevance mass accuracy of Arras et al. (2022, Information Fusion
81:14-40) and its enrichment over chance; rank accuracy is theirs too; pointing is the game of Zhang
et al. (2018, IJCV 126:1084-1102). Samples of unknown region are left out of everything.
"""

import torch
from jaxtyping import Float, Int8
from torch import Tensor

from ecgpipe.regions import PADDING, REGIONS, UNKNOWN

HIDDEN = -1.0  # in place of the relevance of unknown samples: below any


def measure(
    relevance: Float[Tensor, "record lead time"], region: Int8[Tensor, "record lead time"]
) -> dict[str, Float[Tensor, "record region"]]:
    """Measure the absolute relevance in each region, as `regions.REGIONS` orders them.

    `area`: share of the samples. `mass`: share of the relevance; NaN where all is zero. `pointing`:
    whether the most relevant sample lies there. `rank_accuracy`: share of the n most relevant
    samples that lie there, n being the region's own number of samples. Equally relevant samples
    are counted as if drawn by lot, in expectation. All but the area are NaN in a region without
    samples.
    """
    code = region.flatten(1)
    known = code != UNKNOWN
    size = relevance.abs().flatten(1)
    size = size.to(torch.promote_types(size.dtype, torch.float32)).masked_fill(~known, HIDDEN)
    count = _by_region(torch.ones_like(size), code)
    mass = _by_region(size, code)
    highest = (size == size.amax(dim=1, keepdim=True)).to(size.dtype)
    there = {
        "mass": mass / mass.sum(dim=1, keepdim=True),
        "pointing": _by_region(highest, code) / highest.sum(dim=1, keepdim=True),
        "rank_accuracy": _rank_accuracy(size, code, count),
    }
    empty = count == 0
    there = {name: value.masked_fill(empty, torch.nan) for name, value in there.items()}
    return {"area": area(region, size.dtype)} | there


def area(
    region: Int8[Tensor, "record lead time"], dtype: torch.dtype = torch.float32
) -> Float[Tensor, "record region"]:
    """Share of the samples of known region that lie in each."""
    code = region.flatten(1)
    count = _by_region(torch.ones_like(code, dtype=dtype), code)
    return count / count.sum(dim=1, keepdim=True)


def shift(
    region: Int8[Tensor, "record lead time"], generator: torch.Generator
) -> Int8[Tensor, "record lead time"]:
    """Roll the regions of each record along time by an amount of its own; padding stays in place.

    All leads of a record move together, round the end of what was recorded. The generator is on
    the host, so that the same one shifts alike on every device.
    """
    records, _, time = region.shape
    drawn = torch.rand(records, 1, generator=generator, dtype=torch.float64)
    recorded = (region != PADDING).any(dim=1).sum(dim=1, keepdim=True).clamp(min=1)
    by = (drawn.to(region.device) * recorded).long()
    place = torch.arange(time, device=region.device).expand(records, time)
    source = torch.where(place < recorded, (place - by) % recorded, place)
    return region.gather(2, source[:, None].expand_as(region))


def _by_region(
    value: Float[Tensor, "record sample"], code: Int8[Tensor, "record sample"]
) -> Float[Tensor, "record region"]:
    """Sum over the samples of each region."""
    sums = [(value * (code == place)).sum(dim=1) for place in range(len(REGIONS))]
    return torch.stack(sums, dim=1)


def _rank_accuracy(
    size: Float[Tensor, "record sample"],
    code: Int8[Tensor, "record sample"],
    count: Float[Tensor, "record region"],
) -> Float[Tensor, "record region"]:
    """Share of the `count` largest samples that lie in each region; ties count by their chance."""
    ordered = size.sort(dim=1).values
    samples = size.shape[1]
    limit = ordered.gather(1, (samples - count.long()).clamp(max=samples - 1))
    lower = torch.searchsorted(ordered, limit)
    upper = torch.searchsorted(ordered, limit, right=True)
    own = limit.gather(1, code.long().clamp(min=0))
    above = _by_region((size > own).to(size.dtype), code)
    equal = _by_region((size == own).to(size.dtype), code)
    drawn = (count - (samples - upper)) / (upper - lower)
    return (above + equal * drawn) / count
