"""Examples of where a network looks, for pictures: HDF5, one row an example and attribution."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from jaxtyping import Float, Float16, Int8, Integer

from ecgpipe import hdf5

REMEDY = "remove it and explain again"


@dataclass(frozen=True)
class Examples:
    """Signals, each with the relevance of its samples to one of its labels by one attribution."""

    record: np.ndarray  # names, (example,)
    shard: Integer[np.ndarray, " example"]  # among those of the task scored on
    row: Integer[np.ndarray, " example"]  # of the shard
    label: np.ndarray  # names, (example,)
    attribution: np.ndarray  # names, (example,)
    region: Int8[np.ndarray, "example lead time"]  # codes of `regions`
    relevance: Float16[np.ndarray, "example lead time"]  # in parts of the example's largest


def gather(
    asked: pd.DataFrame,
    region: Int8[np.ndarray, "asked lead time"],
    relevance: dict[str, Float[np.ndarray, "asked lead time"]],
) -> Examples:
    """Put what each attribution says of the same signals below each other."""
    every = np.concatenate(list(relevance.values()))
    largest = np.abs(every).max(axis=(1, 2), keepdims=True, initial=np.finfo(np.float32).tiny)
    told = ("record", "shard", "row", "label")
    return Examples(
        attribution=np.repeat(np.array(list(relevance)), len(asked)),
        region=np.tile(region, (len(relevance), 1, 1)),
        relevance=(every / largest).astype(np.float16),
        **{name: np.tile(asked[name].to_numpy(), len(relevance)) for name in told},
    )


def write(path: Path, examples: Examples, attributes: dict[str, Any]) -> None:
    """Write examples, and what is told of them, beside and rename."""
    with hdf5.written(path) as file:
        file.attrs.update(attributes)
        for field in fields(examples):
            values = getattr(examples, field.name)
            text = values.dtype.kind in "OUT"
            file[field.name] = values.astype(h5py.string_dtype()) if text else values


def read(path: Path) -> Examples:
    """Read examples."""
    with hdf5.opened(path, REMEDY) as file:
        stored = {field.name: file[field.name] for field in fields(Examples)}
        return Examples(
            **{
                name: each.asstr()[()] if each.dtype.kind == "O" else each[()]
                for name, each in stored.items()
            }
        )
