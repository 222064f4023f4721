"""Patients as tasks: an episode is some windows to adapt to and others to judge the adapted by.

A window's class is the rarest label it carries, or none of them. An episode has as many windows of
each class, as far as the patient has them. Everything is drawn on the device, a batch at once.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Generator, Tensor

from ecgpipe import parallel
from ecgpipe.cohort import Cohort

Slots = Bool[Tensor, "task class slot"]

FAR = 1e6  # seconds between two records of a patient: no gap is as long


@dataclass(frozen=True)
class Windows:
    """Windows of several tasks, class by class; one of weight 0 only fills its task up."""

    signal: Float[Tensor, "task window *of_one"]
    target: Float[Tensor, "task window label"]
    weight: Float[Tensor, "task window"]


@dataclass(frozen=True)
class Episodes:
    """What meta-learning sees in one step: a batch of tasks."""

    support: Windows
    query: Windows
    classes: int
    generator: Generator  # the step's own: batches of the inner loop are drawn from it
    told: dict[str, Tensor] = field(default_factory=dict)  # of the tasks, for the history


@dataclass(frozen=True)
class Draw:
    """How many windows an episode has, and in which order."""

    shots: int = 10  # windows of each class in the support
    query: int = 10
    order: str = "random"  # or `chronological`: the support comes before the query
    gap: float = 0.0  # seconds, at least, from the start of a support to that of its query

    def __post_init__(self) -> None:
        if min(self.shots, self.query) < 1 or not 0 <= self.gap < FAR:
            raise ValueError(
                f"shots {self.shots} and query {self.query} must be positive, gap {self.gap} s "
                f"between 0 and {FAR:.0f}"
            )
        if self.order not in SPLITS:
            raise ValueError(f"order: {self.order!r}; allowed: {', '.join(SPLITS)}")
        if self.gap and self.order != "chronological":
            raise ValueError(f"gap {self.gap}: only in chronological order is there a distance")


@dataclass(frozen=True)
class Patients:
    """The rows of a cohort that each patient has of each class, in the order of time."""

    code: Int[Tensor, " task"]  # the cohort's `patient`
    row: Int[Tensor, "task class slot"]  # of the cohort; any one behind the last of a class
    time: Float64[Tensor, "task class slot"]  # seconds; records of a patient lie far apart
    count: Int[Tensor, "task class"]

    def __len__(self) -> int:
        return len(self.code)

    def of(self, some: Int[Tensor, " some"] | Bool[Tensor, " task"]) -> "Patients":
        """Take some patients."""
        return Patients(self.code[some], self.row[some], self.time[some], self.count[some])

    def slots(self) -> Slots:
        """Tell which slots hold a row."""
        return torch.arange(self.row.shape[2], device=self.row.device) < self.count[..., None]

    def shared(self) -> Bool[Tensor, "task class"]:
        """Tell of which classes there is a window for the support and another for the query."""
        return self.count > 1


def classes(target: Float[Tensor, "row label"]) -> Int[Tensor, " row"]:
    """Class each row: 0 without a label, else 1 and the place of the rarest label it carries."""
    rarest = (target / target.sum(dim=0).clamp(min=1)).argmax(dim=1)
    return torch.where(target.any(dim=1), rarest + 1, 0)


def list_patients(cohort: Cohort, draw: Draw) -> Patients:
    """List the patients of a cohort who have windows enough for an episode."""
    table = tabulate(cohort)
    task, code = table["code"].factorize(sort=True)
    place = task, table["class"].to_numpy(), table["slot"].to_numpy()
    shape = len(code), 1 + cohort.target.shape[1], int(table["slot"].max()) + 1
    row, time = np.zeros(shape, int), np.zeros(shape)
    row[place], time[place] = table.index, table["time"]
    there = np.zeros(shape, bool)
    there[place] = True
    parts = (code.to_numpy(), row, time, there.sum(axis=2))
    listed = Patients(*(torch.from_numpy(part).to(cohort.signal.device) for part in parts))
    enough = listed.shared().any(dim=1)
    if draw.order == "chronological":
        begin, end = cuts(listed, draw.gap)
        enough &= begin < end
    return listed.of(enough)


def tabulate(cohort: Cohort) -> pd.DataFrame:
    """Say of each row whose it is, of which class, when, and its number among those, by time."""
    table = cohort.table[["record", "start"]].reset_index(drop=True)
    table["code"] = cohort.patient.cpu().numpy()
    table["class"] = classes(cohort.target).cpu().numpy()
    table["time"] = table["record"].factorize(sort=True)[0] * FAR + table["start"]
    table = table.sort_values("time")
    table["slot"] = table.groupby(["code", "class"]).cumcount()
    return table


def cuts(of: Patients, gap: float) -> tuple[Float64[Tensor, " task"], Float64[Tensor, " task"]]:
    """Return between which times every shared class has a window before, and one after a gap."""
    there = of.slots()
    first = of.time.masked_fill(~there, math.inf).amin(dim=2)
    last = of.time.masked_fill(~there, -math.inf).amax(dim=2) - gap
    begin = first.masked_fill(~of.shared(), -math.inf).amax(dim=1)
    return begin, last.masked_fill(~of.shared(), math.inf).amin(dim=1)


def split_at_random(of: Patients, draw: Draw, generator: Generator) -> tuple[Slots, Slots]:
    """Divide each class by chance, at most half of it into the support; return both parts."""
    there = of.slots()
    place = shuffle(there, generator).argsort(dim=2)
    given = ((of.count + 1) // 2).clamp(max=draw.shots)[..., None]
    return there & (place < given), there & (place >= given)


def split_by_time(of: Patients, draw: Draw, generator: Generator) -> tuple[Slots, Slots]:
    """Divide all windows at a time drawn for each patient; return those before and those after."""
    begin, end = cuts(of, draw.gap)
    share = torch.rand(len(of), generator=generator, device=end.device, dtype=end.dtype)
    cut = (begin + share * (end - begin))[:, None, None]
    return of.slots() & (of.time <= cut), of.slots() & (of.time > cut + draw.gap)


SPLITS = {"random": split_at_random, "chronological": split_by_time}


def shuffle(some: Bool[Tensor, "*shape slot"], generator: Generator) -> Int[Tensor, "*shape slot"]:
    """Put slots in a random order in which those of `some` come first."""
    key = torch.rand(some.shape, generator=generator, device=some.device)
    return key.masked_fill(~some, 2.0).argsort(dim=-1)


def even(there: Bool[Tensor, "*shape class few"]) -> Float[Tensor, "*shape window"]:
    """Weigh windows so that every class that is there counts as much as another."""
    return (there / there.sum(dim=-1, keepdim=True).clamp(min=1)).flatten(-2)


@dataclass(frozen=True)
class Pool:
    """Patients to draw episodes of, and how they are drawn."""

    cohort: Cohort
    patients: Patients
    draw: Draw
    length: int  # samples of a crop

    def sample(self, task: Int[Tensor, " task"], generator: Generator) -> Episodes:
        """Draw one episode of each patient given, of this process's share of them."""
        of = self.patients.of(task)
        given, asked = SPLITS[self.draw.order](of, self.draw, generator)
        support = self.windows(of, given, self.draw.shots, generator)
        query = self.windows(of, asked, self.draw.query, generator)
        return Episodes(support, query, of.count.shape[1], generator)

    def windows(self, of: Patients, some: Slots, few: int, generator: Generator) -> Windows:
        """Choose so many windows of each class; where a patient has fewer, others fill up."""
        slots = shuffle(some, generator)[..., :few]
        row = of.row.gather(2, slots).flatten(1)
        weight = parallel.share(even(some.gather(2, slots)))
        signal = self.cohort.random_crops(row.flatten(), self.length, generator)
        target = self.cohort.target[parallel.share(row)]
        return Windows(signal.unflatten(0, weight.shape), target, weight)
