"""The network of MetaVA: published sizes, and whom its norms let see whom."""

import pytest
import torch
from torch import nn

from ecgpipe import registry
from ecgpipe.heads import HeadConfig
from ecgpipe.model import Classifier, build_backbone


def build(**config):
    torch.manual_seed(0)
    return build_backbone({"name": "va_net", **config}, 1, "tests")


@pytest.mark.parametrize(
    ("width", "dim", "published"), [(64, 16, 78_034), (128, 16, 87_250), (64, 64, 315_202)]
)
def test_the_weights_that_learn_are_as_many_as_published(width, dim, published):
    network = build(width=width, dim=dim)
    of_head = 2 * dim + 2  # two classes
    assert sum(p.numel() for p in network.parameters()) + of_head == published


def test_convolutions_and_perceptron_multiply_as_often_as_published():
    network, multiplied = build(), []

    def count(layer, given, made):
        multiplied.append(layer.weight.numel() * made.numel() // len(layer.weight))

    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    for layer in [*layers, network.transformer.widen, network.transformer.narrow]:
        layer.register_forward_hook(count)
    network(torch.randn(1, 1, 500))
    assert round(sum(multiplied) / 1e6, 2) == 17.46


def test_two_seconds_are_fifty_tokens():
    assert build().eval()(torch.randn(2, 1, 500)).shape == (2, 50, 64)


def test_a_window_is_judged_alike_in_any_company_in_training():
    network, signal = build(dropout=0.0), torch.randn(4, 1, 500)
    network.train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    torch.testing.assert_close(network(signal)[:1], network(signal[:1]))


def test_a_layer_computes_what_the_frameworks_does():
    layer = build(dim=16, hidden=32).transformer.eval()
    other = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True).eval()
    renamed = {
        "qkv.weight": "self_attn.in_proj_weight",
        "qkv.bias": "self_attn.in_proj_bias",
        "out": "self_attn.out_proj",
        "widen": "linear1",
        "narrow": "linear2",
        "norms.0": "norm1",
        "norms.1": "norm2",
    }
    weights = {}
    for name, value in layer.state_dict().items():
        own = max((key for key in renamed if name.startswith(key)), key=len)
        weights[name.replace(own, renamed[own])] = value
    other.load_state_dict(weights)
    tokens = torch.randn(3, 50, 16)
    torch.testing.assert_close(layer(tokens), other(tokens))


@pytest.mark.parametrize(
    ("told", "said"), [({"width": 0}, "positive"), ({"dim": 20}, "multiples of the 8 groups")]
)
def test_a_size_that_cannot_be_is_refused(told, said):
    with pytest.raises(ValueError, match=said):
        build(**told)


@pytest.mark.parametrize("adapter", ["norm", "bias"])
def test_norms_can_learn_where_convolutions_do_not(adapter):
    backbone = build(width=16, dim=16, hidden=32)
    network = Classifier(backbone, ("VA",), HeadConfig(pool="mean", norm=False, dropout=0.0))
    chosen = registry.load("adapters", adapter)
    chosen.attach(network, chosen.Config(), None)
    network.train()(torch.randn(8, 1, 500)).square().sum().backward()
    learning = [p for p in backbone.parameters() if p.requires_grad]
    assert learning and all(p.grad.isfinite().all() and p.grad.any() for p in learning)
