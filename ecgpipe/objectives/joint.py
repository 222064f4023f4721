"""Several pretexts on one backbone: the control of a chain of them, at equal steps and equal cost.

They take turns, a step each, in the order given. So a joint pretraining of as many steps as the
stages of a chain have together makes the same updates, of the same batch size, with the same
negatives, as often of each pretext, for the same operations: only their order differs. With
`together`, every step takes all of them, and costs what they cost together.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ecgpipe import registry
from ecgpipe.batches import Pretext
from ecgpipe.model import Classifier
from ecgpipe.settings import build, plugin

NO_PRETEXT = ("none", "supervised", "joint", "chain")


@dataclass(frozen=True)
class Config:
    """Which pretexts, and what each counts."""

    pretexts: tuple[dict[str, Any], ...]  # name, `weight` (1), what differs from its own defaults
    together: bool = False  # all in every step

    def __post_init__(self) -> None:
        names = [plugin(told, "joint: pretexts")[0] for told in self.pretexts]
        if len(names) < 2 or len(set(names)) < len(names):
            raise ValueError(
                f"joint: pretexts {', '.join(names) or 'none'}; expected two or more, each once"
            )
        if wrong := sorted(set(names) & set(NO_PRETEXT)):
            raise ValueError(f"joint: {', '.join(wrong)} cannot be one of several pretexts")
        for weight in (told.get("weight", 1.0) for told in self.pretexts):
            if not (isinstance(weight, int | float) and weight > 0):
                raise ValueError(f"joint: weight {weight!r}; expected a number above 0")


class Objective(nn.Module):
    """The mean of the weighted losses of the pretexts, one of them a step, all when judged."""

    def __init__(self, model: Classifier, config: Config) -> None:
        super().__init__()
        self.together = config.together
        self.weights = {told["name"]: told.get("weight", 1.0) for told in config.pretexts}
        pretexts = {told["name"]: build_pretext(model, told) for told in config.pretexts}
        self.pretexts = nn.ModuleDict(pretexts)
        self.turn = next(iter(pretexts))

    def before_step(self, step: int) -> str:
        """Let the next pretext have its turn; say whose it is."""
        names = list(self.weights)
        self.turn = names[step % len(names)]
        return "together" if self.together else self.turn

    def forward(self, batch: Pretext) -> dict[str, Tensor]:
        """Return the loss of one batch, and the terms of each pretext under its name."""
        everyone = self.together or not self.training
        taken = list(self.weights) if everyone else [self.turn]
        terms = {name: self.pretexts[name](batch) for name in taken}
        losses = [self.weights[name] * terms[name]["loss"] for name in taken]
        told = {f"{name}_{term}": v for name, own in terms.items() for term, v in own.items()}
        return {"loss": torch.stack(losses).mean(), **told}

    def after_step(self, step: int, steps: int) -> None:
        """Let every pretext that keeps an average or a schedule follow."""
        for pretext in self.pretexts.values():
            follow = getattr(pretext, "after_step", None)
            if follow is not None:
                follow(step, steps)


def build_pretext(model: Classifier, told: dict[str, Any]) -> nn.Module:
    """Build one of the pretexts on the model; refuse those that draw batches of their own."""
    name, values = plugin({k: v for k, v in told.items() if k != "weight"}, "joint")
    chosen = registry.load("objectives", name)
    if hasattr(chosen.Objective, "batches"):
        raise ValueError(f"joint: {name} draws batches of its own and shares none with others")
    return chosen.Objective(model, build(chosen.Config, values, f"joint: {name}"))
