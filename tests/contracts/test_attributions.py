"""Every file in ecgpipe/attributions keeps these promises."""

import dataclasses

import pytest
import torch
from torch import nn

from ecgpipe import registry, removal

FS, LEADS, TIME, LABELS = 100, 3, 130, ("A", "B", "C")
PLACE = slice(50, 70)


@pytest.fixture(params=registry.names("attributions"))
def name(request):
    return request.param


@pytest.fixture
def plugin(name):
    return registry.load("attributions", name)


@pytest.fixture
def attribute(plugin):
    """The plug-in with its defaults, at 100 Hz."""
    return lambda network, signal, label: plugin.attribute(
        network, signal, label, plugin.Config(), FS
    )


@pytest.fixture
def signal():
    return torch.randn(4, LEADS, TIME, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def label():
    return torch.tensor([0, 2, 1, 0])


def network_of(backbone, **head):
    from ecgpipe.heads import HeadConfig
    from ecgpipe.model import Classifier, build_backbone

    torch.manual_seed(0)
    built = build_backbone(backbone, LEADS, "tests") if isinstance(backbone, dict) else backbone
    return Classifier(built, LABELS, HeadConfig(**head))


@pytest.fixture
def network():
    """A network with batch norms and dropout, in train mode."""
    return network_of({"name": "xresnet1d", "depth": 18, "width": 8}, dropout=0.5).train()


def samples_as_tokens(place=slice(None)):
    """Make a backbone whose tokens are the samples, those outside a place silenced."""
    from ecgpipe.model import Backbone

    class Samples(Backbone):
        dim = LEADS

        def stem(self, signal):
            there = torch.zeros(signal.shape[-1])
            there[place] = 1
            return signal * there

        def trunk(self, stemmed):
            return stemmed.mT

    return Samples()


@pytest.mark.parametrize("backbone", registry.names("backbones"))
def test_every_sample_of_every_lead_gets_a_finite_relevance(
    name, attribute, signal, label, backbone
):
    network = network_of({"name": backbone})
    if name == "grad_cam" and not network.backbone.timed:
        with pytest.raises(ValueError, match="grad_cam needs tokens that stand for parts"):
            attribute(network, signal[:2], label[:2])
        return
    relevance = attribute(network, signal[:2], label[:2])
    assert relevance.shape == signal[:2].shape and relevance.dtype == torch.float32
    assert relevance.isfinite().all() and relevance.abs().sum() > 0
    assert not relevance.requires_grad


def test_the_same_is_said_twice(attribute, network, signal, label):
    first = attribute(network, signal, label)
    assert torch.equal(first, attribute(network, signal, label))


def test_a_crop_does_not_see_its_batch(attribute, network, signal, label):
    alone = [attribute(network, signal[i : i + 1], label[i : i + 1]) for i in range(len(signal))]
    together = attribute(network, signal, label)
    torch.testing.assert_close(torch.cat(alone), together, rtol=1e-3, atol=1e-5)


def test_each_crop_is_asked_about_its_own_label(attribute, network, signal):
    same = signal[:1].expand(3, -1, -1)
    relevance = attribute(network, same, torch.arange(3))
    assert not torch.allclose(relevance[0], relevance[1], rtol=0.1)
    torch.testing.assert_close(
        relevance[1:2], attribute(network, same[:1], torch.tensor([1])), rtol=1e-3, atol=1e-5
    )


def test_nothing_of_network_and_signal_is_touched(attribute, network, signal, label):
    network.backbone.requires_grad_(False).train()  # norms that do not learn stay in eval mode
    kept = signal.clone(), {k: v.clone() for k, v in network.state_dict().items()}
    modes = {module: module.training for module in network.modules()}
    attribute(network, signal, label)
    assert torch.equal(signal, kept[0]) and not signal.requires_grad
    assert all(torch.equal(kept[1][k], v) for k, v in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
    assert {module: module.training for module in network.modules()} == modes
    assert {p.requires_grad for p in network.backbone.parameters()} == {False}


def test_it_explains_the_network_as_it_predicts(attribute, network, signal, label):
    training = attribute(network, signal, label)
    torch.testing.assert_close(training, attribute(network.eval(), signal, label))


def test_a_network_that_looks_at_one_place_is_found_to(attribute, signal, label):
    network = network_of(samples_as_tokens(PLACE), pool="mean", norm=False, dropout=0.0)
    relevance = attribute(network, signal, label)
    assert (relevance[..., PLACE].abs().sum(dim=(1, 2)) > 0).all()
    assert not relevance[..., : PLACE.start].any() and not relevance[..., PLACE.stop :].any()


def test_no_gradient_around_it_is_needed(attribute, network, signal, label):
    with torch.no_grad():
        quiet = attribute(network, signal, label)
    assert torch.equal(quiet, attribute(network, signal, label))


def linear():
    """Make a network whose logits are linear in the samples, and its weights."""
    head = {"pool": "flatten", "tokens": TIME, "norm": False, "dropout": 0.0}
    network = network_of(samples_as_tokens(), **head)
    weight = network.head.layers[-1].weight.detach()
    return network, weight.view(len(LABELS), TIME, LEADS).mT


def test_gradient_times_input_of_a_linear_network_is_weight_times_input(signal, label):
    network, weight = linear()
    plugin = registry.load("attributions", "gradient_input")
    relevance = plugin.attribute(network, signal, label, plugin.Config(), FS)
    torch.testing.assert_close(relevance, weight[label] * signal)


def test_integrated_gradients_of_a_linear_network_are_exact_in_one_step(signal, label):
    network, weight = linear()
    plugin = registry.load("attributions", "integrated_gradients")
    relevance = plugin.attribute(network, signal, label, plugin.Config(steps=1), FS)
    away = signal - signal.median(dim=2, keepdim=True).values
    torch.testing.assert_close(relevance, weight[label] * away)


def test_integrated_gradients_add_up_to_what_the_logit_gained(signal, label):
    smooth = nn.Sequential(nn.Conv1d(LEADS, 8, 5), nn.Tanh())
    backbone = samples_as_tokens()
    backbone.conv, backbone.dim = smooth, 8
    backbone.trunk = lambda stemmed: smooth(stemmed).mT
    network = network_of(backbone, pool="mean", dropout=0.0).eval()
    plugin = registry.load("attributions", "integrated_gradients")
    relevance = plugin.attribute(network, signal, label, plugin.Config(), FS)
    flat = signal.median(dim=2, keepdim=True).values.expand_as(signal)
    gained = [network(each).gather(1, label[:, None])[:, 0] for each in (signal, flat)]
    found = relevance.sum(dim=(1, 2))
    torch.testing.assert_close(found, gained[0] - gained[1], rtol=5e-3, atol=1e-5)


def test_the_windows_of_an_occlusion_add_up_to_their_drops(signal, label):
    network, weight = linear()
    plugin = registry.load("attributions", "occlusion")
    relevance = plugin.attribute(network, signal, label, plugin.Config(seconds=0.6), FS)
    drop = weight[label] * (signal - removal.baseline(signal, FS))
    for window in (slice(0, 60), slice(60, 120), slice(120, 130)):
        fall = drop[..., window].sum(dim=(1, 2))
        torch.testing.assert_close(relevance[..., window].sum(dim=(1, 2)), fall)
        assert (relevance[..., window] == relevance[:, :1, window.start, None]).all()


def test_grad_cam_is_the_rectified_sum_of_weighed_tokens(signal, label):
    network, weight = linear()
    plugin = registry.load("attributions", "grad_cam")
    relevance = plugin.attribute(network, signal, label, plugin.Config(), FS)
    heat = (weight[label].mean(dim=2, keepdim=True) * signal).sum(dim=1).relu()
    torch.testing.assert_close(relevance, heat[:, None].expand_as(signal))


def test_integrated_gradients_of_a_short_record_add_up_and_spare_its_padding(signal, label):
    padded = signal + 0.2
    padded[..., 70:] = 0
    network = network_of(samples_as_tokens(), pool="mean", dropout=0.0).eval()
    plugin = registry.load("attributions", "integrated_gradients")
    relevance = plugin.attribute(network, padded, label, plugin.Config(), FS)
    rest = padded[..., :70]
    level = rest.median(dim=2, keepdim=True).values.expand_as(rest)
    gained = [network(each).gather(1, label[:, None])[:, 0] for each in (rest, level)]
    torch.testing.assert_close(relevance.sum(dim=(1, 2)), gained[0] - gained[1])
    assert (relevance[..., 70:] == 0).all()


def test_without_its_padding_a_signal_ends_where_it_ended(signal, label):
    padded = signal + 0.2
    padded[..., 70:] = 0
    network, _ = linear()
    piece = (torch.arange(signal.shape[-1]) < 70).int().expand_as(signal)  # 0: padding
    drop = removal.drops(network, padded, label, piece.long(), 1, FS)
    assert (drop == 0).all()


def test_grad_cam_finds_nothing_in_padding(signal, label):
    padded = signal.clone()
    padded[..., 70:] = 0
    backbone = registry.load("backbones", "xresnet1d")
    torch.manual_seed(0)
    network = network_of(backbone.Backbone(backbone.Config(depth=18), LEADS), dropout=0.0).eval()
    plugin = registry.load("attributions", "grad_cam")
    relevance = plugin.attribute(network, padded, label, plugin.Config(), FS)
    tokens = network.backbone(padded).shape[1]
    stride = -(-signal.shape[-1] // tokens)
    assert (relevance[..., 70 + 2 * stride :] == 0).all() and relevance.sum() > 0


@pytest.mark.parametrize(
    ("name", "value"), [("integrated_gradients", {"steps": 0}), ("occlusion", {"seconds": 0.0})]
)
def test_settings_that_make_no_sense_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name}: .* must be positive"):
        registry.load("attributions", name).Config(**value)


def test_settings_are_frozen(plugin):
    assert dataclasses.is_dataclass(plugin.Config) and plugin.Config.__dataclass_params__.frozen
