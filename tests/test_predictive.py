"""Objectives that predict: the losses against sums done by hand, and what they may see."""

import math

import numpy as np
import pytest
import torch

from ecgpipe import fit, model
from ecgpipe.batches import Montage, Pretext
from ecgpipe.fit_settings import Fit
from ecgpipe.model import Classifier, build_backbone
from ecgpipe.objectives import cpc, jepa, masked
from ecgpipe.objectives._hidden import draw_hidden, take

RECURRENT = {"name": "cpc_lstm", "width": 16, "hidden": 12, "recurrent": 1}
PATCHES = {"name": "vit1d", "patch": 10, "dim": 16, "depth": 1, "heads": 2}
NARROW = {"width": 16, "depth": 1, "heads": 2}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pretext(signal, seed=0):
    index = torch.arange(len(signal))
    return Pretext(signal, None, index, index, Montage(100, ("I", "II")), generator(seed))


def signals(batch=4, time=100):
    return torch.randn(batch, 2, time, generator=generator(9))


def objective(plugin, backbone, **config):
    torch.manual_seed(0)
    network = Classifier(build_backbone(backbone, 2, "tests"))
    return plugin.Objective(network, plugin.Config(**config))


# contrastive predictive coding


def published_example(together):
    """Contexts, latents and candidates that the published code was run on, 12 steps ahead.

    It computed in float32, and gave what is expected below.
    """
    j = torch.arange(960, dtype=torch.float64)
    latent, context = torch.sin(0.05 * j).view(3, 40, 8), torch.cos(0.03 * j).view(3, 40, 8)
    drawn = 7 * torch.arange(15) + 13 * torch.arange(28)[:, None]  # for each place, 5 a record
    drawn = drawn.view(28, 3, 5).transpose(0, 1) % (117 if together else 39)
    positive = torch.arange(28)[:, None] + 12 + 40 * together * torch.arange(3)[:, None, None]
    candidate = torch.cat([positive.expand(3, 28, 1), cpc.skip_positive(drawn, 40, 12)], dim=2)
    return context[:, :-12], latent.flatten(0, 1) if together else latent, candidate


@pytest.mark.parametrize(("together", "total"), [(False, 109.20713), (True, 108.04942)])
def test_the_contrastive_loss_is_that_of_the_published_code(together, total):
    score = cpc.compare(*published_example(together))
    assert 28 * cpc.info_nce(score).item() == pytest.approx(total, abs=2e-5)


def test_the_accuracy_is_that_of_the_published_code_where_nothing_ties():
    assert cpc.accuracy(cpc.compare(*published_example(False))).item() == pytest.approx(13 / 84)


def test_a_predictor_that_says_nothing_is_at_chance_and_hits_nothing():
    score = torch.zeros(2, 28, 129)
    assert 28 * cpc.info_nce(score).item() == pytest.approx(28 * math.log(129), rel=1e-6)
    assert cpc.accuracy(score) == 0


@pytest.mark.parametrize("temperature", [None, 0.1])
@pytest.mark.parametrize("together", [False, True])
def test_the_contrastive_loss_equals_a_sum_position_by_position(together, temperature):
    context, pool, candidate = published_example(together)
    losses = []
    for record in range(3):
        for place in range(28):
            others = (pool if together else pool[record]).numpy()[candidate[record, place]]
            said = context[record, place].numpy()
            score = others @ said
            if temperature:
                score /= temperature * np.linalg.norm(others, axis=1) * np.linalg.norm(said)
            losses.append(np.log(np.exp(score).sum()) - score[0])
    ours = cpc.info_nce(cpc.compare(context, pool, candidate, temperature))
    assert ours.item() == pytest.approx(np.mean(losses), rel=1e-12)


def test_negatives_are_all_tokens_but_the_positive():
    drawn = torch.arange(3 * 6).expand(1, 5, -1)
    placed = cpc.skip_positive(drawn, tokens=7, ahead=2)
    for place in range(5):
        expected = [7 * r + t for r in range(3) for t in range(7) if t != place + 2]
        assert placed[0, place].tolist() == expected


