"""Several processes as one: started by `torchrun`, each takes its share of every global batch."""

import logging
import os
import sys
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def start(processes: int = 1) -> torch.device:
    """Join the other processes, starting them if there are none yet; return the own device."""
    if processes > 1 and "WORLD_SIZE" not in os.environ:
        run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        os.execv(sys.executable, [sys.executable, *run, "-m", "ecgpipe", *sys.argv[1:]])
    cuda = torch.cuda.is_available()
    if "WORLD_SIZE" in os.environ and not dist.is_initialized():
        dist.init_process_group("nccl" if cuda else "gloo")
        logging.getLogger().setLevel(logging.INFO if rank() == 0 else logging.WARNING)
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", emptiest())))
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def emptiest() -> int:
    """Choose the GPU with the most free memory: trainings that run at once spread out."""
    free = [torch.cuda.mem_get_info(device)[0] for device in range(torch.cuda.device_count())]
    return free.index(max(free))


def size() -> int:
    """Count the processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number this process."""
    return dist.get_rank() if dist.is_initialized() else 0


def share(index: Tensor) -> Tensor:
    """Take this process's part of a global batch."""
    if len(index) % size():
        raise ValueError(
            f"a batch of {len(index)} records cannot be shared by {size()} processes; "
            "set `batch` and `unlabeled` of the fit to multiples of their number"
        )
    return index.tensor_split(size())[rank()]


def diverge(generator: torch.Generator) -> None:
    """Let each process draw its own from here on; a single one goes on as it is."""
    if size() > 1:
        generator.manual_seed(generator.initial_seed() + 1 + rank())


def average_gradients(parameters: list[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes, in one exchange."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if size() == 1 or not gradients:
        return
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= size()
    torch._foreach_copy_(
        gradients,
        [
            v.view_as(g)
            for v, g in zip(flat.split([g.numel() for g in gradients]), gradients, strict=True)
        ],
    )


def mean(values: Tensor) -> Tensor:
    """Average a tensor over the processes."""
    if size() > 1:
        dist.all_reduce(values)
        values /= size()
    return values


def gather(values: Tensor) -> Tensor:
    """Put the shares of all processes together again; gradients find their way back."""
    if size() == 1:
        return values
    whole = values.new_zeros((size(), *values.shape))
    whole[rank()] = values
    return _Sum.apply(whole).flatten(0, 1)


class _Sum(torch.autograd.Function):
    """Sum over the processes; the gradient of a sum is summed back."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


class SharedBatchNorm(_BatchNorm):
    """Batch norm over the global batch, on any device (the framework's own needs a GPU)."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Take (batch, channel, ...) of any shape."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise over the batch and every axis behind the channel."""
        if not self.training:
            return super().forward(input)
        axes = [axis for axis in range(input.dim()) if axis != 1]
        values = input.to(torch.promote_types(input.dtype, torch.float32))
        shape = [1, -1] + [1] * (input.dim() - 2)
        n = values.numel() / values.shape[1] * size()  # every process has the same share
        average = _Sum.apply(values.sum(axes)) / n
        variance = _Sum.apply((values - average.view(shape)).square().sum(axes)) / n
        self.follow(average.detach(), (variance * n / (n - 1)).detach())
        scale = self.weight * (variance + self.eps).rsqrt()
        shift = self.bias - average * scale
        return (values * scale.view(shape) + shift.view(shape)).to(input.dtype)

    def follow(self, average: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards those of a batch."""
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(average, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def share_statistics(module: nn.Module) -> None:
    """Let every batch norm in a module see the global batch, where there are several processes."""
    if size() == 1:
        return
    for norm in module.modules():
        if isinstance(norm, _BatchNorm):
            norm.__class__ = SharedBatchNorm
