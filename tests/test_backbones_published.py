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


@pytest.mark.parametrize(
    ("strides", "kernels", "size"),
    [((1, 1, 1, 1), (1, 1, 1, 1), 796_672), ((2, 2, 2, 2), (10, 4, 4, 4), 3_211_264)],
)
def test_the_network_of_contrastive_coding_has_the_published_size(strides, kernels, size):
    backbone = build_backbone(
        {"name": "cpc_lstm", "kernels": [*kernels], "strides": [*strides]}, 12, "tests"
    )
    assert (count(backbone.encoder), count(backbone.context)) == (size, 4_202_496)


def test_the_encoder_with_strides_has_the_published_length():
    backbone = build_backbone(
        {"name": "cpc_lstm", "kernels": [10, 4, 4, 4], "strides": [2, 2, 2, 2]}, 12, "tests"
    )
    assert backbone.stem(torch.randn(1, 12, 1000)).shape == (1, 62, 512)


@pytest.mark.parametrize(("bidirectional", "whole"), [(True, 2_183_239), (False, 2_166_855)])
def test_s4_has_the_published_size(bidirectional, whole):
    backbone = build_backbone({"name": "s4", "bidirectional": bidirectional, "learn": []}, 12, "t")
    mean_head = 512 * 71 + 71
    assert count(backbone) + mean_head == whole


def test_s4_behind_an_encoder_has_the_published_size():
    config = {"name": "s4", "bidirectional": False, "learn": []}
    encoder = {"kernels": [1, 1, 1, 1], "strides": [1, 1, 1, 1]}
    backbone = build_backbone({**config, **encoder}, 12, "tests")
    assert count(backbone.encoder) == 796_672
    assert count(backbone) - count(backbone.encoder) == 2_386_432


@pytest.mark.parametrize(
    ("size", "millions"),
    [
        ({"dim": 192, "heads": 3}, 3.60),
        ({}, 14.28),
        ({"dim": 768, "depth": 12, "heads": 12}, 85.2),
    ],
)
def test_vit1d_has_about_the_published_size(size, millions):
    backbone = build_backbone({"name": "vit1d", **size}, 12, "tests")
    assert count(backbone) / 1e6 == pytest.approx(millions, rel=1e-3)


def small_s4(**config):
    torch.manual_seed(0)
    config = {"name": "s4", "width": 5, "depth": 1, **config}
    return build_backbone(config, 3, "tests").blocks[0].filter.double()


def recurrence(filter, direction, length):
    """The response of one direction, step by step, in the words of the paper."""
    n = torch.arange(8, dtype=torch.float64)
    outer = torch.outer((2 * n + 1).sqrt(), (2 * n + 1).sqrt())
    hippo = -(outer.tril(-1) + torch.diag(n + 1))
    responses = []
    for channel, step in enumerate(filter.step.double().exp()):
        implicit = torch.linalg.inv(torch.eye(8) - step / 2 * hippo)
        once = implicit @ (torch.eye(8) + step / 2 * hippo)
        state = implicit @ (step * (2 * n + 1).sqrt())
        said = []
        for _ in range(length):
            said.append(filter.C[channel, :, direction] @ state)
            state = once @ state
        responses.append(torch.stack(said))
    return torch.stack(responses)


@pytest.mark.parametrize("length", [1, 2, 37, 1000])
def test_the_response_of_s4_is_that_of_a_plain_recurrence(length):
    filter = small_s4()
    response = filter.response(length)
    for direction in (0, 1):
        torch.testing.assert_close(
            response[..., direction], recurrence(filter, direction, length), rtol=1e-5, atol=1e-6
        )


def test_a_rotation_less_half_has_the_published_eigenvalues():
    filter = small_s4()
    rotation = filter.R - filter.R.T - torch.eye(8) / 2
    values = torch.linalg.eigvals(rotation)
    expected = [0.427489, 1.957794, 5.354209, 19.857410]
    assert sorted(values.imag.tolist())[4:] == pytest.approx(expected, abs=2e-5)
    assert values.real.tolist() == pytest.approx([-0.5] * 8, abs=1e-5)


