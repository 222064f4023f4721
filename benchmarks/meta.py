"""Meta-training of all tasks at once against a loop over the tasks: tasks per second, and a ratio.

    OMP_NUM_THREADS=2 python benchmarks/meta.py [--threads 2] [--tasks 8] [--size small]

A step adapts the weights to the support of every task, and goes forward and backward on its query.
The loop does the same with the same network and the same windows, one task after the other, in
plain functional calls; both gradients are compared before anything is timed. The last row is
adaptation alone, in patients per second. The two take turns, medians of the wall clock are printed.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import binary_cross_entropy_with_logits

from ecgpipe import inner_loop, per_task
from ecgpipe.backbones import va_net
from ecgpipe.episodes import Episodes, Windows
from ecgpipe.heads import HeadConfig
from ecgpipe.inner_loop import InnerLoop
from ecgpipe.model import Classifier
from ecgpipe.objectives.meta import DESCENTS, Config, Objective

SIZES = {"small": {"width": 32, "dim": 32, "hidden": 128}, "published": {}}
Weights = dict[str, Tensor]  # of one task


def build(algorithm: str, options: argparse.Namespace) -> Objective:
    """Build an objective; nothing is dropped, so that both ways compute the same."""
    torch.manual_seed(0)
    backbone = va_net.Backbone(va_net.Config(**SIZES[options.size]), leads=1)
    model = Classifier(backbone, ("VA",), HeadConfig(pool="mean", norm=False, dropout=0.0))
    inner = InnerLoop(steps=options.steps, batch=options.shots)
    objective = Objective(model, Config(algorithm=algorithm, tasks=options.tasks, inner=inner))
    return objective.to(options.device).eval()


def draw(options: argparse.Namespace) -> Episodes:
    """Draw noise as windows: as many with the label as without it."""
    generator = torch.Generator(options.device).manual_seed(0)
    shape = (options.tasks, 2 * options.shots, 1, options.samples)

    def windows() -> Windows:
        signal = torch.randn(shape, generator=generator, device=options.device)
        target = torch.arange(2, device=options.device).repeat_interleave(options.shots)
        target = target.float().expand(options.tasks, -1)[..., None]
        return Windows(signal, target, torch.ones_like(target[..., 0]))

    return Episodes(windows(), windows(), 2, generator)


def at_once(objective: Objective, batch: Episodes) -> None:
    """Take the gradient as the objective does."""
    objective(batch)["loss"].backward()


def one_by_one(objective: Objective, batch: Episodes) -> None:
    """Take the gradient task by task."""
    config, tasks = objective.config, len(batch.query.signal)
    for task in range(tasks):
        learner, support, query = view(objective, batch, task)
        start = dict(learner.named_parameters())
        adapted = adapt_one(learner, start, support, batch.support.target[task], config)
        with torch.no_grad():
            loss_of(learner, start, query, batch.query.target[task])
        loss = loss_of(learner, adapted, query, batch.query.target[task])
        if config.algorithm == "reptile":
            ways = (start[name] - weight.detach() for name, weight in adapted.items())
            loss = torch.stack([way.square().sum() for way in ways]).sum() / 2
        (loss / tasks).backward()


def view(objective: Objective, batch: Episodes, task: int) -> tuple[nn.Module, Tensor, Tensor]:
    """Return what adapts to a task, and the task's support and query as it sees them."""
    model, support, query = objective.model, batch.support.signal[task], batch.query.signal[task]
    if objective.config.algorithm != "anil":
        return model, support, query
    assert model.head is not None
    return model.head, model.backbone(support), model.backbone(query)


def adapt_one(
    learner: nn.Module, weights: Weights, support: Tensor, target: Tensor, config: Config
) -> Weights:
    """Descend on the whole support, as the inner loop does where its batches are that large."""
    through = DESCENTS[config.algorithm] is inner_loop.adapt_through
    for _ in range(config.inner.steps):
        loss = loss_of(learner, weights, support, target)
        gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=through)
        moved = zip(weights.items(), gradients, strict=True)
        weights = {name: w - config.inner.rate * gradient for (name, w), gradient in moved}
    return weights


