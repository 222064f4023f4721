"""ResNet1d and recurrent networks: published sizes, and the papers' equations step by step."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import conv1d
from torch.utils._python_dispatch import TorchDispatchMode

from ecgpipe.backbones.resnet1d import build_block
from ecgpipe.heads import HeadConfig
from ecgpipe.model import Classifier, build_backbone

PUBLISHED_HEAD = HeadConfig(hidden=(512,), dropout=0.0, norm=False, pool="mean")


def build(name, leads=12, **config):
    torch.manual_seed(0)
    return build_backbone({"name": name, **config}, leads, "tests")


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def resnet(depth, labels):
    names = tuple(f"label {i}" for i in range(labels))
    return Classifier(build("resnet1d", depth=depth), names, PUBLISHED_HEAD)


@pytest.mark.parametrize(("depth", "millions"), [(18, "4.11"), (50, "17.0"), (101, "29.3")])
def test_resnet1d_with_its_hidden_layer_has_the_published_size(depth, millions):
    network = resnet(depth, labels=1)
    size = count(network) - count(network.head.layers[-1])
    assert f"{size / 1e6:#.3g}" == millions


@pytest.mark.parametrize(("depth", "labels", "percent"), [(101, 5, 0.01), (18, 10, 0.12)])
def test_of_a_resnet1d_only_the_published_share_stays_behind(depth, labels, percent):
    network = resnet(depth, labels)
    share = count(network.head.layers[-1]) / count(network)
    assert round(100 * share, 2) == percent


@pytest.mark.parametrize(
    ("cell", "bidirectional", "size"),
    [("gru", False, 34_200), ("lstm", False, 45_600), ("lstm", True, 91_200)],
)
def test_a_recurrent_network_has_the_published_size(cell, bidirectional, size):
    assert count(build("rnn", cell=cell, bidirectional=bidirectional)) == size


@pytest.mark.parametrize(("depth", "widen"), [(18, 1), (34, 1), (50, 4)])
def test_each_stage_is_twice_as_wide_and_half_as_long(depth, widen):
    backbone = build("resnet1d", depth=depth).eval()
    maps = [backbone.stem(torch.randn(1, 12, 1000))]
    for stage in backbone.stages:
        maps.append(stage(maps[-1]))
    shapes = [(features.shape[1], features.shape[3]) for features in maps]
    widths = [64 * widen, 128 * widen, 256 * widen, 512 * widen]
    assert shapes == [(64, 250), *zip(widths, [250, 125, 63, 32], strict=True)]


def test_the_first_convolution_spans_seven_samples_and_the_pool_three():
    entry = build("resnet1d", leads=1).eval().entry
    signal = torch.randn(1, 1, 40)
    kernels = entry[0].weight[:, :, 0]
    rectified = (conv1d(signal, kernels, stride=2, padding=3) / (1 + 1e-5) ** 0.5).relu()
    expected = nn.functional.max_pool1d(rectified, 3, stride=2, padding=1)
    torch.testing.assert_close(entry(signal.unsqueeze(2)).squeeze(2), expected)


def normed(features):
    """Normalise by statistics that have seen nothing yet: mean 0, variance 1."""
    return features / (1 + 1e-5) ** 0.5


def kernels(block):
    return [layer.weight[:, :, 0] for layer in block.modules() if isinstance(layer, nn.Conv2d)]


@torch.no_grad()
def test_a_basic_block_is_that_of_the_paper():
    block = build_block(4, 6, 6, stride=2, kernel=3).double().eval()
    signal = torch.randn(2, 4, 21, dtype=torch.float64)
    first, second, shortcut = kernels(block)
    main = normed(conv1d(signal, first, stride=2, padding=1)).relu()
    main = normed(conv1d(main, second, padding=1))
    expected = (main + normed(conv1d(signal, shortcut, stride=2))).relu()
    torch.testing.assert_close(block(signal.unsqueeze(2)).squeeze(2), expected)


@torch.no_grad()
def test_a_bottleneck_strides_in_its_middle():
    block = build_block(4, 3, 12, stride=2, kernel=3).double().eval()
    signal = torch.randn(2, 4, 21, dtype=torch.float64)
    first, second, third, shortcut = kernels(block)
    main = normed(conv1d(signal, first)).relu()
    main = normed(conv1d(main, second, stride=2, padding=1)).relu()
    main = normed(conv1d(main, third))
    expected = (main + normed(conv1d(signal, shortcut, stride=2))).relu()
    torch.testing.assert_close(block(signal.unsqueeze(2)).squeeze(2), expected)


def test_a_block_that_changes_no_shape_passes_on_what_it_is_given():
    assert not list(build_block(8, 8, 8, stride=1, kernel=3).identity.parameters())
    assert not list(build_block(8, 2, 8, stride=1, kernel=3).identity.parameters())


@pytest.mark.parametrize("leads", [1, 12])
def test_tokens_come_out_contiguous(leads):
    assert build("resnet1d", leads)(torch.randn(2, leads, 100)).is_contiguous()


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def gru_step(x, memory, weight, recurrent, bias, recurrent_bias):
    """Cho et al. 2014, where the reset gate lies behind the recurrent product."""
    given = np.split(weight @ x + bias, 3)
    recalled = np.split(recurrent @ memory[0] + recurrent_bias, 3)
    reset, update = (sigmoid(a + b) for a, b in zip(given[:2], recalled[:2], strict=True))
    new = np.tanh(given[2] + reset * recalled[2])
    return ((1 - update) * new + update * memory[0],)


def lstm_step(x, memory, weight, recurrent, bias, recurrent_bias):
    """Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000."""
    hidden, cell = memory
    gates = np.split(weight @ x + bias + recurrent @ hidden + recurrent_bias, 4)
    enter, forget, leave = (sigmoid(gates[i]) for i in (0, 1, 3))
    cell = forget * cell + enter * np.tanh(gates[2])
    return leave * np.tanh(cell), cell


STEPS = {"gru": gru_step, "lstm": lstm_step}


def by_steps(step, signal, weights):
    """Run one direction over a signal (time, lead), in float64; return all hidden states."""
    weights = [weight.detach().double().numpy() for weight in weights]
    memory = (np.zeros(weights[1].shape[1]), np.zeros(weights[1].shape[1]))
    tokens = []
    for x in signal:
        memory = step(x, memory, *weights)
        tokens.append(memory[0])
    return np.stack(tokens)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", STEPS)
def test_a_recurrent_network_computes_what_its_equations_say(cell, bidirectional):
    backbone = build("rnn", leads=2, cell=cell, hidden=5, bidirectional=bidirectional)
    signal = torch.randn(1, 2, 30)
    time = signal[0].T.double().numpy()
    weights = list(backbone.recurrent.parameters())
    expected = [by_steps(STEPS[cell], time, weights[:4])]
    if bidirectional:
        expected.append(by_steps(STEPS[cell], time[::-1], weights[4:])[::-1])
    found = backbone(signal)[0].detach().numpy()
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), atol=1e-6)


class Calls(TorchDispatchMode):
    """Counts the framework's operations by name."""

    def __init__(self):
        super().__init__()
        self.of = Counter()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.of[operation.overloadpacket.__name__] += 1
        return operation(*args, **(kwargs or {}))


