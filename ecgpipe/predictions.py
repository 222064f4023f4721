"""Predictions: what a model said of every record, one HDF5 group a condition.

The group `clean` has the records of valid and test, the others those of test.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Bool, Float, Float16

from ecgpipe import hdf5

REMEDY = "remove it and predict again"
EMBEDDING = "clean/embedding"


@dataclass(frozen=True)
class Predictions:
    """One row a record (or window); `part` is `valid` or `test`."""

    labels: tuple[str, ...]
    record: np.ndarray  # names, (row,)
    patient: np.ndarray  # `dataset:patient`, (row,)
    start: Float[np.ndarray, " row"]  # seconds into the recording
    part: np.ndarray  # `valid` or `test`, (row,)
    target: Bool[np.ndarray, "row label"]
    probability: Float[np.ndarray, "row label"]

    def of(self, part: str) -> "Predictions":
        """Take the rows of one part."""
        rows = self.part == part
        taken = {
            field.name: getattr(self, field.name)[rows]
            for field in fields(self)
            if field.name != "labels"
        }
        return Predictions(labels=self.labels, **taken)


def write(
    path: Path,
    conditions: dict[str, Predictions],
    attributes: dict[str, str],
    embedding: Float[np.ndarray, "test pooled"] | None = None,
) -> None:
    """Write every condition's predictions beside and rename.

    An embedding is kept in half precision: 2 bytes a number, so 2 MB for 2,000 records of 512.
    """
    with hdf5.written(path) as file:
        file.attrs.update(attributes)
        for condition, predictions in conditions.items():
            group = file.create_group(condition)
            group.attrs["labels"] = list(predictions.labels)
            for field in fields(predictions):
                if field.name == "labels":
                    continue
                values = getattr(predictions, field.name)
                group[field.name] = (
                    values.astype(h5py.string_dtype()) if values.dtype.kind in "OUT" else values
                )
        if embedding is not None:
            highest = float(np.finfo(np.float16).max)
            file[EMBEDDING] = embedding.clip(-highest, highest).astype(np.float16)


def read(path: Path, condition: str = "clean") -> Predictions:
    """Read one condition's predictions."""
    with hdf5.opened(path, REMEDY) as file:
        if condition not in file:
            raise KeyError(f"{path}: no condition {condition!r}; there are: {', '.join(file)}")
        group = file[condition]
        columns = {
            field.name: group[field.name].asstr()[()]
            if group[field.name].dtype.kind == "O"
            else group[field.name][()]
            for field in fields(Predictions)
            if field.name != "labels"
        }
        return Predictions(labels=tuple(group.attrs["labels"]), **columns)


def read_embedding(path: Path) -> Float16[np.ndarray, "test pooled"] | None:
    """Read what a frozen encoder makes of the test records, row by row as `of("test")`, if kept."""
    with hdf5.opened(path, REMEDY) as file:
        return file[EMBEDDING][()] if EMBEDDING in file else None


def conditions(path: Path) -> list[str]:
    """Name the conditions that were predicted."""
    with hdf5.opened(path, REMEDY) as file:
        return list(file)


def attributes(path: Path) -> dict[str, str]:
    """Read what the writer said of these predictions: revision, commit, hashes."""
    with hdf5.opened(path, REMEDY) as file:
        return dict(file.attrs)
