"""Samples per second of one training step of each XResNet: float32 against bfloat16 autocast.

`python benchmarks/train_step.py [--batch 64] [--length 250]` measures on the GPU, if there is one,
and also compiled there; otherwise in one CPU thread. The variants take turns, so that a busy
machine slows all of them; medians are printed as a table.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ecgpipe.backbones import xresnet1d
from ecgpipe.model import Classifier

LABELS = tuple(f"label {i}" for i in range(71))
LEADS = 12
ROUNDS, STEPS = 9, 3  # turns, and steps a turn


def build(depth: int) -> Classifier:
    """Build the network with its default head."""
    torch.manual_seed(0)
    backbone = xresnet1d.Backbone(xresnet1d.Config(depth=depth), LEADS)
    return Classifier(backbone, LABELS)


def lay_time_last(network: Classifier) -> Classifier:
    """Hold maps as `Conv1d` does: time last in memory, not channels."""
    backbone = network.backbone
    backbone.stem = lambda signal: backbone.entry(signal.unsqueeze(2))
    return network


def step_of(
    network: nn.Module, device: torch.device, bfloat16: bool, batch: int, length: int
) -> Callable[[], None]:
    """Make a function that takes one step: forward, loss, backward, AdamW."""
    network.to(device).train()
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    signal = torch.randn(batch, LEADS, length, device=device)
    target = (torch.rand(batch, len(LABELS), device=device) < 0.05).float()

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            loss = binary_cross_entropy_with_logits(network(signal), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def seconds(steps: dict[str, Callable[[], None]], device: torch.device) -> dict[str, float]:
    """Time all steps in turns; return the median seconds of one of each."""
    for step in steps.values():
        step()
        step()
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            began = now(device)
            for _ in range(STEPS):
                step()
            times[name].append((now(device) - began) / STEPS)
    return {name: statistics.median(values) for name, values in times.items()}


def now(device: torch.device) -> float:
    """Read the clock: on a CPU that of this process, on a GPU the wall's, all work done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def variants(depth: int, device: torch.device, batch: int, length: int) -> dict[str, Callable]:
    """Name the ways to take the same step."""
    shape = (device, False, batch, length), (device, True, batch, length)
    found = {
        "time last, float32": step_of(lay_time_last(build(depth)), *shape[0]),
        "time last, bfloat16": step_of(lay_time_last(build(depth)), *shape[1]),
        "float32": step_of(build(depth), *shape[0]),
        "bfloat16": step_of(build(depth), *shape[1]),
    }
    if device.type == "cuda":
        found["bfloat16, compiled"] = step_of(torch.compile(build(depth)), *shape[1])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--length", type=int, default=250, help="samples of a crop")
    parser.add_argument("--depths", type=int, nargs="+", default=[18, 50, 101])
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(
        f"torch {torch.__version__}, {device}, batch {options.batch} x {LEADS} x {options.length}"
    )
    print("| network | variant | ms a step | samples/s | times as fast |\n|---|---|---|---|---|")
    for depth in options.depths:
        steps = variants(depth, device, options.batch, options.length)
        times = seconds(steps, device)
        for name, value in times.items():
            speed, ratio = options.batch / value, times["time last, float32"] / value
            row = [f"xresnet1d{depth}", name, f"{1e3 * value:.1f}", f"{speed:.0f}", f"{ratio:.2f}"]
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
