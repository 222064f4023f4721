"""What is annotated along a long recording: spans of rhythm, and beats one by one."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

ROUNDING = 1e-6  # seconds


@dataclass(frozen=True)
class Span:
    """A stretch of a recording that a code is true of, in seconds into the recording."""

    code: str  # as the source writes it, such as `(VT`, or of the dataset's file: cudb's `(ONSET`
    onset: float
    offset: float


@dataclass(frozen=True, eq=False)
class Beats:
    """Beats in the order of their times."""

    time: Float[np.ndarray, " beat"]  # of the annotated point, seconds into the recording
    symbol: np.ndarray  # as the source writes it, such as `V`, (beat,)


NO_BEATS = Beats(np.empty(0), np.empty(0, "U1"))
Seconds = Float[np.ndarray, " window"]  # into the recording, of its start, or that it lasts


def shares(spans: Iterable[Span], starts: Seconds, seconds: Seconds) -> list[dict[str, float]]:
    """Give, for each window, the share of it that each code covers; codes of no share are left out.

    Spans of one code do not overlap each other.
    """
    found: list[dict[str, float]] = [{} for _ in starts]
    for span in spans:
        inside = np.minimum(span.offset, starts + seconds) - np.maximum(span.onset, starts)
        for window in np.flatnonzero(inside > 0):
            share = found[window].get(span.code, 0.0) + inside[window] / seconds[window]
            found[window][span.code] = round(min(share, 1.0), 4)
    return found


def counts(beats: Beats, starts: Seconds, seconds: Seconds) -> list[dict[str, int]]:
    """Give, for each window, how many beats of each symbol fall into it.

    A beat between two windows, give or take a rounding of their times, is of the later one.
    """
    found: list[dict[str, int]] = [{} for _ in starts]
    begin, end = starts - ROUNDING, starts + seconds - ROUNDING
    for symbol in np.unique(beats.symbol):
        time = beats.time[beats.symbol == symbol]
        number = np.searchsorted(time, end) - np.searchsorted(time, begin)
        for window in np.flatnonzero(number):
            found[window][str(symbol)] = int(number[window])
    return found