@pytest.mark.parametrize("source", ["record", "batch"])
def test_the_first_candidate_is_what_comes_that_far_ahead(source):
    told = objective(cpc, RECURRENT, negatives_from=source, negatives=4)
    latent = torch.eye(3 * 20).view(3, 20, 60)
    score = told.score(latent[:, 5:], latent, 5, generator())
    assert torch.equal(score[..., 0], torch.ones(3, 15))
    assert not score[..., 1:].any()


def test_the_published_network_has_the_published_size():
    network = Classifier(build_backbone({"name": "cpc_lstm"}, 12, "tests"))
    sizes = [
        sum(p.numel() for p in cpc.Objective(network, cpc.Config(hidden=hidden)).parameters())
        for hidden in (None, 512)
    ]
    assert sizes == [5_261_312, 5_261_312 - 262_144 + 524_800]


@pytest.mark.parametrize(("detach", "reached"), [(False, True), (True, False)])
def test_candidates_pass_a_gradient_on_unless_they_are_detached(detach, reached):
    told = objective(cpc, RECURRENT, detach=detach)
    latent = torch.randn(2, 30, 16, requires_grad=True)
    score = told.score(torch.randn(2, 18, 16), latent, 12, generator())
    assert score.requires_grad == reached


def test_several_horizons_have_the_mean_of_their_losses():
    signal = signals()
    both = objective(cpc, RECURRENT, steps=(2, 7)).eval()
    draws, losses = generator(), []
    latent = both.backbone.stem(signal)
    context = both.backbone.trunk(latent)
    for ahead, predict in zip((2, 7), both.predictors, strict=True):
        score = both.score(predict(context[:, :-ahead]), latent, ahead, draws)
        losses.append(cpc.info_nce(score).item())
    assert both(pretext(signal))["loss"].item() == pytest.approx(np.mean(losses), rel=1e-6)


def test_contrastive_coding_learns_what_comes_next():
    told = objective(cpc, RECURRENT, steps=(3,), negatives=16)
    time = torch.arange(100) / 100
    signal = torch.stack([torch.sin(20 * time), torch.cos(20 * time)]).expand(4, -1, -1)
    optimizer = torch.optim.Adam(told.parameters(), lr=0.01)
    terms = told(pretext(signal))
    for step in range(60):
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        terms = told(pretext(signal, step))
    assert terms["loss"] < 0.8 * math.log(17)


@pytest.mark.parametrize("backbone", [{"name": "xresnet1d"}, {"name": "s4", "depth": 1}, PATCHES])
def test_contrastive_coding_refuses_a_backbone_that_sees_the_future(backbone):
    with pytest.raises(ValueError, match="cpc_lstm, or s4"):
        objective(cpc, backbone)


def test_contrastive_coding_takes_a_causal_state_space():
    small = {"name": "s4", "width": 16, "depth": 1, "bidirectional": False}
    assert objective(cpc, small)(pretext(signals()))["loss"].isfinite()


def test_a_crop_too_short_for_the_horizon_is_refused():
    with pytest.raises(ValueError, match="12 tokens, too short to predict 12 ahead"):
        objective(cpc, RECURRENT)(pretext(signals(time=12)))


@pytest.mark.parametrize(
    "wrong", [{"steps": (0,)}, {"steps": ()}, {"negatives_from": "corpus"}, {"temperature": 0.0}]
)
def test_impossible_settings_of_contrastive_coding_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        cpc.Config(**wrong)


# hidden patches


@pytest.mark.parametrize("tokens", [2, 5, 20, 41])
def test_every_patch_is_either_shown_or_hidden(tokens):
    shown, hidden = draw_hidden(6, tokens, 0.75, 3, generator())
    both = torch.cat([shown, hidden], dim=1).sort(dim=1).values
    assert torch.equal(both, torch.arange(tokens).expand(6, -1))
    assert hidden.shape[1] == min(round(0.75 * tokens), tokens - 1)


