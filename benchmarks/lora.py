"""LoRA on the weight side and on the activation side against full finetuning, forward and backward.

`python benchmarks/lora.py` measures on the GPU, if there is one, otherwise in one CPU thread, and
prints one table: milliseconds of full finetuning, and how many times as fast the others are.
"""

import argparse
import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from train_step import LABELS, LEADS, build, seconds

from ecgpipe.adapters import full, lora, probe
from ecgpipe.model import Classifier


class ActivationSide(nn.Module):
    """The same update as `lora.Update`, by a second path through two small convolutions."""

    def __init__(self, layer: nn.Conv2d, update: lora.Update) -> None:
        super().__init__()
        self.layer, self.scale = layer, update.scale
        rank = len(update.down)
        self.down = nn.Conv2d(
            layer.in_channels, rank, layer.kernel_size, layer.stride, layer.padding, bias=False
        )
        self.up = nn.Conv2d(rank, layer.out_channels, 1, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, signal: Tensor) -> Tensor:
        """Add the second path to the first."""
        return self.layer(signal) + self.scale * self.up(self.down(signal))


def attach_to_activations(model: Classifier, config: lora.Config) -> None:
    """Do on the other side what `lora.attach` does."""
    probe.attach(model, probe.Config(), None)
    for module in list(model.backbone.modules()):
        for name, layer in list(module.named_children()):
            if isinstance(layer, nn.Conv2d):
                update = lora.Update(layer.weight, config)
                setattr(module, name, ActivationSide(layer, update))


def build_variants(depth: int, rank: int) -> dict[str, Classifier]:
    """Build the same network under each adapter."""
    models = {name: build(depth) for name in ("full", "weight side", "activation side", "probe")}
    config = lora.Config(rank=rank, alpha=rank)
    full.attach(models["full"], full.Config(), None)
    lora.attach(models["weight side"], config, None)
    attach_to_activations(models["activation side"], config)
    probe.attach(models["probe"], probe.Config(), None)
    return models


def pass_of(
    model: Classifier, device: torch.device, bfloat16: bool, batch: int, length: int
) -> Callable[[], None]:
    """Make a function that goes forward and backward once."""
    model.to(device).train()
    signal = torch.randn(batch, LEADS, length, device=device)
    target = (torch.rand(batch, len(LABELS), device=device) < 0.05).float()

    def forward_and_backward() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            loss = binary_cross_entropy_with_logits(model(signal), target)
        model.zero_grad()
        loss.backward()

    return forward_and_backward


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rank", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(f"torch {torch.__version__}, {device}, batch {options.batch}, rank {options.rank}")
    print("| network | samples | precision | full, ms | weight side | activation side | probe |")
    print("|---|---|---|---|---|---|---|")
    for depth, length, bfloat16 in itertools.product((18, 50), (250, 1000), (False, True)):
        passes = {
            name: pass_of(model, device, bfloat16, options.batch, length)
            for name, model in build_variants(depth, options.rank).items()
        }
        times = seconds(passes, device)
        base = times.pop("full")
        precision = "bfloat16" if bfloat16 else "float32"
        row = [f"xresnet1d{depth}", str(length), precision, f"{1e3 * base:.1f}"]
        row += [f"{base / value:.2f}" for value in times.values()]
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
