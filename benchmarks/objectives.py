"""Speed and memory of every objective of pretraining, beside supervised training of its backbone.

    OMP_NUM_THREADS=1 python benchmarks/objectives.py [--device cuda] [--batch 64] [--samples 500]

A step makes the views of one batch, goes forward and backward, updates by AdamW and does what the
objective does afterwards; in bfloat16 where the hardware has it, as in training. Objectives have
their default settings. Each runs in a process of its own, so that its peak is its own: what its
steps take beyond weights and signals. On a CPU times are the process's own, and backbones small; on
a GPU those of the publications follow.
"""

import argparse
import multiprocessing
import statistics
from collections.abc import Callable
from multiprocessing.connection import Connection

import torch
from cpc_loss import now, peak
from torch import nn

from ecgpipe import registry, settings
from ecgpipe.batches import Montage, Pretext
from ecgpipe.inference import autocast
from ecgpipe.model import Classifier, build_backbone
from ecgpipe.wfdb_records import LEADS

LABELS = tuple(f"label {i}" for i in range(71))
FS = 100
BACKBONES = {  # as in config/pretraining
    "small": {
        "xresnet1d": {"depth": 18},
        "cpc_lstm": {"width": 128, "hidden": 128, "recurrent": 1}
        | {"kernels": [4, 1, 1, 1], "strides": [4, 1, 1, 1]},
        "vit1d": {"dim": 128, "depth": 4, "heads": 4},
    },
    "published": {"xresnet1d": {"depth": 50}, "cpc_lstm": {}, "vit1d": {}},
}
TAKEN = {"cpc": "cpc_lstm", "jepa": "vit1d", "masked": "vit1d"}  # by the others: xresnet1d
PREDICTOR = {"width": 64, "depth": 2, "heads": 4}  # beside a small vit1d, instead of a default


def build(name: str, backbone: str, size: str) -> nn.Module:
    """Build an objective on its backbone; only the supervised one has labels."""
    torch.manual_seed(0)
    told = {"name": backbone, **BACKBONES[size][backbone]}
    labels = LABELS if name == "supervised" else ()
    model = Classifier(build_backbone(told, len(LEADS), "benchmark"), labels)
    plugin = registry.load("objectives", name)
    smaller = PREDICTOR if name in ("jepa", "masked") and size == "small" else {}
    return plugin.Objective(model, settings.build(plugin.Config, smaller, "benchmark"))


def step_of(objective: nn.Module, device: torch.device, shape: tuple[int, int]) -> Callable:
    """Make a function that takes one step on a batch of (record, sample)."""
    objective.to(device).train()
    learning = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, fused=True)
    records, samples = shape
    signal = torch.randn(records, len(LEADS), samples, device=device)
    target = (torch.rand(records, len(LABELS), device=device) < 0.05).float()
    index = torch.arange(records, device=device)
    generator = torch.Generator(device).manual_seed(0)
    batch = Pretext(signal, target, index // 2, index, Montage(FS, LEADS), generator)

    def step() -> None:
        with autocast(device):
            loss = objective(batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if hasattr(objective, "after_step"):
            objective.after_step(1, 1000)

    return step


def measure(
    name: str, backbone: str, size: str, options: argparse.Namespace, answer: Connection
) -> None:
    """Send the median seconds of a step, and the bytes that steps take beyond what was there."""
    torch.set_num_threads(1)
    device = torch.device(options.device)
    step = step_of(build(name, backbone, size), device, (options.batch, options.samples))
    before, times = peak(device), []
    step()
    for _ in range(options.rounds):
        began = now(device)
        for _ in range(options.steps):
            step()
        times.append((now(device) - began) / options.steps)
    answer.send((statistics.median(times), peak(device) - before))


def in_own_process(*about: object) -> tuple[float, int]:
    """Measure in a new process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=measure, args=(*about, there))
    process.start()
    there.close()  # so that a process that fails is not waited for
    found = here.recv()
    process.join()
    return found


def read_options() -> argparse.Namespace:
    """Read the command line."""
    # made of other objectives; patients are tasks (`meta.py`); no loss; the measure
    others = ("chain", "joint", "meta", "none", "supervised")
    every = [name for name in registry.names("objectives") if name not in others]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=64, help="records")
    parser.add_argument("--samples", type=int, default=500, help=f"of a record, at {FS} Hz")
    parser.add_argument("--rounds", type=int, default=9, help="whose median is taken")
    parser.add_argument("--steps", type=int, default=3, help="of a round")
    parser.add_argument("--objectives", nargs="+", choices=every, default=every)
    return parser.parse_args()


def compare(own: list[str], backbone: str, size: str, options: argparse.Namespace) -> None:
    """Print a row of each objective of a backbone, after that of supervised training."""
    found: dict[str, tuple[float, int]] = {}
    for name in ["supervised", *own]:
        found[name] = seconds, taken = in_own_process(name, backbone, size, options)
        speed, memory = found["supervised"][0] / seconds, taken / found["supervised"][1]
        row = [f"{backbone}, {size}", name, f"{1e3 * seconds:.1f}"]
        row += [f"{options.batch / seconds:,.0f}", f"{speed:.2f}"]
        row += [f"{taken / 2**20:.0f}", f"{memory:.2f}"]
        print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    """Measure and print."""
    options = read_options()
    shape = f"{options.batch} x {len(LEADS)} x {options.samples}"
    print(f"torch {torch.__version__}, {options.device}, batch {shape}")
    print("| backbone | objective | ms a step | samples/s | of supervised | MiB | of supervised |")
    print("|---|---|---|---|---|---|---|")
    for size in BACKBONES if options.device == "cuda" else ("small",):
        for backbone in BACKBONES[size]:
            own = [o for o in options.objectives if TAKEN.get(o, "xresnet1d") == backbone]
            if own:
                compare(own, backbone, size, options)


if __name__ == "__main__":
    main()