def test_hidden_patches_lie_in_stretches():
    _, hidden = draw_hidden(50, 200, 0.8, 10, generator())
    for places in hidden.tolist():
        shown = sorted({*range(200)} - {*places})
        around = [*shown, shown[0] + 200]  # a stretch at the end goes on at the start
        gaps = {after - before - 1 for before, after in zip(around[:-1], around[1:], strict=True)}
        assert min(gaps - {0}) >= 10


def test_every_patch_is_hidden_about_as_often():
    _, hidden = draw_hidden(4000, 40, 0.8, 10, generator())
    share = torch.bincount(hidden.flatten(), minlength=40) / 4000
    assert (share - 0.8).abs().max() < 0.03


def test_a_crop_of_one_patch_is_refused():
    with pytest.raises(ValueError, match="longer crop"):
        objective(masked, PATCHES, **NARROW)(pretext(signals(time=10)))


@pytest.mark.parametrize("plugin", [masked, jepa])
def test_a_backbone_that_needs_all_its_tokens_is_refused(plugin):
    with pytest.raises(ValueError, match="choose one of patches: vit1d"):
        objective(plugin, RECURRENT)


@pytest.mark.parametrize("plugin", [masked, jepa])
@pytest.mark.parametrize("wrong", [{"share": 1.0}, {"block": 0}])
def test_impossible_masks_are_refused(plugin, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        plugin.Config(**wrong)


def filled_in(told, signal):
    """What is predicted of hidden patches, and the places shown and hidden."""
    shown, hidden = draw_hidden(
        len(signal), signal.shape[2] // 10, told.config.share, told.config.block, generator()
    )
    filler = told.decoder if hasattr(told, "decoder") else told.predictor
    tokens = told.backbone.trunk(take(told.backbone.stem(signal), shown))
    return filler(tokens, shown, hidden), shown, hidden


def test_the_masked_loss_is_the_squared_error_of_standardised_hidden_patches():
    told, signal = objective(masked, PATCHES, floor=0.5, **NARROW), signals()
    said, _, hidden = filled_in(told, signal)
    errors = []
    for record, places in enumerate(hidden.tolist()):
        for place, guess in zip(places, said[record].detach().double().numpy(), strict=True):
            patch = signal[record, :, 10 * place : 10 * place + 10].double().numpy().ravel()
            error = guess - (patch - patch.mean()) / np.sqrt(patch.var() + 0.5**2)
            errors.append(np.mean(error**2))
    assert told(pretext(signal))["loss"].item() == pytest.approx(np.mean(errors), rel=1e-5)


def test_the_joint_embedding_loss_is_the_absolute_error_of_the_average_networks_tokens():
    told, signal = objective(jepa, PATCHES, block=2, **NARROW), signals()
    told.after_step(1, 10)
    said, _, hidden = filled_in(told, signal)
    tokens = told.average(signal)
    errors = [
        np.abs(said[i].detach().double().numpy() - tokens[i, places].double().numpy()).mean()
        for i, places in enumerate(hidden)
    ]
    assert told(pretext(signal))["loss"].item() == pytest.approx(np.mean(errors), rel=1e-5)


@pytest.mark.parametrize("plugin", [masked, jepa])
def test_what_is_hidden_is_not_seen(plugin):
    told, signal = objective(plugin, PATCHES, **NARROW), signals()
    said, _, hidden = filled_in(told, signal)
    other = signal.unflatten(2, (10, 10)).clone()
    for record, places in enumerate(hidden):
        other[record, :, places] = 7.0
    assert torch.equal(filled_in(told, other.flatten(2))[0], said)


def test_what_is_shown_is_seen():
    told, signal = objective(masked, PATCHES, **NARROW), signals()
    assert not torch.equal(filled_in(told, signal)[0], filled_in(told, 2 * signal)[0])


def test_no_gradient_reaches_the_average():
    told = objective(jepa, PATCHES, **NARROW)
    told(pretext(signals()))["loss"].backward()
    assert all(p.grad is None for p in told.average.parameters())
    assert all(p.grad is not None for p in told.backbone.parameters())


def test_the_average_follows_ever_more_slowly():
    told = objective(jepa, PATCHES, decay=(0.9, 0.98), **NARROW)
    before = told.average.embed.weight.clone()
    with torch.no_grad():
        told.backbone.embed.weight += 1
    told.after_step(5, 10)
    moved = told.average.embed.weight - before
    torch.testing.assert_close(moved, torch.full_like(moved, 1 - 0.94))


def test_the_average_is_part_of_the_state():
    state = objective(jepa, PATCHES, **NARROW).state_dict()
    assert {f"average.{name}" for name in build_backbone(PATCHES, 2, "tests").state_dict()} <= {
        *state
    }


@pytest.mark.parametrize(
    ("plugin", "backbone"), [(cpc, RECURRENT), (masked, PATCHES), (jepa, PATCHES)]
)
def test_the_loss_follows_from_the_generator_and_changes_nothing_in_eval_mode(plugin, backbone):
    told = objective(plugin, backbone).eval()
    before = {name: value.clone() for name, value in told.state_dict().items()}
    first, again, other = (told(pretext(signals(), seed))["loss"] for seed in (0, 0, 1))
    assert first == again != other
    assert all(torch.equal(before[name], value) for name, value in told.state_dict().items())


# pretraining


ALL = [(cpc, RECURRENT, {}), (masked, PATCHES, NARROW), (jepa, PATCHES, NARROW)]


@pytest.mark.parametrize(("plugin", "backbone", "config"), ALL)
def test_the_stage_pretrains_and_keeps_the_backbone_alone(stages, plugin, backbone, config):
    name = plugin.__name__.split(".")[-1]
    told = {"name": name, **config}
    short = {"steps": 20, "validate_every": 10, "batch": 16, "crop": 2.0, "rate": 0.005}
    out = stages.pretrain(f"{name}.safetensors", backbone=backbone, objective=told, fit=short)
    network, metadata = model.load(out)
    assert metadata["pretraining"]["objective"]["name"] == name
    assert network.backbone(torch.randn(1, 3, 70)).shape[2] == network.backbone.dim
    lines = out.with_name("history.csv").read_text().splitlines()
    losses = [float(line.split(",")[lines[0].split(",").index("loss")]) for line in lines[1:]]
    assert losses[1] < losses[0]


class Interrupted(Exception):
    """Stands in for a kill."""


def six_steps(told, state, scores):
    """Fit for two validations, which give these scores, and are interrupted where they run out."""

    def validate(network):
        if not scores:
            raise Interrupted
        return scores.pop(0)

    work = fit.Work(
        loss=told,
        model=Classifier(told.backbone),
        make_batch=lambda step, generator: (pretext(signals(), step),),
        name_records=lambda step: [],
        validate=validate,
        measure="valid_loss_negated",
        example=torch.zeros(1, 2, 100),
        samples=4,
        identity="one",
    )
    settings = Fit(steps=6, validate_every=3, batch=4, rate=0.01, mixed=False)
    fit.fit(work, settings, seed=0, state=state)
    return told.state_dict()


@pytest.mark.parametrize(("plugin", "backbone", "config"), ALL)
def test_a_resumed_pretraining_equals_an_uninterrupted_one(
    plugin, backbone, config, tmp_path, monkeypatch
):
    monkeypatch.setattr(fit, "SAVE_SECONDS", 0.0)
    told = [objective(plugin, backbone, **config) for _ in range(3)]
    whole = six_steps(told[0], tmp_path / "whole", [1.0, 2.0])
    with pytest.raises(Interrupted):
        six_steps(told[1], tmp_path / "cut", [1.0])
    resumed = six_steps(told[2], tmp_path / "cut", [2.0])
    assert [name for name, value in whole.items() if not torch.equal(value, resumed[name])] == []
