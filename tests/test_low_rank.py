"""Layers with low-rank updates against plain layers whose weight is the sum."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ecgpipe.adapters import _low_rank
from ecgpipe.adapters._low_rank import Site, Update, attach_updates, updates
from ecgpipe.model import Backbone, Classifier, build_backbone

LAYERS = {
    "linear": lambda: nn.Linear(6, 12),
    "stacked": lambda: nn.Linear(6, 12),  # three weights, as queries, keys and values
    "convolution": lambda: nn.Conv1d(6, 12, 5, padding=2),
    "map": lambda: nn.Conv2d(6, 12, (1, 5), (1, 2), (0, 2), bias=False),
    "strided": lambda: nn.Conv1d(6, 12, 5, stride=3, padding=1),
    "dilated": lambda: nn.Conv1d(6, 12, 3, dilation=4, bias=False),
    "same": lambda: nn.Conv1d(6, 12, 5, padding="same"),
    "grouped": lambda: nn.Conv1d(6, 12, 5, groups=3, padding=2),
    "circular": lambda: nn.Conv1d(6, 12, 5, padding=2, padding_mode="circular"),
}


class Chosen(Update):
    """An update that can be left out."""

    off = False

    def factors(self):
        return None if self.off else super().factors()


class OneLayer(Backbone):
    """A backbone of a single layer, named as the stacked weights of a transformer are."""

    dim = 12

    def __init__(self, kind):
        super().__init__()
        self.part = nn.ModuleDict({"qkv" if kind == "stacked" else kind: LAYERS[kind]()})

    @property
    def layer(self):
        return next(iter(self.part.values()))

    def stem(self, signal):
        return signal[:, :, None] if isinstance(self.layer, nn.Conv2d) else signal

    def trunk(self, stemmed):
        if isinstance(self.layer, nn.Linear):
            return self.layer(stemmed.mT)
        return self.layer(stemmed).flatten(2).mT


@pytest.fixture(params=LAYERS)
def adapted(request):
    """A layer with an update that is no longer zero, and a plain one of the summed weight."""
    torch.manual_seed(0)
    network = Classifier(OneLayer(request.param), ("label",)).double()
    plain = deepcopy(network.backbone)
    attach_updates(network, lambda site: Chosen(site, 2), biases=True)
    (update,) = updates(network).values()
    nn.init.normal_(update.up)
    assert len(update.up) == (3 if request.param == "stacked" else 1)
    return network.backbone, update, plain


def gradients(backbone, signal, *more):
    """Return outputs and the gradients of signal, bias and more, for random ones of outputs."""
    signal = signal.clone().requires_grad_()
    output = backbone(signal)
    bias = [] if backbone.layer.bias is None else [backbone.layer.bias]
    torch.manual_seed(1)
    return output, *torch.autograd.grad(
        (output * torch.randn_like(output)).sum(), [signal, *bias, *more]
    )


def test_output_and_gradients_are_those_of_the_summed_weight(adapted):
    backbone, update, plain = adapted
    signal = torch.randn(4, 6, 50, dtype=torch.float64)
    weight = plain.layer.weight.data
    up, down = (factor.detach().requires_grad_() for factor in (update.up, update.down))
    del plain.layer.weight
    plain.layer.weight = weight + torch.cat([u @ d for u, d in zip(up, down, strict=True)]).view(
        weight.shape
    )
    expected = gradients(plain, signal, up, down)
    for got, wanted in zip(
        gradients(backbone, signal, update.up, update.down), expected, strict=True
    ):
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-10)


def test_without_factors_a_layer_is_as_it_was(adapted):
    backbone, update, plain = adapted
    update.off = True
    signal = torch.randn(4, 6, 50, dtype=torch.float64)
    for got, wanted in zip(gradients(backbone, signal), gradients(plain, signal), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-10)


@torch.no_grad()
def test_what_merging_adds_is_told_beforehand(adapted):
    backbone, update, plain = adapted
    network = Classifier(backbone, ("label",))
    ((name, (up, down)),) = _low_rank.merged_factors(network).items()
    _low_rank.merge_updates(network)
    added = torch.cat([u @ d for u, d in zip(up, down, strict=True)])
    expected = plain.layer.weight + added.view(plain.layer.weight.shape)
    torch.testing.assert_close(network.get_parameter(name), expected)
    assert type(backbone.layer) is type(plain.layer)


@pytest.mark.parametrize("kind", ["linear", "convolution"])
def test_autocast_computes_as_a_plain_layer_does(kind):
    network = Classifier(OneLayer(kind), ("label",))
    plain = deepcopy(network.backbone)
    attach_updates(network, lambda site: Update(site, 2), biases=True)
    (update,) = updates(network).values()
    signal = torch.randn(4, 6, 50)
    with torch.autocast("cpu", torch.bfloat16):
        got = gradients(network.backbone, signal, update.up)
        expected = gradients(plain, signal)
    for one, other in zip(got, expected, strict=False):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-1)
        assert one.dtype == other.dtype
    assert got[-1].dtype == torch.float32 and got[-1].any()


def operations(network, signal):
    """Count the floating-point operations of one pass forward and backward."""
    with FlopCounterMode(display=False) as counter:
        network(signal).sum().backward()
    return counter.get_total_flops()


@pytest.mark.parametrize(("off", "share"), [(False, 0.73), (True, 0.68)])
def test_a_pass_takes_three_quarters_of_the_operations_of_full_finetuning(off, share):
    backbone = build_backbone({"name": "conv_transformer", "width": 64, "depth": 1}, 12, "tests")
    network, signal = Classifier(backbone, ("label",)), torch.zeros(2, 12, 6144)
    full = operations(network, signal)
    attach_updates(network, lambda site: Chosen(site, 4), biases=True)
    for update in updates(network).values():
        update.off = off
    assert operations(network, signal) < share * full


def test_queries_keys_and_values_have_factors_of_their_own():
    layer = nn.Linear(4, 12)
    site = Site("backbone.0.qkv", layer, 3)
    assert (site.outputs, site.inputs, site.in_head) == (4, 4, False)
    assert Update(site, 2).up.shape == (3, 4, 2)
