"""What a method or an objective is given for one step."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Generator, Tensor


@dataclass(frozen=True)
class Montage:
    """How the signals of a batch were recorded."""

    fs: int  # Hz
    leads: tuple[str, ...]


@dataclass(frozen=True)
class Labeled:
    """Crops in millivolts with their multi-hot targets."""

    signal: Float[Tensor, "batch lead time"]
    target: Float[Tensor, "batch label"]


@dataclass(frozen=True)
class Unlabeled:
    """A weak view and any strong views of the same crops."""

    weak: Float[Tensor, "batch lead time"]
    strong: list[Float[Tensor, "batch lead time"]]
    index: Int[Tensor, " batch"]  # among the unlabeled records
    of_total: int  # unlabeled records that there are


@dataclass(frozen=True)
class Pretext:
    """What pretraining sees: crops, whose they are, and targets if it names tasks.

    `generator` is the step's own: views, masks and negatives are drawn from it.
    """

    signal: Float[Tensor, "batch lead time"]
    target: Float[Tensor, "batch label"] | None
    patient: Int[Tensor, " batch"]
    index: Int[Tensor, " batch"]
    montage: Montage
    generator: Generator
