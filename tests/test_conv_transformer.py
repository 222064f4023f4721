"""The network of CE-SSL against the authors' code: sizes, and what it computes of set weights."""

import numpy as np
import pytest
import torch

from tests.ce_ssl import LARGE, MEDIUM, TINY, build, build_tiny, signals

SIZES = [
    ({}, 6, 9_501_702),
    ({}, 16, 9_504_272),
    ({}, 18, 9_504_786),
    ({}, 19, 9_505_043),
    ({}, 23, 9_506_071),
    (MEDIUM, 6, 50_487_302),
    (MEDIUM, 16, 50_492_432),
    (MEDIUM, 18, 50_493_458),
    (MEDIUM, 19, 50_493_971),
    (MEDIUM, 23, 50_496_023),
    (LARGE, 6, 113_479_686),
    (LARGE, 16, 113_487_376),
    (LARGE, 18, 113_488_914),
    (LARGE, 19, 113_489_683),
    (LARGE, 23, 113_492_759),
    (TINY, 6, 256_070),
]


@pytest.mark.parametrize(("config", "labels", "parameters"), SIZES)
def test_the_classifier_has_the_published_size(config, labels, parameters):
    with torch.device("meta"):  # without drawing a hundred million weights
        network = build(labels, **config)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.fixture
def tiny():
    """The tiny network of the reference."""
    return build_tiny()


def test_it_computes_what_the_published_code_does(tiny):
    expected = [
        [0.31305631, 0.41792999, -0.05453584, -0.29248384, 0.08343393, 0.35620113],
        [0.31315331, 0.41802896, -0.05460952, -0.29260017, 0.08348021, 0.35632836],
    ]
    logits = tiny.eval()(signals(2))
    np.testing.assert_allclose(logits.detach().numpy(), expected, rtol=1e-5)


def test_unlabeled_records_share_the_statistics_of_the_stem_as_published(tiny):
    expected = [
        [0.17261865, 0.54407247, 0.11561621, -0.37854494, -0.10699086, 0.39740536],
        [0.22676519, 0.55327635, 0.06363776, -0.39999297, -0.06006475, 0.4299074],
    ]
    tiny.train()
    stemmed = tiny.backbone.stem(torch.cat([signals(2), signals(2, first=2)]))
    logits = tiny.head(tiny.backbone.trunk(stemmed[:2]))
    np.testing.assert_allclose(logits.detach().numpy(), expected, rtol=1e-5)
    norm = tiny.backbone.blocks[0].main[1]
    mean, var = norm.running_mean[:3].tolist(), norm.running_var[:3].tolist()
    assert mean == pytest.approx([0.00903721, 0.01053841, 0.00847572], rel=1e-5)
    assert var == pytest.approx([0.91823106, 0.915234, 0.91528833], rel=1e-5)


@pytest.mark.parametrize(("samples", "tokens"), [(6144, 96), (1000, 16), (65, 2), (64, 1)])
def test_a_token_stands_for_64_samples(tiny, samples, tokens):
    signal = torch.zeros(1, 12, samples, dtype=torch.float64)
    assert tiny.eval().backbone(signal).shape == (1, tokens, 64)


def test_tokens_are_contiguous_as_they_come_out(tiny):
    assert tiny.backbone.stem(signals(1)).is_contiguous()


@torch.no_grad()
def test_a_token_has_seen_none_after_it(tiny):
    torch.manual_seed(0)
    stemmed = torch.randn(1, 300, 64, dtype=torch.float64)
    before = tiny.backbone.trunk(stemmed)
    stemmed[:, 200] *= -1
    after = tiny.backbone.trunk(stemmed)
    assert torch.equal(after[:, :200], before[:, :200])
    assert (after[:, 200:] != before[:, 200:]).any(dim=2).all()


@torch.no_grad()
def test_places_are_marked_as_published_beyond_the_published_length(tiny):
    (layer,) = tiny.backbone.transformer
    for last in (layer.attention.out, layer.narrow):  # nothing is added to what came in
        last.weight.zero_()
        last.bias.zero_()
    code = tiny.backbone.trunk(torch.zeros(1, 500, 64, dtype=torch.float64))[0]
    angle = np.arange(500)[:, None] / 10_000 ** (np.arange(0, 64, 2) / 64)
    np.testing.assert_allclose(code[:, 0::2], np.sin(angle), atol=1e-9)
    np.testing.assert_allclose(code[:, 1::2], np.cos(angle), atol=1e-9)


def test_what_attention_adds_begins_small():
    torch.manual_seed(0)
    out = build().backbone.transformer[0].attention.out
    assert out.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert not out.bias.any()


@pytest.mark.parametrize(
    "wrong", [{"width": 100}, {"width": 17, "heads": 17}, {"depth": 0}, {"blocks": 0}, {"heads": 0}]
)
def test_impossible_settings_are_refused(wrong):
    name = next(iter(wrong))
    with pytest.raises(ValueError, match=f"conv_transformer: .*{name} {wrong[name]}"):
        build(**wrong)
