"""What a pretraining stands on: the one it goes on from, or the members of an ensemble."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Training = tuple[str, int]  # a pretraining and its seed


@dataclass(frozen=True)
class Origin:
    """What a pretraining says of where it comes from."""

    before: tuple[str, ...] = ()  # the pretraining that it goes on from, or its members
    copies: int = 1  # of each member
    shared: bool = False  # whether all runs start from its seed 0

    def seed(self, seed: int) -> int:
        """Give the seed of the pretraining that a run of some seed starts from."""
        return 0 if self.shared else seed


def origin(told: dict[str, Any]) -> Origin:
    """Read the origin of a pretraining from its settings."""
    before = (told["start"],) if told.get("start") else tuple(told.get("members", ()))
    return Origin(before, told.get("copies", 1), told.get("seeds") == 1)


def parents(name: str, seed: int, origin_of: Callable[[str], Origin]) -> list[Training]:
    """List the trainings that one starts from; copies of a member have seeds of their own.

    Raises:
        ValueError: if one would come twice: a member named so, or copies that share one seed.

    """
    own = origin_of(name)
    first = own.seed(seed) * own.copies
    found = [
        (member, origin_of(member).seed(first + copy))
        for member in own.before
        for copy in range(own.copies)
    ]
    if alike := sorted({member for member, at in found if found.count((member, at)) > 1}):
        raise ValueError(
            f"pretraining {name}: members of {', '.join(alike)} would be alike, with one seed; "
            "name each once, and leave out its `seeds: 1`, or `copies`"
        )
    return found


def lineage(name: str, seed: int, origin_of: Callable[[str], Origin]) -> list[Training]:
    """List a training and all that it stands on, itself first, each once."""
    found = [(name, origin_of(name).seed(seed))]
    for before in parents(name, seed, origin_of):
        found += lineage(*before, origin_of)
    return list(dict.fromkeys(found))
