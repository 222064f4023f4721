"""Every file in ecgpipe/backbones keeps these promises."""

import pytest
import torch

from ecgpipe import registry

LEADS = 3


@pytest.fixture(params=registry.names("backbones"))
def plugin(request):
    return registry.load("backbones", request.param)


@pytest.fixture
def backbone(plugin):
    torch.manual_seed(0)
    return plugin.Backbone(plugin.Config(), LEADS)


@pytest.mark.parametrize("length", [1, 37, 250])
def test_a_signal_of_any_length_becomes_tokens(backbone, length):
    tokens = backbone.eval()(torch.randn(2, LEADS, length))
    assert tokens.shape[0] == 2
    assert 1 <= tokens.shape[1] <= length
    assert tokens.shape[2] == backbone.dim


@pytest.mark.parametrize("length", [1, 37, 249, 250, 500, 625, 1001])
def test_every_token_of_a_signal_without_padding_is_recorded(backbone, length):
    signal = torch.randn(2, LEADS, length)
    tokens = backbone.eval()(signal).shape[1]
    assert backbone.recorded(signal, tokens).all()


@pytest.mark.parametrize("leads", [1, 12])
def test_any_number_of_leads_is_taken(plugin, leads):
    backbone = plugin.Backbone(plugin.Config(), leads)
    assert backbone(torch.randn(2, leads, 100)).isfinite().all()


def test_calling_is_stem_then_trunk(backbone):
    signal = torch.randn(2, LEADS, 100)
    backbone.eval()
    assert torch.equal(backbone(signal), backbone.trunk(backbone.stem(signal)))


def test_in_eval_mode_a_record_does_not_see_its_batch(backbone):
    signal = torch.randn(4, LEADS, 100)
    backbone.eval()
    torch.testing.assert_close(backbone(signal)[:1], backbone(signal[:1]), rtol=1e-4, atol=1e-4)


def test_the_signal_is_left_as_it_was(backbone):
    signal = torch.randn(2, LEADS, 100)
    before = signal.clone()
    backbone(signal)
    assert torch.equal(signal, before)


def test_gradient_reaches_every_parameter(backbone):
    signal = torch.randn(4, LEADS, 100)
    optimizer = torch.optim.SGD(backbone.parameters(), lr=0.1)
    for _ in range(2):  # a residual branch that starts at zero passes no gradient at first
        optimizer.zero_grad()
        backbone(signal).square().mean().backward()
        optimizer.step()
    silent = [name for name, p in backbone.named_parameters() if not p.grad.abs().sum() > 0]
    assert not silent


def test_layers_hold_every_parameter_once(backbone):
    listed = [id(p) for layer in backbone.layers() for p in layer.parameters()]
    assert sorted(listed) == sorted(id(p) for p in backbone.parameters())


def test_weights_follow_the_seed(plugin, backbone):
    torch.manual_seed(0)
    again = plugin.Backbone(plugin.Config(), LEADS).state_dict()
    assert all(torch.equal(again[name], value) for name, value in backbone.state_dict().items())


def test_bfloat16_autocast_gives_nearly_the_same(backbone):
    signal = torch.randn(2, LEADS, 100)
    backbone.eval()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = backbone(signal).float()
    exact = backbone(signal)
    assert (rounded - exact).norm() < 0.05 * exact.norm()
