"""What is kept of a fit in progress, so that it can go on after an interruption."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ecgpipe import writing

log = logging.getLogger(__name__)

FILE = "state.safetensors"


def write(folder: Path, tensors: dict[str, Tensor], told: dict[str, Any]) -> None:
    """Write tensors, and what is told of them, in place of an earlier state."""
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with writing.whole(folder / FILE) as part:
        save_file(contiguous, part, metadata={"fit": json.dumps(told)})


def read(folder: Path, identity: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Read a kept state, if there is one of the same settings and inputs."""
    if not (folder / FILE).exists():
        return None
    with safe_open(folder / FILE, framework="pt") as file:
        told = json.loads(file.metadata()["fit"])
        if told["identity"] != identity:
            log.info("the state kept in %s is of other settings or inputs: not resumed", folder)
            return None
        return {name: file.get_tensor(name) for name in file.keys()}, told  # noqa: SIM118


def forget(state: Path) -> None:
    """Delete what was kept for resuming, once the result is safe."""
    shutil.rmtree(state, ignore_errors=True)


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """Copy the weights to the host."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def distinct(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Leave out what a loss names twice, such as the backbone of its model."""
    places = {(v.data_ptr(), v.shape): name for name, v in reversed(state.items())}
    return {name: v for name, v in state.items() if places[v.data_ptr(), v.shape] == name}


def below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take the tensors whose names begin so, by the rest of their names."""
    return {name.removeprefix(prefix): v for name, v in tensors.items() if name.startswith(prefix)}


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move an average of weights, and of the statistics of norms, towards the model."""
    kept, new = average.state_dict().values(), model.state_dict().values()
    pairs = [(k, n) for k, n in zip(kept, new, strict=True) if k.is_floating_point()]
    torch._foreach_lerp_([k for k, _ in pairs], [n for _, n in pairs], 1 - decay)