def calls(**config):
    backbone, signal = build("rnn", leads=2, hidden=5, **config), torch.randn(3, 2, 40)
    with Calls() as counted:
        backbone(signal)
    return counted.of


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")
@pytest.mark.parametrize(("bidirectional", "directions"), [(False, 1), (True, 2)])
def test_an_lstm_is_one_fused_kernel_a_direction_while_it_learns(bidirectional, directions):
    assert calls(cell="lstm", bidirectional=bidirectional)["mkldnn_rnn_layer"] == directions


def test_a_gru_takes_all_samples_in_at_once():
    counted = calls(cell="gru")
    assert (counted["mm"], counted["addmm"]) == (1, 40)  # samples, then one step each


@torch.no_grad()
@pytest.mark.parametrize("config", [{"cell": "gru", "layers": 2}, {"cell": "lstm"}])
def test_one_direction_has_seen_nothing_of_what_is_to_come(config):
    backbone = build("rnn", leads=3, hidden=8, **config)
    signal = torch.randn(2, 3, 30)
    changed = torch.cat([signal[..., :20], torch.randn(2, 3, 10)], dim=2)
    assert backbone.causal and backbone.width == 3
    torch.testing.assert_close(backbone(changed)[:, :20], backbone(signal)[:, :20])


@torch.no_grad()
def test_two_directions_see_what_is_to_come():
    backbone = build("rnn", leads=3, hidden=8, bidirectional=True)
    signal = torch.randn(1, 3, 30)
    changed = torch.cat([signal[..., :29], torch.randn(1, 3, 1)], dim=2)
    found, other = backbone(signal)[0, 0], backbone(changed)[0, 0]
    assert not backbone.causal
    assert torch.equal(found[:8], other[:8]) and not torch.equal(found[8:], other[8:])


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("length", "tokens"), [(1, 1), (4, 1), (5, 2), (1000, 250)])
def test_a_stride_makes_one_token_of_so_many_samples(bidirectional, length, tokens):
    backbone = build("rnn", stride=4, bidirectional=bidirectional).eval()
    stemmed = backbone.stem(torch.randn(2, 12, length))
    assert stemmed.shape == (2, tokens, backbone.width)
    assert backbone.trunk(stemmed).shape == (2, tokens, backbone.dim)


