"""Tensors in a file that says what they are: safetensors with an entry of JSON in its header."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ecgpipe import writing


def save(path: Path, tensors: dict[str, Tensor], entry: str, told: dict[str, Any]) -> None:
    """Write tensors, whatever device they are on, and what is told of them, whole."""
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with writing.whole(path) as part:
        save_file(kept, part, metadata={entry: json.dumps(told, sort_keys=True)})


def read_told(path: Path, entry: str, kind: str) -> dict[str, Any]:
    """Read what is told of the tensors; raise ValueError if the file is not of that kind."""
    try:
        with safe_open(path, framework="pt") as file:
            told = (file.metadata() or {}).get(entry)
    except SafetensorError as error:
        raise ValueError(f"{path}: damaged ({error}); delete it, and it is made again") from error
    if told is None:
        raise ValueError(f"{path}: not {kind} of ecgpipe: its header has no `{entry}` entry")
    return json.loads(told)
