"""How a model is adapted to one patient: the part of a recipe that `personalize` reads."""

import dataclasses
from typing import Any

ORDERS = ("chronological", "random")
PRE_FINETUNINGS = ("none", "gd", "lookahead", "split")


@dataclasses.dataclass(frozen=True)
class Personalization:
    """How a model is adapted to each patient, from a few labeled windows of that patient."""

    shots: tuple[int, ...] = (1, 5, 10, 20)  # labeled windows a class: all that is labeled
    orders: tuple[str, ...] = ORDERS  # of labeling: from the beginning on, or anywhere
    draws: int = 5  # of windows anywhere; from the beginning on there is one
    period: float = 300.0  # seconds from the beginning that are labeled from, at most
    guard: float = 30.0  # seconds between the last of these and the first that is scored
    adapter: dict[str, Any] = dataclasses.field(default_factory=lambda: {"name": "full"})
    pre_finetuning: str = "none"  # or `gd`, `lookahead`, `split`: see `personalization`
    pre_steps: int = 5  # pairs of gradients
    pre_rate: float = 3e-3  # of a mean loss; published is 1e-3 on the sum of three batches
    steps: int = 50  # of Adam, each on all labeled windows; 0 leaves the model as it is
    rate: float = 5e-4

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.orders) - set(ORDERS)):
            raise ValueError(f"orders {', '.join(unknown)}; allowed: {', '.join(ORDERS)}")
        if self.pre_finetuning not in PRE_FINETUNINGS:
            known = ", ".join(PRE_FINETUNINGS)
            raise ValueError(f"pre_finetuning: {self.pre_finetuning!r}; allowed: {known}")
        allowed = {
            "shots": self.shots != () and min(self.shots) >= 1,
            "orders": self.orders != (),
            "draws": self.draws >= 1,
            "period": self.period > 0,
            "guard": self.guard >= 0,
            "pre_steps": self.pre_steps >= 1,
            "pre_rate": self.pre_rate > 0,
            "steps": self.steps >= 0,
            "rate": self.rate > 0,
        }
        if wrong := [f"{name} {getattr(self, name)}" for name, fine in allowed.items() if not fine]:
            raise ValueError(f"out of range (config/README.md has the keys): {', '.join(wrong)}")
