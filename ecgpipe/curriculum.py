"""Which tasks meta-learning sees when: from how hard each one is to the tasks of a step.

Difficulties become ranks, ranks are admitted at a pace counted in shares of the tasks, so neither
the scale of losses nor the number of tasks matters. Orders other than `easy_first` are controls.
`published` is the schedule of MetaVA (Zhang et al. 2022, arXiv:2202.12450) as released: thresholds
on a softmax of the losses, which stay below every task and then pass all within few steps.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64, Int
from torch import Generator, Tensor

ORDERS = ("none", "easy_first", "hard_first", "random", "published")
OPENED = 50  # step at which the published threshold reaches 1, however long the training
LATE = 1e9  # a start after everybody else's arrival
ALWAYS = 0.3  # share of a published batch that is always the same: the easiest with an arrhythmia

Places = Int[Tensor, " task"]


@dataclass(frozen=True)
class Curriculum:
    """In which order tasks are admitted, and how fast."""

    order: str = "none"
    first: float = 0.25  # share of the tasks admitted at first
    grown: float = 0.5  # share of the training after which all are
    power: float = 1.0  # above 1, later ones come closer together
    refresh: float = 0.1  # of the training, from one look at the difficulties to the next
    kept: float = 0.5  # of a difficulty, when it is looked at anew

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise ValueError(f"order: {self.order!r}; allowed: {', '.join(ORDERS)}")
        fine = {
            "first": 0 < self.first <= 1,
            "grown": 0 <= self.grown <= 1,
            "power": self.power > 0,
            "refresh": 0 < self.refresh <= 1,
            "kept": 0 <= self.kept < 1,
        }
        if wrong := [f"{name} {getattr(self, name)}" for name, good in fine.items() if not good]:
            raise ValueError(f"curriculum: out of range: {', '.join(wrong)}")

    @property
    def by_difficulty(self) -> bool:
        """Whether anything depends on how hard tasks are."""
        return self.order not in ("none", "random")

    def looks(self, step: int, steps: int) -> bool:
        """Tell whether difficulties are looked at before a step; the published order looks once."""
        every = steps if self.order == "published" else max(1, round(self.refresh * steps))
        return self.by_difficulty and step % every == 0

    def share(self, step: int, steps: int) -> float:
        """Return the share of the tasks that is admitted at a step (0-based)."""
        growing = self.grown * steps
        if self.order == "none" or step >= growing:
            return 1.0
        return min(1.0, self.first + (1 - self.first) * (step / growing) ** self.power)


def places(order: str, difficulty: Float64[Tensor, " task"], seed: int) -> Places:
    """Give each task its place, from 0, in the order in which tasks are admitted."""
    if order == "random":
        generator = torch.Generator().manual_seed(seed)
        return torch.randperm(len(difficulty), generator=generator).to(difficulty.device)
    return difficulty.argsort(descending=order == "hard_first", stable=True).argsort()


def admit(place: Places, share: float, least: int) -> Bool[Tensor, " task"]:
    """Tell which tasks are admitted: a share of them, and so many at least."""
    return place < max(math.ceil(share * len(place)), least)


def draw(
    admitted: Bool[Tensor, " task"],
    positive: Bool[Tensor, " task"],
    weight: Float64[Tensor, " task"],
    few: int,
    generator: Generator,
) -> Int[Tensor, " few"]:
    """Draw tasks without repetition by their weights; the first is a positive one.

    The exponential race of Efraimidis & Spirakis 2006, in which those not admitted start late: one
    comes in where no positive task is admitted.
    """
    time = torch.empty_like(weight).exponential_(generator=generator) / weight + LATE * ~admitted
    first = time.masked_fill(~positive, math.inf).argmin()
    others = time.index_fill(0, first, math.inf).topk(few - 1, largest=False).indices
    return torch.cat([first[None], others])


def draw_published(
    difficulty: Float64[Tensor, " task"],
    positive: Bool[Tensor, " task"],
    used: Float64[Tensor, " task"],
    step: int,
    few: int,
    generator: Generator,
) -> Int[Tensor, " few"]:
    """Draw tasks as MetaVA does: some always, the others from below a threshold, with repetition.

    Less often drawn ones are likelier. Where nothing lies below the threshold, which starts at the
    least difficulty (our reading), the easiest of the others are taken.
    """
    value = difficulty.softmax(dim=0)
    always = value.masked_fill(~positive, math.inf).topk(int(ALWAYS * few), largest=False).indices
    rest = torch.ones_like(positive).index_fill(0, always, False)
    below = rest & (value < published_threshold(value, step))
    rare = (1 - used / max(step, 1)).clamp(min=1e-6)
    weight = torch.where(below.any(), below * rare, rest.double())
    drawn = weight.multinomial(few - len(always), replacement=True, generator=generator)
    easiest = value.masked_fill(~rest, math.inf).topk(few - len(always), largest=False).indices
    return torch.cat([always, torch.where(below.any(), drawn, easiest)])


def published_threshold(value: Float64[Tensor, " task"], step: int) -> Float64[Tensor, ""]:
    """Return the difficulty below which tasks are admitted, as MetaVA has it."""
    least = value.min()
    return least + (1 - least) * math.exp(min(step - OPENED, 0))
