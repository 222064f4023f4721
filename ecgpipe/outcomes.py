"""What a fit leaves beside its weights: a history of validations, and what it cost."""

import json
import math
import resource
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ecgpipe import parallel, writing
from ecgpipe.model import Classifier
from ecgpipe.operations import count_operations

History = list[dict[str, Any]]  # a row a validation: numbers, and words such as a pretext's name

FIRST = ("step", "seconds", "flops", "rate", "loss")  # columns of every history
SUMMED = ("seconds", "steps", "validation_seconds")  # over several fits
LARGEST = ("peak_bytes", "peak_host_bytes", "trainable", "adapter_bytes")


@dataclass
class Progress:
    """Where a fit is: what is kept beside weights and optimiser for resuming."""

    step: int = 0
    best: float = -math.inf
    best_step: int = 0
    stale: int = 0  # validations since the best one
    fit_seconds: float = 0.0
    validation_seconds: float = 0.0
    flops: int = 0  # floating-point operations of all steps, over all processes
    flops_of: dict[str, int] = field(default_factory=dict)  # a step of each kind
    history: History = field(default_factory=list)


def cost(
    progress: Progress,
    network: Classifier,
    learning: list[nn.Parameter],
    example: Tensor,
    samples: int,
) -> dict[str, Any]:
    """State what a fit took; steps, of `samples` signals each, are timed apart from validation."""
    cuda = example.device.type == "cuda"
    trainable = sum(p.numel() for p in learning)
    return {
        "seconds": progress.fit_seconds + progress.validation_seconds,
        "seconds_per_step": progress.fit_seconds / max(progress.step, 1),
        "steps": progress.step,
        "samples_per_second": progress.step * samples / max(progress.fit_seconds, 1e-9),
        "validation_seconds": progress.validation_seconds,
        "best_step": progress.best_step,
        "best_score": progress.best if progress.history else None,
        "peak_bytes": torch.cuda.max_memory_allocated() if cuda else None,
        "peak_host_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "trainable": trainable,
        "parameters": sum(p.numel() for p in network.parameters()),
        "adapter_bytes": 4 * trainable,
        "flops_per_sample": count_operations(network, example),
        "flops_per_step": progress.flops / max(progress.step, 1),
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "threads": torch.get_num_threads(),
        "processes": parallel.size(),
    }


def add_up(costs: list[dict[str, Any]]) -> dict[str, Any]:
    """Add up what several fits of one network took; rates are those of all of them together."""
    steps = [each["steps"] for each in costs]
    seconds = [each["steps"] * each["seconds_per_step"] for each in costs]
    known = {key: [each[key] for each in costs if each[key] is not None] for key in LARGEST}
    return costs[-1] | {
        **{key: sum(each[key] for each in costs) for key in SUMMED},
        **{key: max(values, default=None) for key, values in known.items()},
        "seconds_per_step": sum(seconds) / sum(steps),
        "flops_per_step": float(np.average([each["flops_per_step"] for each in costs], 0, steps)),
        "samples_per_second": float(
            np.average([each["samples_per_second"] for each in costs], 0, seconds)
        ),
    }


def write(checkpoint: Path, history: History, cost: dict[str, Any], measure: str) -> None:
    """Write history.csv, with `measure` among its columns, and cost.json beside a checkpoint."""
    columns = dict.fromkeys([*FIRST, *(name for row in history for name in row), measure])
    lines = [",".join(_cell(row.get(c, math.nan)) for c in columns) for row in history]
    lines = [",".join(columns), *lines]
    texts = {"history.csv": "\n".join(lines) + "\n", "cost.json": json.dumps(cost, indent=1)}
    for name, text in texts.items():
        writing.write_text(checkpoint.with_name(name), text)


def _cell(value: float | int | str) -> str:
    return value if isinstance(value, str) else f"{value:.8g}"
