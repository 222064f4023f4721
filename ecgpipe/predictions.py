"""Predictions: what a model said of every record, one HDF5 group a condition.

The group `clean` has the records of valid and test, the others those of test. What models that were
adapted to each patient said lies within it, by draw and shots, as rows of `clean`: so before and
after are compared on the same windows.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Bool, Float, Float16, Int

from ecgpipe import hdf5, provenance, records

REMEDY = "remove it and predict again"
EMBEDDING = "clean/embedding"
ADAPTED = "clean/adapted"
ROUNDING = 1e-5  # of a probability


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
        return self.take(self.part == part)

    def take(self, rows: Bool[np.ndarray, " row"] | Int[np.ndarray, " taken"]) -> "Predictions":
        """Take some rows."""
        taken = {
            field.name: getattr(self, field.name)[rows]
            for field in fields(self)
            if field.name != "labels"
        }
        return Predictions(labels=self.labels, **taken)


@dataclass(frozen=True)
class Adapted:
    """What models adapted to each patient, from one draw of windows, say of the patient's rest."""

    draw: str  # `chronological`, `random-0`, ...
    rank: Int[np.ndarray, " row"]  # of `clean`: place among a patient's labeled of a class, or -1
    row: Int[np.ndarray, " scored"]  # of `clean`, the same whatever the shots
    probability: dict[int, Float[np.ndarray, "scored label"]]  # by shots, fewest first

    def before(self, clean: Predictions) -> Predictions:
        """Take what the model said of these windows before it was adapted."""
        return clean.take(self.row)

    def after(self, clean: Predictions, shots: int) -> Predictions:
        """Take what the adapted models say of them."""
        return replace(self.before(clean), probability=self.probability[shots])

    def differs(self, clean: Predictions) -> bool:
        """Tell if any model says something else than before, beyond rounding."""
        before = self.before(clean).probability
        return any(np.abs(after - before).max() > ROUNDING for after in self.probability.values())


def origin(
    metadata: dict[str, Any], revision: dict[str, int], shards: list[Path]
) -> dict[str, str]:
    """State what shaped predictions: stages and datasets of the checkpoint and of its use."""
    datasets = metadata["datasets"] | records.read_sources(shards)
    return {
        "revision": json.dumps(metadata["revision"] | revision, sort_keys=True),
        "commit": provenance.commit(),
        "datasets": json.dumps(datasets, sort_keys=True),
    }


def write(
    path: Path,
    conditions: dict[str, Predictions],
    attributes: dict[str, str],
    embedding: Float[np.ndarray, "test pooled"] | None = None,
    adapted: Sequence[Adapted] = (),
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
        for drawn in adapted:
            group = file.create_group(f"{ADAPTED}/{drawn.draw}")
            group["rank"], group["row"] = drawn.rank.astype(np.int32), drawn.row.astype(np.int32)
            for shots, probability in drawn.probability.items():
                group[str(shots)] = probability.astype(np.float32)


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


def read_adapted(path: Path) -> list[Adapted]:
    """Read what models adapted to each patient said, one entry a draw; none if there are none."""
    with hdf5.opened(path, REMEDY) as file:
        if ADAPTED not in file:
            return []
        found = []
        for name, group in file[ADAPTED].items():
            shots = sorted(int(key) for key in group if key.isdigit())
            probability = {number: group[str(number)][()] for number in shots}
            found.append(Adapted(name, group["rank"][()], group["row"][()], probability))
        return found


def conditions(path: Path) -> list[str]:
    """Name the conditions that were predicted."""
    with hdf5.opened(path, REMEDY) as file:
        return list(file)


def attributes(path: Path) -> dict[str, str]:
    """Read what the writer said of these predictions: revision, commit, hashes."""
    with hdf5.opened(path, REMEDY) as file:
        return dict(file.attrs)
