"""Time the contrastive loss against the same loss position by position, and take peak memories.

    OMP_NUM_THREADS=1 python benchmarks/cpc_loss.py [--batch 4] [--tokens 1000]

Forward and gradient, 128 negatives of the same record, 12 tokens ahead, on the GPU if there is
one. Each form runs in a process of its own, from the same draws, so that its peak is its own; on a
CPU times are the process's own.
"""

import argparse
import multiprocessing
import resource
import statistics
import time
from multiprocessing.connection import Connection

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ecgpipe.objectives.cpc import compare, info_nce, skip_positive

AHEAD, NEGATIVES = 12, 128


def at_once(predicted: Tensor, latent: Tensor, candidate: Tensor) -> Tensor:
    """Take the loss as the objective does."""
    return info_nce(compare(predicted, latent, candidate))


def by_position(predicted: Tensor, latent: Tensor, candidate: Tensor) -> Tensor:
    """Gather the candidates of one position after the other, as published."""
    first = torch.zeros(len(latent), dtype=torch.long, device=latent.device)
    losses = []
    for i in range(predicted.shape[1]):
        places = candidate[:, i, :, None].expand(-1, -1, latent.shape[2])
        score = (latent.gather(1, places) * predicted[:, i, None]).sum(dim=2)
        losses.append(cross_entropy(score, first))
    return torch.stack(losses).mean()


FORMS = {"position by position": by_position, "one product": at_once}


def draw(options: argparse.Namespace, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Draw contexts, latents and candidates."""
    torch.manual_seed(0)
    batch, tokens, width = options.batch, options.tokens, options.width
    places = tokens - AHEAD
    latent = torch.randn(batch, tokens, width, device=device) / width**0.25
    predicted = torch.randn(batch, places, width, device=device) / width**0.25
    drawn = torch.randint(tokens - 1, (batch, places, NEGATIVES), device=device)
    positive = (AHEAD + torch.arange(places, device=device))[:, None].expand(batch, -1, 1)
    candidate = torch.cat([positive, skip_positive(drawn, tokens, AHEAD)], dim=2)
    return predicted.requires_grad_(), latent.requires_grad_(), candidate


def now(device: torch.device) -> float:
    """Read the clock: on a CPU that of this process, on a GPU the wall's, all work done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def peak(device: torch.device) -> int:
    """Return the bytes taken at most so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(form: str, options: argparse.Namespace, answer: Connection) -> None:
    """Send seconds, bytes beyond those of the inputs, loss and norm of the gradients."""
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    predicted, latent, candidate = draw(options, device)
    before, times = peak(device), []
    for _ in range(options.repeats[form]):
        predicted.grad = latent.grad = None
        began = now(device)
        loss = FORMS[form](predicted, latent, candidate)
        loss.backward()
        times.append(now(device) - began)
    taken = peak(device) - before
    assert predicted.grad is not None and latent.grad is not None
    norm = float(predicted.grad.norm() + latent.grad.norm())
    answer.send((statistics.median(times), taken, float(loss.detach()), norm))


def main() -> None:
    """Measure both, check that they agree, print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=1000)
    parser.add_argument("--width", type=int, default=512)
    options = parser.parse_args()
    options.repeats = {"position by position": 1, "one product": 9}
    print(f"torch {torch.__version__}, {options.batch} x {options.tokens} x {options.width}")
    print("| form | s | times as fast | MiB beyond the inputs | loss |\n|---|---|---|---|---|")
    context, found = multiprocessing.get_context("spawn"), {}
    for form in FORMS:
        here, there = context.Pipe()
        process = context.Process(target=measure, args=(form, options, there))
        process.start()
        found[form] = here.recv()
        process.join()
        seconds, taken, loss, norm = found[form]
        ratio = found["position by position"][0] / seconds
        row = [form, f"{seconds:.3f}", f"{ratio:.0f}", f"{taken / 2**20:.0f}", f"{loss:.6f}"]
        print(f"| {' | '.join(row)} |", flush=True)
        assert abs(norm - found["position by position"][3]) < 1e-4 * norm


if __name__ == "__main__":
    main()
