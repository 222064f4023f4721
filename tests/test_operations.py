"""Operations are counted in fused kernels too; expected numbers are sums over weights by hand."""

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from ecgpipe.heads import Head, HeadConfig
from ecgpipe.model import Backbone, Classifier, build_backbone
from ecgpipe.operations import Counter, count_operations


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


def forth_and_back(network, signal):
    """Count one step of learning."""
    with Counter() as counter:
        out = network(signal)
        (out[0] if isinstance(out, tuple) else out).sum().backward()
    return counter.operations


def test_the_way_back_takes_as_much_for_each_gradient_asked_for():
    signal, layer = torch.randn(5, 8), nn.Linear(8, 16)
    assert forth_and_back(layer, signal) == 2 * 2 * 5 * 8 * 16
    assert forth_and_back(layer, signal.requires_grad_()) == 3 * 2 * 5 * 8 * 16
    assert forth_and_back(layer.requires_grad_(False), signal) == 2 * 2 * 5 * 8 * 16


@pytest.mark.parametrize("groups", [1, 4])
def test_convolutions_in_groups_take_less_either_way(groups):
    layer = nn.Conv1d(8, 16, 3, padding=1, groups=groups)
    signal = torch.randn(5, 8, 50, requires_grad=True)
    assert forth_and_back(layer, signal) == 3 * 2 * 5 * 50 * 3 * 8 * 16 // groups


def test_the_way_back_through_a_transposed_convolution_is_counted():
    layer, signal = nn.ConvTranspose1d(8, 16, 4, stride=2), torch.randn(5, 8, 50)
    assert forth_and_back(layer, signal.requires_grad_()) == 3 * 2 * 5 * 50 * 4 * 8 * 16


def test_the_kernel_of_a_recurrent_layer_takes_every_gradient():
    network = nn.LSTM(8, 16, batch_first=True, bidirectional=True)
    assert forth_and_back(network, torch.randn(5, 50, 8)) == 3 * 2 * 5 * 50 * 2 * 64 * (8 + 16)


def test_attention_goes_back_through_five_products():
    asked = torch.randn(3, 5, 2, 11, 4, requires_grad=True)  # queries, keys, values
    operations = forth_and_back(lambda given: scaled_dot_product_attention(*given), asked)
    assert operations == (2 + 5) * 2 * 5 * 2 * 11**2 * 4  # of which one is forward once more


def test_tasks_with_weights_of_their_own_are_counted_together():
    layer, signal = nn.Conv1d(8, 16, 3), torch.randn(3, 5, 8, 52)
    weights = {n: p.detach().expand(3, *p.shape) for n, p in layer.named_parameters()}

    def run(own, signal):
        return torch.func.functional_call(layer, own, (signal,))

    weights = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
    assert forth_and_back(lambda x: torch.vmap(run)(weights, x), signal) == (
        2 * 2 * 3 * 5 * 50 * 3 * 8 * 16
    )


def test_what_is_seen_without_gradient_is_counted_too():
    head = Head(8, 3, HeadConfig(pool="attention", norm=False)).eval()
    with torch.no_grad(), Counter() as counter:
        head(torch.randn(5, 11, 8))
    layers = (1 + 2 * 11 + 1) * 8 * 8 + 8 * 3  # query; keys and values; what was found; labels
    assert counter.operations == 5 * (2 * layers + 2 * 2 * 11 * 8)
