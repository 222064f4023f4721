"""Records resident on the device as int16 microvolts; crops by index, without workers."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Float64, Int, Int16
from torch import Generator, Tensor

from ecgpipe import labels, parallel, records, settings
from ecgpipe.batches import Montage
from ecgpipe.splits import read_split, with_parts

MILLIVOLTS = 1e-3  # a shard counts microvolts


@dataclass(frozen=True)
class Cohort:
    """Signals and targets of some rows of the shards; `table` says whose they are."""

    table: pd.DataFrame
    signal: Int16[Tensor, "record lead time"]
    target: Float[Tensor, "record label"]
    patient: Int[Tensor, " record"]
    montage: Montage

    def __len__(self) -> int:
        return len(self.signal)

    def of(self, rows: Bool[np.ndarray, " record"]) -> "Cohort":
        """Take some of the records."""
        if rows.all():
            return self
        index = torch.from_numpy(np.flatnonzero(rows)).to(self.signal.device)
        return Cohort(
            table=self.table[rows].reset_index(drop=True),
            signal=self.signal[index],
            target=self.target[index],
            patient=self.patient[index],
            montage=self.montage,
        )

    def shuffled(self, seed: int) -> "Cohort":
        """Give each record the labels of some other, drawn once: there is nothing to learn."""
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self), generator=generator).to(self.target.device)
        return replace(self, target=self.target[order])

    @cached_property
    def recorded(self) -> Int[Tensor, " record"]:
        """Samples of each signal that were recorded; what follows is padding."""
        samples = self.table["samples"].to_numpy(np.int64)
        return torch.from_numpy(samples).to(self.signal.device)

    def samples(self, seconds: float) -> int:
        """Turn seconds into samples; a crop is at most as long as a signal."""
        return min(round(seconds * self.montage.fs), self.signal.shape[-1])

    def random_crops(
        self, index: Int[Tensor, " batch"], length: int, generator: Generator
    ) -> Float[Tensor, "share lead length"]:
        """Cut a crop at random out of what was recorded of each signal, in millivolts.

        Signals are those of this process's share, but places are drawn for the whole batch, so they
        do not depend on how many share it. A signal shorter than a crop comes with its padding.
        """
        places, device = self.signal.shape[-1] - length + 1, self.signal.device
        start = torch.randint(0, places, (len(index), 1, 1), generator=generator, device=device)
        index, start = parallel.share(index), parallel.share(start)
        # places of the whole length, drawn in together: even to within one sample
        own = (self.recorded[index] - length).clamp(min=0) + 1
        start = start * own[:, None, None] // places
        lead = torch.arange(self.signal.shape[1], device=device)[:, None]
        time = start + torch.arange(length, device=device)
        return self.signal[index[:, None, None], lead, time].float() * MILLIVOLTS

    def beginnings(
        self, index: Int[Tensor, " batch"], length: int
    ) -> Float[Tensor, "batch lead length"]:
        """Cut the first crop of each signal, in millivolts."""
        return self.signal[index, :, :length].float() * MILLIVOLTS

    def crops(self, length: int, stride: int) -> Int[np.ndarray, " record"]:
        """Count the crops that `tiles` cuts out of each signal."""
        return _crops(self._last(length), stride)

    def tiles(self, some: slice, length: int, stride: int) -> Float[Tensor, "crop lead length"]:
        """Cut crops at multiples of the stride, in millivolts, signal after signal.

        The last of a signal ends with what was recorded; a signal shorter than a crop is one, with
        its padding.
        """
        which, start = self.places(some, length, stride)
        return self.signal[some].unfold(-1, length, 1)[which, :, start].float() * MILLIVOLTS

    def places(self, some: slice, length: int, stride: int) -> Int[Tensor, "2 crop"]:
        """Say which signal of some each tile is cut from, and at which sample it begins."""
        last = self._last(length)[some]
        crops = _crops(last, stride)
        signal = np.repeat(np.arange(len(crops)), crops)
        number = np.arange(len(signal)) - np.repeat(np.cumsum(crops) - crops, crops)
        places = np.stack([signal, np.minimum(number * stride, last[signal])])
        return torch.from_numpy(places).to(self.signal.device)

    def _last(self, length: int) -> Int[np.ndarray, " record"]:
        """Say where the last crop of each signal starts."""
        return np.maximum(self.table["samples"].to_numpy(np.int64) - length, 0)


def _crops(last: Int[np.ndarray, " record"], stride: int) -> Int[np.ndarray, " record"]:
    """Count crops at multiples of the stride, and the last one."""
    return 1 + -(-last // stride)


def mean_over_crops(
    values: Float[Tensor, "crop *value"], crops: Int[np.ndarray, " record"]
) -> Float[Tensor, "record *value"]:
    """Average what there is of each record's crops, one record's after the other's."""
    there = np.arange(crops.max()) < crops[:, None]
    place = torch.from_numpy(np.flatnonzero(there)).to(values.device)
    whole = values.new_zeros(there.size, *values.shape[1:]).index_copy(0, place, values)
    share = torch.from_numpy(crops.max() / crops).to(values)  # 1 to the last bit, most often
    means = whole.unflatten(0, there.shape).mean(dim=1)
    return means * share.view(-1, *[1] * (means.dim() - 1))


