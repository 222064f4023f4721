"""What a finetuning changed, small enough to send around: an adapter file beside a checkpoint.

It holds what differs from the pretrained checkpoint, which it names by its SHA-256. Of a weight to
which a product of factors was added, it holds the factors; everything else that differs, whole.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from ecgpipe import model, settings
from ecgpipe.heads import HeadConfig
from ecgpipe.model import Classifier

Factors = tuple[Tensor, Tensor]  # up (block, outputs, rank), down (block, rank, inputs)


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
        "pretrained_sha256": digest(pretrained),
        "labels": list(merged.labels),
        "head": asdict(merged.head_config),
    }
    part = path.with_name(path.name + ".part")
    save_file(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        part,
        metadata={"ecgpipe-adapter": json.dumps(header, sort_keys=True)},
    )
    part.replace(path)


def load(pretrained: Path, path: Path) -> Classifier:
    """Rebuild the merged model from its pretrained checkpoint and an adapter file."""
    header = read_metadata(path)
    if digest(pretrained) != header["pretrained_sha256"]:
        raise ValueError(
            f"{path} belongs to another pretrained checkpoint than {pretrained}: expected one "
            f"whose SHA-256 is {header['pretrained_sha256']}, got {digest(pretrained)}"
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
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get("ecgpipe-adapter")
    except SafetensorError as error:
        raise ValueError(f"{path}: damaged ({error}); delete it, and it is made again") from error
    if header is None:
        raise ValueError(
            f"{path}: not an adapter file of ecgpipe: its header has no `ecgpipe-adapter` entry"
        )
    return json.loads(header)


def digest(path: Path) -> str:
    """Hash a file's content: SHA-256, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