def test_layers_of_a_network_with_a_convolution_run_from_input_to_output():
    backbone = build("rnn", stride=4)
    assert backbone.layers() == [backbone.encoder, backbone.recurrent]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "resnet1d", "depth": 20}, "depth 20; allowed: 18, 34, 50, 101"),
        ({"name": "resnet1d", "width": 0}, "width 0 must be positive"),
        ({"name": "resnet1d", "kernel": 4}, "kernel 4 odd"),
        ({"name": "rnn", "cell": "elman"}, "cell 'elman'; allowed: gru, lstm"),
        ({"name": "rnn", "hidden": 0}, "hidden 0"),
        ({"name": "rnn", "layers": 0}, "layers 0"),
        ({"name": "rnn", "stride": 0}, "stride 0"),
    ],
)
def test_impossible_settings_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        build_backbone(wrong, 12, "tests")


@pytest.mark.parametrize(
    ("settings", "stays_behind"),
    [
        ({"cell": "gru"}, (93.6, 96.7)),
        ({"cell": "lstm"}, (91.6, 95.6)),
        ({"cell": "lstm", "bidirectional": True}, (91.6, 95.6)),
    ],
)
def test_a_flattened_head_leaves_behind_what_is_published(settings, stays_behind):
    head = HeadConfig(dropout=0.0, norm=False, pool="flatten", tokens=1000)
    for labels, percent in zip((5, 10), stays_behind, strict=True):
        names = tuple(f"label {i}" for i in range(labels))
        network = Classifier(build("rnn", **settings), names, head)
        last = sum(p.numel() for p in network.head.parameters())
        share = 100 * last / sum(p.numel() for p in network.parameters())
        assert share == pytest.approx(percent, abs=0.05)


def test_a_flattened_head_refuses_crops_of_another_length():
    head = HeadConfig(dropout=0.0, norm=False, pool="flatten", tokens=50)
    network = Classifier(build("rnn", 2, hidden=4), ("a",), head)
    assert network(torch.zeros(2, 2, 50)).shape == (2, 1)
    with pytest.raises(ValueError, match="50 tokens was given 40"):
        network(torch.zeros(2, 2, 40))
    with pytest.raises(ValueError, match="needs the number of tokens"):
        HeadConfig(pool="flatten")
