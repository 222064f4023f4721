"""Low-rank updates that are switched off at random while training (CE-SSL, Zhou et al. 2024).

In every step each update is off with probability p: its weight is then the pretrained one, and its
factors get no gradient, so the optimiser leaves them alone. Evaluation and merging take the
expectation, `W + (1 - p) up @ down`. The head's hidden layers are updated but never off. Ranks may
be given once, before training, by how much weights matter to the loss. Published is the code
(KAZABANA/CE-SSL) of arXiv:2406.14377; with p 0 this is LoRA, and the biases learn.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, nn

from ecgpipe.adapter_files import Factors
from ecgpipe.adapters import _low_rank
from ecgpipe.adapters._importance import allocate, importance
from ecgpipe.adapters._low_rank import Site, Update, attach_updates, sites, updates
from ecgpipe.batches import Labeled
from ecgpipe.model import Classifier

IMPORTANCE = ("taylor", "fisher", "taylor_sketch", "fisher_sketch")


@dataclass(frozen=True)
class Config:
    """As published, but that gates rest in validation and the gradient that ranks follow is exact.

    The published code also validates under the gates of a step (`gates: always`), and sees the
    gradient through random factors (`importance: taylor_sketch`), which favours those with larger
    ones: queries, keys and values.
    """

    rank: int = 16
    p: float = 0.2  # probability that an update is off in a step
    gates: str = "train"  # or `always`: also when the model is validated
    frozen: int = 0  # parts of `backbone.layers()`, from the input on, that stay as they are
    share: float = 1.0  # of the weights, those that matter most: full rank; the others have half
    importance: str = "taylor"  # or `fisher`, `taylor_sketch`, `fisher_sketch`; for share below 1

    def __post_init__(self) -> None:
        if self.rank < 1 or self.frozen < 0:
            raise ValueError(
                f"gated_lora: rank {self.rank} must be positive, frozen {self.frozen} not negative"
            )
        if not 0 <= self.p < 1 or not 0 <= self.share <= 1:
            raise ValueError(
                f"gated_lora: p {self.p} must be a probability below 1, share {self.share} one of "
                "at most 1"
            )
        if self.gates not in ("train", "always"):
            raise ValueError(f"gated_lora: gates {self.gates!r}; allowed: train, always")
        if self.importance not in IMPORTANCE:
            raise ValueError(
                f"gated_lora: importance {self.importance!r}; allowed: {', '.join(IMPORTANCE)}"
            )


class GatedUpdate(Update):
    """Two factors and their gate."""

    def __init__(self, site: Site, rank: int, config: Config) -> None:
        super().__init__(site, rank)
        if site.blocks == 1:  # those of queries, keys and values are drawn as LoRA's
            nn.init.normal_(self.down, std=0.02)
        self.p = 0.0 if site.in_head else config.p
        self.always = config.gates == "always"
        self.off = False  # in this step
        self.importance: float | None = None  # of the weight, where it was asked for

    def factors(self) -> Factors | None:
        """Give the factors of this step, or their expectation."""
        if not (self.training or self.always):
            return self.merged()
        return None if self.off else (self.up, self.down)

    def merged(self) -> Factors:
        """Give the factors that are expected."""
        return (1 - self.p) * self.up, self.down


def attach(model: Classifier, config: Config, labeled: Iterable[Labeled] | None) -> None:
    """Give weights a gated update; ask labeled batches for the ranks if they are to differ."""
    held = nn.ModuleList(model.backbone.layers()[: config.frozen])
    untouched = {id(parameter) for parameter in held.parameters()}
    chosen = [site for site in sites(model) if id(site.layer.weight) not in untouched]
    scores = score_weights(model, chosen, config, labeled) if config.share < 1 else {}
    ranks = allocate(scores, config.rank, config.share)

    def make(site: Site) -> GatedUpdate | None:
        if id(site.layer.weight) in untouched:
            return None
        update = GatedUpdate(site, ranks.get(site.name, config.rank), config)
        update.importance = scores.get(site.name)
        return update

    attach_updates(model, make, biases=True)
    held.requires_grad_(False)


def score_weights(
    model: Classifier, chosen: list[Site], config: Config, labeled: Iterable[Labeled] | None
) -> dict[str, float]:
    """Measure how much each weight matters to the loss on labeled batches."""
    if labeled is None:
        raise ValueError(
            f"gated_lora: share {config.share} gives ranks by importance, which needs labeled "
            "records; set `share: 1` for the same rank everywhere"
        )
    score, _, sketched = config.importance.partition("_")
    sketch = {site.name: GatedUpdate(site, config.rank, config).down.detach() for site in chosen}
    names = [site.name for site in chosen]
    return importance(model, names, labeled, score, sketch if sketched else None)


def before_step(model: Classifier, generator: Generator) -> None:
    """Draw which updates are off in a step."""
    gated = [update for update in updates(model).values() if isinstance(update, GatedUpdate)]
    draws = torch.rand(len(gated), generator=generator).tolist()
    for update, draw in zip(gated, draws, strict=True):
        update.off = draw < update.p


def factors(model: Classifier) -> dict[str, Factors]:
    """Give what `merge` adds, by the names of weights."""
    return _low_rank.merged_factors(model)


def merge(model: Classifier) -> None:
    """Fold the expected updates into the weights."""
    _low_rank.merge_updates(model)


def describe(model: Classifier) -> dict[str, Any]:
    """State the ranks found, the importance they follow, and how many numbers the factors hold."""
    found = updates(model)
    return {
        "update_parameters": sum(p.numel() for u in found.values() for p in u.parameters()),
        "ranks": {name: update.down.shape[1] for name, update in found.items()},
        "importance": {name: update.importance for name, update in found.items()},
    }