@torch.no_grad()
def test_s4_filters_the_past_and_what_is_to_come():
    filter = small_s4()
    signal, length = torch.randn(2, 21, 5, dtype=torch.float64), 21
    past, future = filter.response(length).unbind(2)
    expected = filter.D * signal
    for t in range(length):
        for s in range(length):
            kernel = past[:, t - s] if s <= t else future[:, s - t - 1]
            expected[:, t] += kernel * signal[:, s]
    torch.testing.assert_close(filter(signal), expected)


@pytest.mark.parametrize("learn", [["A"], ["A", "B", "step"]])
def test_what_s4_learns_besides_is_a_choice(learn):
    named = {name.split(".")[-1] for name, _ in small_s4(learn=learn).named_parameters()}
    assert named == {"C", "D", *learn} - {"A"} | {"R", "P"}


def test_s4_stays_stable_whatever_it_learns():
    filter = small_s4(learn=["A", "B", "step"])
    torch.nn.init.normal_(filter.R, std=30)
    torch.nn.init.normal_(filter.P, std=30)
    assert filter.response(5000).abs().amax() < 1e3


@torch.no_grad()
@pytest.mark.parametrize("config", [{"name": "cpc_lstm"}, {"name": "s4", "bidirectional": False}])
def test_a_causal_trunk_has_seen_nothing_of_what_is_to_come(config):
    backbone = build_backbone({**config, "width": 8}, 3, "tests").eval()
    stemmed = torch.randn(2, 30, 8)
    changed = torch.cat([stemmed[:, :20], torch.randn(2, 10, 8)], dim=1)
    assert backbone.causal
    torch.testing.assert_close(backbone.trunk(changed)[:, :20], backbone.trunk(stemmed)[:, :20])


@torch.no_grad()
def test_a_transformer_takes_any_of_the_patches_in_any_order():
    backbone = build_backbone({"name": "vit1d", "dim": 16, "heads": 2}, 3, "tests").eval()
    stemmed = backbone.stem(torch.randn(2, 3, 250))
    some = torch.tensor([7, 0, 3])
    told = backbone.trunk(stemmed[:, some])
    torch.testing.assert_close(told.flip(1), backbone.trunk(stemmed[:, some.flip(0)]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "cpc_lstm", "hidden": 0}, "hidden 0"),
        ({"name": "cpc_lstm", "strides": [1]}, "go in pairs"),
        ({"name": "cpc_lstm", "kernels": [1], "strides": [2]}, "skip samples"),
        ({"name": "s4", "learn": ["C"]}, "learn C; allowed"),
        ({"name": "s4", "dropout": 1.0}, "dropout 1.0"),
        ({"name": "vit1d", "patch": 0}, "patch 0"),
        ({"name": "vit1d", "dim": 10, "heads": 3}, "multiple of its 3 heads"),
    ],
)
def test_impossible_settings_of_networks_that_predict_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        build_backbone(wrong, 12, "tests")


@torch.no_grad()
def test_attention_is_that_of_the_framework():
    from ecgpipe.transformer import Block

    block, tokens = Block(12, 3).double(), torch.randn(2, 7, 12, dtype=torch.float64)
    reference = torch.nn.MultiheadAttention(12, 3, bias=False, batch_first=True).double()
    reference.in_proj_weight.copy_(block.ask.weight)
    reference.out_proj.weight.copy_(block.tell.weight)
    torch.testing.assert_close(block.attend(tokens), reference(tokens, tokens, tokens)[0])


def test_positions_are_the_published_sines_and_cosines():
    from ecgpipe.transformer import positions

    places = positions(50, 8, torch.zeros(()))
    expected = [[math.sin(p / 10_000 ** (2 * i / 8)) for i in range(4)] for p in range(50)]
    assert places[:, :4].flatten().tolist() == pytest.approx(sum(expected, []), abs=1e-5)
    torch.testing.assert_close(places.square().sum(dim=1), torch.full((50,), 4.0))


def test_positions_of_odd_width_are_refused():
    with pytest.raises(ValueError, match="dim 15 must be even"):
        backbone = build_backbone({"name": "vit1d", "dim": 15, "heads": 3}, 3, "tests")
        backbone.stem(torch.randn(1, 3, 50))


def test_a_patch_is_all_leads_and_the_last_is_filled_up_with_zeros():
    from ecgpipe.transformer import patches

    signal = torch.arange(14.0).view(1, 2, 7)
    assert patches(signal, 4).tolist() == [[[0, 1, 2, 3, 7, 8, 9, 10], [4, 5, 6, 0, 11, 12, 13, 0]]]
