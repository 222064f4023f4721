"""What a finetuning changed, small enough to send around: an adapter file beside a checkpoint.

It holds what differs from the pretrained checkpoint, which it names by its SHA-256. Of a weight to
which a product of factors was added, it holds the factors; everything else that differs, whole.
"""

from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from ecgpipe import model, settings, tensor_files
from ecgpipe.archives import sums_of
from ecgpipe.heads import HeadConfig
from ecgpipe.model import Classifier

Up = Float[Tensor, "block outputs rank"]
Down = Float[Tensor, "block rank inputs"]
Factors = tuple[Up, Down]  # of what is added to a weight, block by block of its rows

ENTRY = "ecgpipe-adapter"  # of the header


def factors_of(adapter: ModuleType, attached: Classifier) -> dict[str, Factors]:
    """Ask an adapter, before it merges, what it will add to weights, as far as it can tell."""
    found = adapter.factors(attached) if hasattr(adapter, "factors") else {}
    return {name: (up.clone(), down.clone()) for name, (up, down) in found.items()}


def save(
    path: Path,
    merged: Classifier,
    pretrained: Path,
    factors: dict[str, Factors],
    metadata: dict[str, Any],
) -> None:
    """Write what a merged model has that its pretrained checkpoint has not, beside and rename.

    `factors` are what merging added, `metadata` is that of the merged checkpoint.
    """
    before, tensors = model.load(pretrained)[0].state_dict(), {}
    for name, tensor in merged.state_dict().items():
        if name in before and torch.equal(tensor.cpu(), before[name]):
            continue
        if name in factors:
            tensors[f"{name}/up"], tensors[f"{name}/down"] = factors[name]
        else:
            tensors[name] = tensor
    header = {
        **metadata,
        "pretrained_sha256": sums_of(pretrained)["sha256"],
        "labels": list(merged.labels),
        "head": asdict(merged.head_config),
    }
    tensor_files.save(path, tensors, ENTRY, header)


def load(pretrained: Path, path: Path) -> Classifier:
    """Rebuild the merged model from its pretrained checkpoint and an adapter file."""
    header = read_metadata(path)
    digest = sums_of(pretrained)["sha256"]
    if digest != header["pretrained_sha256"]:
        raise ValueError(
            f"{path} belongs to another pretrained checkpoint than {pretrained}: expected one "
            f"whose SHA-256 is {header['pretrained_sha256']}, got {digest}"
        )
    before, _ = model.load(pretrained)
    head = settings.build(HeadConfig, header["head"], f"{path}: head")
    merged = Classifier(before.backbone, tuple(header["labels"]), head)
    tensors = load_file(path)
    weights = before.state_dict() | tensors
    for name in [name.removesuffix("/up") for name in tensors if name.endswith("/up")]:
        up, down = weights.pop(f"{name}/up"), weights.pop(f"{name}/down")
        weights[name] = weights[name] + (up @ down).view_as(weights[name])
    merged.load_state_dict({name: weights[name] for name in merged.state_dict()})
    return merged


def read_metadata(path: Path) -> dict[str, Any]:
    """Read what an adapter file says of itself."""
    return tensor_files.read_told(path, ENTRY, "an adapter file")
