"""Putting pretrained networks side by side: an ensemble whose head is the mean of their logits."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ecgpipe import model
from ecgpipe.batches import Montage
from ecgpipe.heads import HeadConfig
from ecgpipe.model import Classifier

MEAN = HeadConfig(pool="mean", norm=False, dropout=0.0)
MERGED = ("datasets", "revision", "preparation")  # of members' checkpoints, by name


def assemble(
    paths: list[Path], labels: tuple[str, ...], montage: Montage
) -> tuple[Classifier, dict[str, Any]]:
    """Put networks that say the same labels side by side; return what shaped them, too.

    Raises:
        ValueError: if a network says other labels, or was trained on other leads or another rate.

    """
    loaded = [model.load(path) for path in paths]
    told = [metadata for _, metadata in loaded]
    for path, (member, metadata) in zip(paths, loaded, strict=True):
        refuse_other_labels(path, member.labels, labels)
        model.refuse_other_montage(path, metadata, montage)
    members = [{"backbone": one["backbone"], "head": one["head"]} for one in told]
    config = {"name": "ensemble", "members": members, "labels": len(labels)}
    backbone = model.build_backbone(config, len(montage.leads), "an ensemble")
    backbone.load_state_dict(side_by_side([member.state_dict() for member, _ in loaded]))
    network = Classifier(backbone, labels, MEAN)
    take_mean(network, len(paths))
    before: dict[str, Any] = {"backbone": config, "seen": sum((one["seen"] for one in told), [])}
    return network, before | {name: merge(name, [one[name] for one in told]) for name in MERGED}


def merge(what: str, told: list[dict[str, Any]]) -> dict[str, Any]:
    """Unite what members tell; ValueError if they contradict each other."""
    merged = {key: value for one in told for key, value in one.items()}
    odd = sorted({key for one in told for key, value in one.items() if merged[key] != value})
    if odd:
        raise ValueError(
            f"{what} of {', '.join(odd)} differ among the members of an ensemble; remove the "
            "older ones, with what they came from, and run the study again"
        )
    return merged


def refuse_other_labels(path: Path, said: tuple[str, ...], labels: tuple[str, ...]) -> None:
    """Raise if a member says other labels than the ensemble's task has, or in another order."""
    if said != labels:
        raise ValueError(
            f"{path} says {', '.join(said) or 'no label'}; members of an ensemble say its task's: "
            f"{', '.join(labels)}; name pretrainings with its `tasks` as `members`"
        )


def side_by_side(weights: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Name the weights of members as those of their ensemble."""
    return {
        f"members.{number}.{name}": weight
        for number, own in enumerate(weights)
        for name, weight in own.items()
    }


@torch.no_grad()
def take_mean(network: Classifier, members: int) -> None:
    """Let the head give the mean of what the members say of each label."""
    assert network.head is not None, "an ensemble has labels"
    last = network.head.layers[-1]
    assert isinstance(last, nn.Linear)
    labels = last.out_features
    last.weight.copy_(torch.eye(labels).repeat(1, members) / members)
    last.bias.zero_()
