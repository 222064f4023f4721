"""The backbones against the published code: sizes, and the numbers it gives for set weights."""

import math

import pytest
import torch

from ecgpipe.heads import HeadConfig
from ecgpipe.model import Classifier, build_backbone

LABELS = tuple(f"label {i}" for i in range(71))


def classifier(hidden=(), **backbone):
    head = HeadConfig(hidden=hidden)
    return Classifier(build_backbone(backbone, 12, "tests"), LABELS, head)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("depth", "body", "whole"),
    [(18, 347_264, 356_679), (50, 886_400, 923_847), (101, 1_804_672, 1_842_119)],
)
def test_xresnet1d_has_the_published_size(depth, body, whole):
    network = classifier(name="xresnet1d", depth=depth)
    assert (count(network.backbone), count(network)) == (body, whole)


@pytest.mark.parametrize(
    ("name", "whole"),
    [("xresnet1d", 962_503), ("resnet1d_wang", 481_863), ("inception1d", 516_167)],
)
def test_with_a_hidden_layer_in_the_head_the_size_is_published_too(name, whole):
    assert count(classifier(hidden=(128,), name=name)) == whole


def test_xresnet1d_has_the_published_shapes():
    backbone = build_backbone({"name": "xresnet1d"}, 12, "tests").eval()
    maps = [backbone.stem(torch.randn(1, 12, 250))]
    for stage in backbone.stages:
        maps.append(stage(maps[-1]))
    shapes = [(features.shape[1], features.shape[3]) for features in maps]
    assert shapes == [(64, 63), (256, 63), (256, 32), (256, 16), (256, 8)]


@torch.no_grad()
def set_weights(network):
    """Set what the reference was computed with: sines for weights, ones and zeros for the rest."""
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1:
            wave = torch.sin(0.37 * torch.arange(parameter.numel(), dtype=torch.float64))
            scale = math.sqrt(2 / parameter[0].numel())
            parameter.copy_(scale * wave.view_as(parameter))
        else:
            parameter.fill_(float(name.endswith("weight")))


def test_xresnet1d50_computes_what_the_published_code_does():
    network = classifier(name="xresnet1d").double().eval()
    set_weights(network)
    signal = torch.sin(0.01 * torch.arange(6000, dtype=torch.float64)).view(2, 12, 250)
    logits, tokens = network(signal), network.backbone(signal)
    assert logits[0, :4].tolist() == pytest.approx(
        [0.000367, 0.001096, 0.000918, -0.000019], abs=6e-7
    )
    assert logits.sum().item() == pytest.approx(0.005266, abs=6e-7)
    assert tokens.mean().item() == pytest.approx(0.00303668, abs=6e-9)
    assert tokens.max().item() == pytest.approx(0.021116, abs=6e-7)
    assert len(list(network.named_parameters())) == 160


@pytest.mark.parametrize("leads", [1, 12])
def test_maps_keep_their_channels_last_in_memory(leads):
    backbone = build_backbone({"name": "xresnet1d", "depth": 18}, leads, "tests")
    assert backbone(torch.randn(2, leads, 100)).is_contiguous()


@pytest.mark.parametrize("wrong", [{"depth": 20}, {"width": 7}, {"kernel": 4}])
def test_impossible_settings_of_xresnet1d_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} {next(iter(wrong.values()))}"):
        build_backbone({"name": "xresnet1d", **wrong}, 12, "tests")


@pytest.mark.parametrize("name", ["resnet1d_wang", "inception1d"])
def test_kernels_of_even_length_are_refused(name):
    with pytest.raises(ValueError, match="must be odd"):
        build_backbone({"name": name, "kernels": [4, 3]}, 12, "tests")
