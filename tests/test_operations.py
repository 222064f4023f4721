"""Operations are counted in fused kernels too; expected numbers are sums over weights by hand."""

import torch
from torch import nn

from ecgpipe.model import Backbone, Classifier, build_backbone
from ecgpipe.operations import count_operations


class Alone(Backbone):
    """A network that gives tokens."""

    def __init__(self, network):
        super().__init__()
        self.network, self.dim = network, 16

    def forward(self, signal):
        out = self.network(signal.transpose(1, 2))
        return out[0] if isinstance(out, tuple) else out


def count(network, batch=1, time=50):
    return count_operations(Classifier(Alone(network)), torch.zeros(batch, 8, time))


def test_a_linear_layer_takes_two_operations_a_weight_and_sample():
    assert count(nn.Linear(8, 16)) == 2 * 50 * 8 * 16


def test_recurrent_layers_are_counted_in_all_directions():
    weights = 2 * (4 * 16 * (8 + 16)) + 2 * (4 * 16 * (32 + 16))
    network = nn.LSTM(8, 16, 2, batch_first=True, bidirectional=True)
    assert count(network) == 2 * 50 * weights
    assert count(nn.GRU(8, 16, batch_first=True)) == 2 * 50 * 3 * 16 * (8 + 16)


def test_the_operations_of_a_batch_are_those_of_its_crops():
    network = nn.LSTM(8, 16, batch_first=True)
    assert count(network, batch=3) == 3 * count(network)


def test_attention_counts_both_products():
    backbone = build_backbone({"name": "vit1d", "dim": 8, "depth": 1, "heads": 2}, 12, "here")
    operations = count_operations(Classifier(backbone), torch.zeros(1, 12, 250))
    weights = {name: p.numel() for name, p in backbone.named_parameters() if p.dim() == 2}
    embedded = weights.pop("embed.weight")
    within = sum(weights.values()) - weights.pop("registers")
    patches, tokens = 10, 11  # a register joins the patches
    assert operations == 2 * patches * embedded + 2 * tokens * within + 2 * 2 * tokens**2 * 8