def load(
    shards: list[Path],
    table: pd.DataFrame,
    target: Bool[np.ndarray, "record label"] | None,
    device: torch.device,
) -> Cohort:
    """Read the table's rows from their shards to the device, shard by shard."""
    attributes = [records.read_attributes(path) for path in shards]
    kinds = {(a["fs"], tuple(a["leads"])) for a in attributes}
    if len(kinds) != 1:
        raise ValueError(f"shards of one cohort must agree in fs and leads, got {sorted(kinds)}")
    shape = records.read_signals(shards[0]).shape[1:]
    signal = np.empty((len(table), *shape), np.int16)
    for shard in np.unique(table["shard"]):
        here = (table["shard"] == shard).to_numpy()
        signal[here] = records.read_signals(shards[shard])[table.loc[here, "row"].to_numpy()]
    codes = pd.factorize(table["dataset"] + ":" + table["patient"])[0]
    empty = np.zeros((len(table), 0), bool)
    return Cohort(
        table=table.reset_index(drop=True),
        signal=torch.from_numpy(signal).to(device),
        target=torch.from_numpy(empty if target is None else target).float().to(device),
        patient=torch.from_numpy(codes).to(device),
        montage=Montage(attributes[0]["fs"], attributes[0]["leads"]),
    )


@dataclass(frozen=True)
class TaskRows:
    """The rows of the shards that a task asks of, what it asks, and the part each row is in."""

    task: settings.Task
    shards: list[Path]
    table: pd.DataFrame
    labels: tuple[str, ...]
    target: Bool[np.ndarray, "record label"]
    part: np.ndarray  # train, valid or test, (record,)

    def load(self, rows: Bool[np.ndarray, " record"], device: torch.device, what: str) -> Cohort:
        """Bring some of the rows to the device; `what` names them should there be none."""
        if not rows.any():
            raise ValueError(
                f"no {what} record of {', '.join(self.task.datasets)} (of {len(rows)} that the "
                f"task takes: `where` {self.task.where}); look at the task, its split and draw"
            )
        return load(self.shards, self.table[rows], self.target[rows], device)


def read_task(task: settings.Task, shards: list[Path], splits: list[Path]) -> TaskRows:
    """Read what a task needs to know of the shards; `splits` are in the order of its datasets."""
    table = labels.without(labels.select(records.read_table(shards), task), task)
    names, target = labels.targets(table, task)
    part = read_parts(table, dict(zip(task.datasets, splits, strict=True)))
    spared = (part == "valid") & ~records.hashed_below(table["patient"], task.valid)
    return TaskRows(task, shards, table, names, target, np.where(spared, "spared", part))


def read_rows(
    datasets: tuple[str, ...],
    where: dict[str, tuple[Any, ...]],
    shards: list[Path],
    splits: list[Path],
) -> TaskRows:
    """Read the rows of some datasets whose columns have allowed values, without labels."""
    task = settings.Task(datasets, "none", labels=(), where=where, keep_unlabeled=True)
    table = labels.select(records.read_table(shards), task)
    part = read_parts(table, dict(zip(datasets, splits, strict=True)))
    return TaskRows(task, shards, table, (), np.zeros((len(table), 0), bool), part)


def read_parts(table: pd.DataFrame, splits: dict[str, Path]) -> np.ndarray:
    """Name the part (train, valid, test) of every row, from the split file of its dataset."""
    return with_parts(table[["dataset", "patient"]], read_split(splits))["part"].to_numpy(str)


def are_listed(table: pd.DataFrame, draw: Path) -> Bool[np.ndarray, " record"]:
    """Tell which rows a draw made labeled."""
    drawn = pd.read_csv(draw, dtype=str, keep_default_na=False)  # a record may be called NA
    listed = pd.MultiIndex.from_frame(drawn[["dataset", "record"]])
    return pd.MultiIndex.from_frame(table[["dataset", "record"]]).isin(listed)


@dataclass
class Sampler:
    """Endless batches of indices: permutation after permutation, each a function of seed and epoch.

    Nothing has to be remembered to go on after an interruption: the batch of a step follows from
    the step alone.
    """

    count: int
    batch: int
    seed: int
    _epochs: dict[int, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.count:
            raise ValueError("there are no records to draw batches from")

    def permutation(self, epoch: int) -> Int[Tensor, " record"]:
        """Shuffle all records for one epoch."""
        if epoch not in self._epochs:
            self._epochs = {k: v for k, v in self._epochs.items() if k == epoch - 1}
            generator = torch.Generator().manual_seed(derive(self.seed, epoch))
            self._epochs[epoch] = torch.randperm(self.count, generator=generator)
        return self._epochs[epoch]

    def indices(self, step: int) -> Int[Tensor, " batch"]:
        """Return the records of one step."""
        position, end = step * self.batch, (step + 1) * self.batch
        pieces = []
        while position < end:
            epoch, offset = divmod(position, self.count)
            take = min(end - position, self.count - offset)
            pieces.append(self.permutation(epoch)[offset : offset + take])
            position += take
        return torch.cat(pieces)


@dataclass(frozen=True)
class WeightedSampler:
    """Endless batches of indices, each index drawn anew in proportion to its weight.

    Here, too, the batch of a step follows from the step alone.
    """

    weight: Float64[Tensor, " record"]
    batch: int
    seed: int

    def indices(self, step: int) -> Int[Tensor, " batch"]:
        """Return the records of one step; one may come twice."""
        generator = torch.Generator().manual_seed(derive(self.seed, step))
        return self.weight.multinomial(self.batch, replacement=True, generator=generator)


def derive(*numbers: int) -> int:
    """Make one seed of several numbers, so that no two streams of randomness are alike."""
    return int(
        np.random.SeedSequence((len(numbers), *numbers)).generate_state(1, np.uint64)[0] >> 1
    )
