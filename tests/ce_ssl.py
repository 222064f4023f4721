"""The network of CE-SSL, and weights and signals on which its authors' code was run."""

import math

import torch

from ecgpipe.heads import HeadConfig
from ecgpipe.model import Classifier, build_backbone

MEDIUM, LARGE = {"width": 512, "depth": 12}, {"width": 768, "depth": 12}
TINY = {"width": 64, "depth": 1}


def build(labels=6, **config):
    """Build the published classifier."""
    backbone = build_backbone({"name": "conv_transformer", **config}, 12, "tests")
    head = HeadConfig((backbone.dim,), dropout=0.0, norm=False, pool="max", activation="none")
    return Classifier(backbone, tuple(f"label {i}" for i in range(labels)), head)


def sines(number, *shape):
    """Fill the tensor of a number as the reference does."""
    place = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(0.37 * (place + 1) + number).view(shape)


@torch.no_grad()
def fill(number, *modules):
    """Set weights and biases of modules from a number on; norms lie about one."""
    for i, module in enumerate(modules):
        weight, first = module.weight, number + 2 * i
        norm = weight.dim() == 1
        wave = sines(first, *weight.shape)
        weight.copy_(1 + 0.1 * wave if norm else wave / math.sqrt(weight[0].numel()))
        module.bias.copy_(0.1 * sines(first + 1, *module.bias.shape))


@torch.no_grad()
def fill_attention(number, attention):
    """Set what the authors keep as (input, output)."""
    fill(number, attention.qkv, attention.out)
    for i, layer in enumerate((attention.qkv, attention.out)):
        weight = sines(number + 2 * i, *layer.weight.mT.shape).mT
        layer.weight.copy_(weight / math.sqrt(weight.shape[1]))


def build_tiny():
    """Build the tiny network with the weights of the reference, in float64."""
    network = build(**TINY).double()
    for i, block in enumerate(network.backbone.blocks):
        main = block.main
        fill(10 * i, main[0], main[1], main[3], main[4], block.skip[1])
    (layer,) = network.backbone.transformer
    fill_attention(30, layer.attention)
    fill(34, *layer.norms, layer.widen, layer.narrow)
    fill(42, *(each for each in network.head.layers if isinstance(each, torch.nn.Linear)))
    return network


def signals(records, first=0):
    """Write the signals of the reference."""
    record = first + torch.arange(records, dtype=torch.float64)[:, None, None]
    lead = torch.arange(12, dtype=torch.float64)[:, None]
    time = torch.arange(6144, dtype=torch.float64)
    fast, slow = 0.013 * (record + 1) * time + 0.5 * lead, 0.0007 * (lead + 1) * time + record
    return torch.sin(fast) + 0.3 * torch.cos(slow)
