"""Networks side by side, each with its own head: one token of what each says of each label.

A deep ensemble (Lakshminarayanan et al. 2017): networks of other kinds, or from other first
weights, err on other records, and the mean of their logits errs less than most of them. A head on
such a token may be that mean (`ensembles.assemble`) or learn whom to believe, which is stacking
(Wolpert 1992).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ecgpipe import model, settings
from ecgpipe.heads import HeadConfig


@dataclass(frozen=True)
class Member:
    """One network: its backbone, and its head's differences from `heads.HeadConfig`."""

    backbone: dict[str, Any]
    head: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Config:
    """Two kinds of network that say one thing."""

    members: tuple[Member, ...] = (
        Member({"name": "va_net"}, {"pool": "mean", "norm": False, "dropout": 0.0}),
        Member({"name": "xresnet1d", "depth": 18}),
    )
    labels: int = 1

    def __post_init__(self) -> None:
        if not self.members or self.labels < 1:
            raise ValueError("ensemble: there must be a member and a label")


class Backbone(model.Backbone):
    """Members that all see the whole signal; no token stands for a part of the time."""

    timed = False

    def __init__(self, config: Config, leads: int) -> None:
        super().__init__()
        self.dim = len(config.members) * config.labels
        labels = tuple(str(label) for label in range(config.labels))
        self.members = nn.ModuleList(build(member, leads, labels) for member in config.members)

    def stem(self, signal: Float[Tensor, "batch lead time"]) -> Float[Tensor, "batch 1 dim"]:
        """Ask every member."""
        return torch.cat([member(signal) for member in self.members], dim=1)[:, None]

    def trunk(self, stemmed: Float[Tensor, "batch 1 dim"]) -> Float[Tensor, "batch 1 dim"]:
        """Pass on what they say."""
        return stemmed

    def layers(self) -> list[nn.Module]:
        """List the parts of all members by how many follow, their heads last."""
        members = cast(Iterable[model.Classifier], self.members)
        parts = [[*m.backbone.layers(), cast(nn.Module, m.head)] for m in members]
        depth = max(map(len, parts))
        return [
            nn.ModuleList(own[-place] for own in parts if len(own) >= place)
            for place in range(depth, 0, -1)
        ]


def build(member: Member, leads: int, labels: tuple[str, ...]) -> model.Classifier:
    """Build one member."""
    backbone = model.build_backbone(member.backbone, leads, "a member")
    return model.Classifier(backbone, labels, settings.build(HeadConfig, member.head, "a member"))
