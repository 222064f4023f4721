"""Steps of CE-SSL beside a plain implementation of it, and beside FixMatch with all weights.

    OMP_NUM_THREADS=1 python benchmarks/ce_ssl.py [--batch 16]
    python benchmarks/ce_ssl.py --device cuda --batch 64

A step is what the loop does between two batches: gates, loss, gradient, AdamW; nothing is loaded or
validated. Every variant gets the same records, `batch` labeled and as many unlabeled of 12 leads x
6,144 samples. First ours and the plain one are held equal, with all updates on and in single
precision. Times are medians of turns that the variants take one after the other; on a CPU they are
the process's own in one thread. Memory is what steps take at most beyond what was there before the
first, in a process of its own: resident on a CPU, allocated on a GPU. It and operations are those
of steps with all updates on.
"""

import argparse
import multiprocessing
import os
import random
import statistics
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType

import _plain_ce_ssl as plain
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.flop_counter import FlopCounterMode
from train_step import now

from ecgpipe.adapters import full, gated_lora
from ecgpipe.backbones import conv_transformer
from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.heads import HeadConfig
from ecgpipe.methods import fixmatch, joint_norm, joint_norm_detached
from ecgpipe.model import Classifier
from ecgpipe.operations import UNCOUNTED

LABELS = tuple(f"label {i}" for i in range(19))  # of PTB-XL in the paper
LEADS, SAMPLES = 12, 6144
COLUMNS = (
    "variant",
    "ms a step",
    "times as fast as plain",
    "as fixmatch",
    "records/s",
    "MiB",
    "of plain",
    "learning",
    "adapter, MB",
    "GFLOP a step",
)
ROUNDS = 7  # turns, of one step each


@dataclass(frozen=True)
class Variant:
    """A way to take a step."""

    method: ModuleType = joint_norm
    adapter: ModuleType = gated_lora
    bfloat16: bool = False
    tf32: bool = False
    compiled: bool = False


VARIANTS = {
    "cpu": {
        "plain": Variant(plain),
        "joint_norm": Variant(),
        "joint_norm_detached": Variant(joint_norm_detached),
        "fixmatch, all weights": Variant(fixmatch, full),
    },
    "cuda": {
        "plain": Variant(plain),
        "plain, TF32": Variant(plain, tf32=True),
        "joint_norm, bfloat16": Variant(bfloat16=True),
        "joint_norm, bfloat16, compiled": Variant(bfloat16=True, compiled=True),
        "joint_norm_detached, bfloat16": Variant(joint_norm_detached, bfloat16=True),
        "fixmatch, all weights, bfloat16": Variant(fixmatch, full, bfloat16=True),
    },
}


class Training:
    """A network, its method and optimiser, and a batch: calling it takes a step."""

    def __init__(self, variant: Variant, options: argparse.Namespace, p: float = 0.2) -> None:
        torch.manual_seed(0)
        random.seed(0)  # the gates of the plain one
        self.variant, self.device = variant, torch.device(options.device)
        self.generator = torch.Generator()
        self.model = build(options)
        gated = variant.adapter is gated_lora
        config = gated_lora.Config(rank=options.rank, p=p) if gated else full.Config()
        variant.adapter.attach(self.model, config, None)
        for name, parameter in self.model.named_parameters():
            if name.endswith(".up"):  # as if it had learnt
                torch.nn.init.normal_(parameter, std=0.02)
        method = variant.method.Method(self.model, variant.method.Config()).to(self.device)
        self.parameters = [p for p in method.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.parameters, fused=True)
        self.method = torch.compile(method) if variant.compiled else method
        self.method.train()
        self.labeled, self.unlabeled = draw(options)

    def __call__(self) -> None:
        """Take a step."""
        if self.variant.adapter is gated_lora:
            gated_lora.before_step(self.model, self.generator)
        loss = self.loss()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def loss(self) -> Tensor:
        """Return the loss of the batch, in the variant's precision."""
        torch.set_float32_matmul_precision("high" if self.variant.tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = self.variant.tf32
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.variant.bfloat16):
            return self.method(self.labeled, self.unlabeled)["loss"]

    def parts(self) -> dict[str, float]:
        """Take a step of joint_norm part by part; return the seconds of each."""
        records, began = len(self.labeled.signal), [now(self.device)]
        signal = torch.cat([self.labeled.signal, self.unlabeled.weak])
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.variant.bfloat16):
            stemmed = self.model.backbone.stem(signal)[:records]
            began.append(now(self.device))
            cut = stemmed.detach().requires_grad_()
            logit = self.model.head(self.model.backbone.trunk(cut))
            loss = binary_cross_entropy_with_logits(logit, self.labeled.target)
        began.append(now(self.device))
        self.optimizer.zero_grad()
        loss.backward()
        began.append(now(self.device))
        stemmed.backward(cut.grad)
        began.append(now(self.device))
        self.optimizer.step()
        began.append(now(self.device))
        names = ("stem", "trunk, head, loss", "gradient of these", "gradient of the stem", "AdamW")
        return {name: began[i + 1] - began[i] for i, name in enumerate(names)}


