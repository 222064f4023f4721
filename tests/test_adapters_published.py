"""The adapters against counts made by hand, and LoRA against its formula."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from ecgpipe import registry
from ecgpipe.adapters import lora
from ecgpipe.model import Backbone, Classifier, build_backbone

HEAD = 2 * 512 + 512 * 71 + 71
NORMS = 32 + 32 + 64 + 16 * (64 + 64 + 256) + 256  # channels of all batch norms
RANK_8 = 8 * (
    (60 + 32) + (160 + 32) + (160 + 64)  # stem: inputs times kernel, and outputs
    + 2 * (64 + 256) + (64 + 64) + (320 + 64)  # first block
    + 15 * ((256 + 64) + (320 + 64) + (64 + 256))
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "learning"),
    [
        ("full", 923_847),
        ("probe", HEAD),
        ("bias", HEAD + NORMS),
        ("norm", HEAD + 2 * NORMS),
        ("lora", HEAD + RANK_8),
    ],
)
def test_of_xresnet1d50_as_much_learns_as_counted_by_hand(name, learning):
    labels = tuple(f"label {i}" for i in range(71))
    network = Classifier(build_backbone({"name": "xresnet1d"}, 12, "tests"), labels)
    adapter = registry.load("adapters", name)
    adapter.attach(network, adapter.Config(), None)
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == learning


class OneLayer(Backbone):
    """A backbone of a single layer."""

    dim = 12

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def stem(self, signal):
        return signal

    def trunk(self, stemmed):
        if any(isinstance(layer, nn.Linear) for layer in self.modules()):
            return self.layer(stemmed.transpose(1, 2))
        return self.layer(stemmed).transpose(1, 2)


LAYERS = {
    "linear": lambda: nn.Linear(6, 12),
    "convolution": lambda: nn.Conv1d(6, 12, 5, padding=2),
    "strided": lambda: nn.Conv1d(6, 12, 5, stride=3, padding=1),
    "dilated": lambda: nn.Conv1d(6, 12, 3, dilation=4, bias=False),
    "grouped": lambda: nn.Conv1d(6, 12, 5, groups=3, padding=2),
    "depthwise": lambda: nn.Conv1d(6, 12, 9, groups=6),
    "circular": lambda: nn.Conv1d(6, 12, 5, padding=2, padding_mode="circular"),
}


@pytest.fixture(params=LAYERS)
def adapted(request):
    """A layer with an update that is no longer zero, the layer as it was, and the update."""
    torch.manual_seed(0)
    layer = LAYERS[request.param]().double()
    plain = deepcopy(layer)
    network = Classifier(OneLayer(layer), ("label",))
    lora.attach(network, lora.Config(rank=2, alpha=6.0), None)
    update = layer.parametrizations.weight[0]
    nn.init.normal_(update.up)
    return network, plain, update


@torch.no_grad()
def test_a_layer_computes_with_its_weight_plus_alpha_over_rank_times_the_factors(adapted):
    network, plain, update = adapted
    product = np.einsum("or,rm->om", update.up.numpy(), update.down.numpy())
    plain.weight += 6 / 2 * torch.from_numpy(product).view_as(plain.weight)
    signal = torch.randn(4, 6, 50, dtype=torch.float64)
    torch.testing.assert_close(network.backbone(signal), OneLayer(plain)(signal))
    lora.merge(network)
    torch.testing.assert_close(network.backbone.layer.weight, plain.weight)
    torch.testing.assert_close(network.backbone(signal), OneLayer(plain)(signal))


@torch.no_grad()
def test_a_second_path_beside_the_layer_computes_the_same(adapted):
    network, plain, update = adapted
    if isinstance(plain, nn.Linear):
        down, up = nn.Linear(6, 2, bias=False), nn.Linear(2, 12, bias=False)
        groups = 1
    else:
        groups, taken = plain.groups, (plain.kernel_size, plain.stride, plain.padding)
        shape = {"bias": False, "groups": groups}
        more = {"dilation": plain.dilation, "padding_mode": plain.padding_mode}
        down = nn.Conv1d(6, 2 * groups, *taken, **shape, **more)
        up = nn.Conv1d(2 * groups, 12, 1, **shape)
    down.weight = nn.Parameter(update.down.repeat(groups, 1).view(down.weight.shape))
    up.weight = nn.Parameter(update.up.view(up.weight.shape))
    signal = torch.randn(4, 6, 50, dtype=torch.float64)
    expected = OneLayer(plain)(signal) + 3 * OneLayer(nn.Sequential(down, up))(signal)
    torch.testing.assert_close(network.backbone(signal), expected)


@pytest.mark.parametrize(("outputs", "inputs", "rank"), [(2, 3, 1), (32, 60, 8), (8, 8, 4)])
def test_a_small_weight_gets_a_rank_at_which_its_factors_are_no_larger(outputs, inputs, rank):
    update = lora.Update(torch.zeros(outputs, inputs), lora.Config(rank=8))
    assert len(update.down) == rank


@pytest.mark.parametrize("wrong", [{"rank": 0}, {"alpha": 0.0}])
def test_impossible_settings_of_lora_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} {next(iter(wrong.values()))}"):
        lora.Config(**wrong)
