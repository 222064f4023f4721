"""Low-rank updates that work at every rank (DyLoRA, Valipour et al. 2023).

Each step draws a rank b and trains `W + alpha / b * up[:, :b] @ down[:b]`, so that the first
components learn to matter most. All of them are merged.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Generator

from ecgpipe.adapter_files import Factors
from ecgpipe.adapters._low_rank import (
    Site,
    Update,
    attach_updates,
    merge_updates,
    merged_factors,
    updates,
)
from ecgpipe.batches import Labeled
from ecgpipe.model import Classifier


@dataclass(frozen=True)
class Config:
    """As published, where ranks are drawn evenly from 1 to 8."""

    rank: int = 8
    least: int = 1  # rank that is drawn
    alpha: float = 8.0  # the update is scaled by alpha / rank
    only_last: bool = False  # of the components drawn, only the last learns (published: "frozen")
    biases: bool = False  # of the backbone learn too

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.rank or self.alpha <= 0:
            raise ValueError(
                f"dylora: least {self.least} must be from 1 to rank {self.rank}, alpha "
                f"{self.alpha} positive"
            )


class Truncated(Update):
    """An update of which a step takes the first components."""

    def __init__(self, site: Site, config: Config) -> None:
        super().__init__(site, config.rank)
        self.config = config
        self.drawn = config.rank

    def factors(self) -> Factors:
        """Give the components drawn, scaled; outside of training all of them."""
        rank = self.drawn if self.training else self.config.rank
        up, down = self.up[..., :rank], self.down[:, :rank]
        if self.config.only_last:
            up = torch.cat([up[..., :-1].detach(), up[..., -1:]], dim=2)
            down = torch.cat([down[:, :-1].detach(), down[:, -1:]], dim=1)
        return self.config.alpha / rank * up, down


def attach(model: Classifier, config: Config, labeled: Iterable[Labeled] | None) -> None:
    """Give every weight an update; freeze the rest but the head."""
    attach_updates(model, lambda site: Truncated(site, config), biases=config.biases)


def before_step(model: Classifier, generator: Generator) -> None:
    """Draw one rank for all weights."""
    found = truncated(model)
    config = found[0].config
    rank = int(torch.randint(config.least, config.rank + 1, (), generator=generator))
    for update in found:
        update.drawn = rank


def factors(model: Classifier) -> dict[str, Factors]:
    """Give what `merge` adds, by the names of weights."""
    return merged_factors(model)


def merge(model: Classifier) -> None:
    """Fold all components into the weights they belong to."""
    merge_updates(model)


def truncated(model: Classifier) -> list[Truncated]:
    """List the updates of a model."""
    return [update for update in updates(model).values() if isinstance(update, Truncated)]