def build(options: argparse.Namespace) -> Classifier:
    """Build the published network."""
    config = conv_transformer.Config(width=options.width, depth=options.depth)
    head = HeadConfig((options.width,), dropout=0.0, norm=False, pool="max", activation="none")
    return Classifier(conv_transformer.Backbone(config, LEADS), LABELS, head)


def draw(options: argparse.Namespace) -> tuple[Labeled, Unlabeled]:
    """Make a batch up."""
    batch, device = options.batch, options.device
    signals = [torch.randn(batch, LEADS, SAMPLES, device=device) for _ in range(3)]
    target = (torch.rand(batch, len(LABELS), device=device) < 0.1).float()
    index = torch.arange(batch, device=device)
    return Labeled(signals[0], target), Unlabeled(signals[1], [signals[2]], index, batch)


def hold_equal(options: argparse.Namespace) -> None:
    """Raise if ours and the plain one differ in loss or gradient."""
    found = []
    for variant in (Variant(plain), Variant()):
        training = Training(variant, options, p=0.0)
        loss = training.loss()
        loss.backward()
        squares = [p.grad.double().square().sum() for p in training.parameters]
        found.append((float(loss.detach()), float(sum(squares)) ** 0.5))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=0.0)
    print(f"loss and length of the gradient: {found[0]} plain, {found[1]} ours\n")


def resident(field: str) -> int:
    """Read from Linux how many bytes of this process are in memory, or were at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def weigh(name: str, options: argparse.Namespace, answer: Connection) -> None:
    """Send how many bytes steps take, weights that learn, and operations of a step."""
    torch.set_num_threads(1)
    variant = VARIANTS[options.device][name]
    training = Training(variant, options, p=0.0)
    cuda = training.device.type == "cuda"
    before = torch.cuda.memory_allocated() if cuda else resident("VmRSS")
    for _ in range(3):
        training()
    taken = (torch.cuda.max_memory_allocated() if cuda else resident("VmHWM")) - before
    learning = sum(p.numel() for p in training.parameters)
    with FlopCounterMode(display=False, custom_mapping=UNCOUNTED) as counter:
        training()
    answer.send((taken, learning, counter.get_total_flops()))


def weigh_apart(name: str, options: argparse.Namespace) -> tuple[int, int, int]:
    """Do so in a process of its own."""
    # C's allocator gives big pieces back at once, or its holes make a peak vary by a fifth
    os.environ["MALLOC_MMAP_THRESHOLD_"] = str(2**16)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=weigh, args=(name, options, there))
    process.start()
    there.close()  # so that a process that fails is not waited for
    found = here.recv()
    process.join()
    return found


def seconds(trainings: dict[str, Training], device: torch.device) -> dict[str, float]:
    """Time steps in turns; return the median seconds of one of each."""
    times: dict[str, list[float]] = {name: [] for name in trainings}
    for _ in range(1 + ROUNDS):
        for name, training in trainings.items():
            began = now(device)
            training()
            times[name].append(now(device) - began)
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def compare(options: argparse.Namespace) -> None:
    """Print what steps of all variants take."""
    variants = VARIANTS[options.device]
    weights = {name: weigh_apart(name, options) for name in variants}
    trainings = {name: Training(variant, options) for name, variant in variants.items()}
    times = seconds(trainings, torch.device(options.device))
    first, last = next(iter(variants)), list(variants)[-1]  # the plain one and FixMatch
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    for name, value in times.items():
        taken, learning, operations = weights[name]
        row = [name, f"{1e3 * value:.0f}", f"{times[first] / value:.2f}"]
        row += [f"{times[last] / value:.2f}", f"{2 * options.batch / value:.1f}"]
        row += [f"{taken / 2**20:.0f}", f"{taken / weights[first][0]:.2f}", f"{learning:,}"]
        row += [f"{4e-6 * learning:.1f}", f"{1e-9 * operations:.0f}"]
        print(f"| {' | '.join(row)} |", flush=True)


def break_down(variant: Variant, options: argparse.Namespace) -> None:
    """Print where the time of a step of ours goes."""
    training = Training(variant, options)
    training()
    parts = [training.parts() for _ in range(ROUNDS)]
    times = {name: statistics.median(each[name] for each in parts) for name in parts[0]}
    print("\n| part of a step | ms | share |\n|---|---|---|")
    for name, value in times.items():
        print(f"| {name} | {1e3 * value:.0f} | {value / sum(times.values()):.0%} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--batch", type=int, default=16, help="labeled, and as many unlabeled")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--rank", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = f"{options.width} wide, {options.depth} deep, rank {options.rank}"
    size = f"{options.batch} + {options.batch} x {LEADS} x {SAMPLES}"
    print(f"torch {torch.__version__}, {options.device}, {network}, {size}")
    hold_equal(options)
    compare(options)
    break_down(Variant(bfloat16=options.device == "cuda"), options)


if __name__ == "__main__":
    main()
