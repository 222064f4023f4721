"""Records and the shards they are kept in: contiguous int16 microvolts in HDF5, one row a signal."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Int16


@dataclass(frozen=True)
class Wave:
    """One wave with its true or annotated boundaries, in seconds from the start of the recording."""

    kind: str  # P, QRS or T
    onset: float
    peak: float
    offset: float
    lead: str | None = None  # None: true of every lead


@dataclass(frozen=True)
class Record:
    """One recording of one patient, with its labels; what is unknown is left empty."""

    id: str  # unique within its dataset
    patient: str
    path: Path  # of the recording's header, below the dataset's folder
    statements: dict[str, float] = field(
        default_factory=dict
    )  # code: likelihood as the source gives it
    age: float | None = None  # years
    sex: str | None = None  # female, male
    fold: int | None = None  # the publisher's
    site: str | None = None
    device: str | None = None
    aliases: tuple[str, ...] = ()  # `dataset:id` of the same recording in another release
    waves: tuple[Wave, ...] = ()


@dataclass(frozen=True)
class Signal:
    """One recording as read: millivolts, leads by their standard names."""

    fs: float  # Hz
    leads: tuple[str, ...]
    millivolts: Float[np.ndarray, "lead time"]


def write_shard(path: Path, rows: Iterable[dict[str, Any]], attributes: dict[str, Any]) -> None:
    """Write prepared rows beside and rename."""
    raise NotImplementedError


def read_table(paths: list[Path]) -> pd.DataFrame:
    """One line a row of the shards, without the signals."""
    raise NotImplementedError


def read_signals(path: Path) -> Int16[np.ndarray, "record lead time"]:
    """Map a shard's signals into memory: int16 microvolts."""
    raise NotImplementedError
