"""The parts of a heartbeat as a code for every sample: waves, the stretches between, the padding.

A stretch between two waves has the name that electrocardiography gives it, where it is no longer
than a share of the lead's own interval between beats: a longer one hides waves that nobody marked.
What lies before the first and after the last marked wave of a lead has no name either.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, Int8, Int32

from ecgpipe.records import WAVES

REGIONS = ("P", "PR", "QRS", "ST", "T", "TP", "padding")  # a region's code is its place here
UNKNOWN = -1  # belongs to no region
PADDING = REGIONS.index("padding")

BETWEEN = {("P", "QRS"): "PR", ("QRS", "T"): "ST", ("T", "P"): "TP", ("T", "QRS"): "TP"}
# As shares of the median interval between QRS peaks. A beat missed within a stretch makes it longer
# than that interval, or, of TP, half as long again. Marked in LUDB beyond the limits are 23 TP, of
# fibrillation, no PR (0.22 at most) and no ST (0.46).
LONGEST = {"PR": 0.6, "ST": 0.5, "TP": 1.2}
LIMIT = np.array([LONGEST.get(name, 0.0) for name in REGIONS])
CODE = {name: place for place, name in enumerate(REGIONS)}
OF_WAVE = np.array([CODE[kind] for kind in WAVES], np.int8)
OF_GAP = np.array(  # by the waves before and after
    [[CODE.get(BETWEEN.get((one, next_), ""), UNKNOWN) for next_ in WAVES] for one in WAVES],
    np.int8,
)
QRS = WAVES.index("QRS")


def code(
    waves: Int32[np.ndarray, "wave 6"], samples: Int[np.ndarray, " record"], leads: int, time: int
) -> Int8[np.ndarray, "record lead time"]:
    """Give every sample the region it lies in, or UNKNOWN.

    Waves are as `records.read_waves` gives them, rows counted from 0 in the order of `samples`,
    the recorded length of each record: what lies beyond is padding. A wave holds its onset and its
    offset; where two overlap, the one that begins later has what they share, and all after.
    """
    shape = (len(samples), leads, time)
    _check(waves, shape)
    waves = of_each_lead(waves, leads)
    row, kind, lead, onset, peak, offset = waves.T.astype(np.int64)
    lane = row * leads + lead
    follows = np.append(lane[1:] == lane[:-1], False)[: len(lane)]
    until = np.where(follows, np.roll(onset, -1), time)
    end = np.minimum(offset + 1, until)
    gap = np.where(follows, OF_GAP[kind, np.roll(kind, -1)], UNKNOWN)
    limit = LIMIT[gap] * _intervals(lane[kind == QRS], peak[kind == QRS], shape[0] * leads)[lane]
    gap[~(until - end <= limit)] = UNKNOWN
    begins = np.stack([onset, end], axis=1) + lane[:, None] * time
    coded = _filled(begins.ravel(), np.stack([OF_WAVE[kind], gap], axis=1).ravel(), shape)
    coded[np.broadcast_to(_beyond(samples, time)[:, None], shape)] = PADDING
    return coded


def of_each_lead(waves: Int32[np.ndarray, "wave 6"], leads: int) -> Int32[np.ndarray, "each 6"]:
    """Repeat waves that are true of all leads (-1) for each, and sort by row, lead and onset."""
    own, common = waves[waves[:, 2] >= 0], waves[waves[:, 2] < 0]
    spread = np.repeat(common, leads, axis=0)
    spread[:, 2] = np.tile(np.arange(leads), len(common))
    every = np.concatenate([own, spread])
    row, kind, lead, onset, _, offset = every.T
    return every[np.lexsort((kind, offset, onset, lead, row))]


def _check(waves: Int32[np.ndarray, "wave 6"], shape: tuple[int, int, int]) -> None:
    """Refuse waves of other records, leads or samples than there are."""
    least, most = np.array([0, 0, -1, 0]), np.array([shape[0], len(WAVES), *shape[1:]])
    given = waves[:, :4]
    if ((given < least) | (given >= most)).any():
        raise ValueError(
            f"waves have row, kind, lead and onset up to {given.max(axis=0).tolist()}; expected "
            f"below {most.tolist()}: number the rows of the waves as the signals beside them"
        )


def _intervals(
    lane: Int[np.ndarray, " peak"], peak: Int[np.ndarray, " peak"], lanes: int
) -> Float[np.ndarray, " lane"]:
    """Give the median interval between the sorted peaks of each lane; NaN where there is none."""
    gap = np.diff(peak)[lane[1:] == lane[:-1]]
    of = lane[1:][lane[1:] == lane[:-1]]
    gap = gap[np.lexsort((gap, of))]
    count = np.bincount(of, minlength=lanes)
    first = np.cumsum(count) - count
    median = np.full(lanes, np.nan)
    some = count > 0
    lower, upper = (first + (count - 1) // 2)[some], (first + count // 2)[some]
    median[some] = (gap[lower] + gap[upper]) / 2
    return median


def _filled(
    begins: Int[np.ndarray, " piece"],
    codes: Int8[np.ndarray, " piece"],
    shape: tuple[int, int, int],
) -> Int8[np.ndarray, "record lead time"]:
    """Fill each piece from its begin to that of the next; every lead begins with UNKNOWN."""
    total = int(np.prod(shape))
    leads = np.arange(0, total, shape[2])
    begins = np.concatenate([leads, begins])
    codes = np.concatenate([np.full(len(leads), UNKNOWN, np.int8), codes])
    order = np.argsort(begins, kind="stable")
    return np.repeat(codes[order], np.diff(begins[order], append=total)).reshape(shape)


def _beyond(samples: Int[np.ndarray, " record"], time: int) -> Bool[np.ndarray, "record time"]:
    """Say which samples were not recorded."""
    return np.arange(time) >= np.asarray(samples)[:, None]