def loss_of(learner: nn.Module, weights: Weights, signal: Tensor, target: Tensor) -> Tensor:
    """Return the loss on windows of one task."""
    return binary_cross_entropy_with_logits(functional_call(learner, weights, (signal,)), target)


def adapt_at_once(objective: Objective, batch: Episodes) -> None:
    """Adapt to all patients at once."""
    weights = per_task.stack(objective.model, len(batch.support.signal))
    steps = [batch.support] * objective.config.inner.steps
    inner_loop.adapt(objective.model, weights, steps, objective.config.inner.rate)


def adapt_one_by_one(objective: Objective, batch: Episodes) -> None:
    """Adapt to one patient after the other."""
    start = dict(objective.model.named_parameters())
    for signal, target in zip(batch.support.signal, batch.support.target, strict=True):
        adapt_one(objective.model, start, signal, target, objective.config)


def refuse_different(objective: Objective, batch: Episodes) -> None:
    """Raise where the two ways disagree."""
    gradients = []
    for way in (at_once, one_by_one):
        objective.zero_grad()
        way(objective, batch)
        gradients.append(torch.cat([p.grad.flatten() for p in objective.model.parameters()]))
    difference = float((gradients[0] - gradients[1]).norm() / gradients[1].norm())
    assert difference < 1e-3, f"gradients differ by {difference:.1e} of their length"


def seconds(ways: tuple[Callable[[], None], ...], options: argparse.Namespace) -> list[float]:
    """Time each way in turns; return their medians."""
    times: list[list[float]] = [[] for _ in ways]
    for turn in range(1 + options.rounds):
        for way, found in zip(ways, times, strict=True):
            began = now(options.device)
            way()
            if turn:  # the first is not counted
                found.append(now(options.device) - began)
    return [statistics.median(found) for found in times]


def now(device: str) -> float:
    """Read the wall clock, all work done."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def measure(algorithm: str, options: argparse.Namespace) -> None:
    """Print the row of one algorithm."""
    objective, batch = build(algorithm, options), draw(options)
    refuse_different(objective, batch)
    ways = (lambda: one_by_one(objective, batch), lambda: at_once(objective, batch))
    tell(algorithm, seconds(ways, options), options)


def measure_adaptation(options: argparse.Namespace) -> None:
    """Print the row of adaptation alone."""
    objective, batch = build("fomaml", options), draw(options)
    ways = (lambda: adapt_one_by_one(objective, batch), lambda: adapt_at_once(objective, batch))
    tell("adaptation alone", seconds(ways, options), options)


def tell(name: str, times: list[float], options: argparse.Namespace) -> None:
    """Print a row."""
    speeds = [f"{options.tasks / each:.1f}" for each in times]
    apiece = f"{times[1] / options.tasks:.3g}"
    print(f"| {name} | {' | '.join(speeds)} | {apiece} | {times[0] / times[1]:.2f} |", flush=True)


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--shots", type=int, default=10, help="of each class, and as many to ask")
    parser.add_argument("--steps", type=int, default=5, help="of the inner loop")
    parser.add_argument("--samples", type=int, default=500, help="of a window")
    parser.add_argument("--rounds", type=int, default=9, help="whose median is taken")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = read_options()
    torch.set_num_threads(options.threads)
    shape = f"{options.tasks} tasks x {2 * options.shots} windows x {options.samples}"
    print(f"torch {torch.__version__}, {options.device}, {options.threads} threads, {shape}")
    print("| algorithm | tasks/s, loop | tasks/s, at once | s a task | times as fast |")
    print("|---|---|---|---|---|")
    for algorithm in DESCENTS:
        measure(algorithm, options)
    measure_adaptation(options)


if __name__ == "__main__":
    main()
