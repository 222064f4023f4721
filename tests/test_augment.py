import math

import numpy as np
import pytest
import torch

from ecgpipe.augment import BLUR, STEPS, make_view
from ecgpipe.batches import Montage

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2")
MONTAGE = Montage(250, LEADS)
DISTURBANCES = ("baseline_wander", "power_line", "muscle", "baseline_shift")
LINEAR = (*DISTURBANCES, "noise")


@pytest.fixture
def signal():
    return torch.randn(64, 8, 200, generator=torch.Generator().manual_seed(0))


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


def view(signal, step, seed=1, **values):
    return make_view(signal, ({"name": step} | values,), MONTAGE, seeded(seed))


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_step_changes_a_copy_and_repeats_with_its_generator(step, signal):
    before = signal.clone()
    once = view(signal, step)
    assert torch.equal(signal, before) and once.shape == signal.shape
    assert not torch.equal(once, signal) and once.isfinite().all()
    assert torch.equal(once, view(signal, step))
    assert not torch.equal(once, view(signal, step, seed=2))


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_second_view_begins_from_the_signals_as_they_were(step, signal):
    generator = seeded()
    make_view(signal, (step,), MONTAGE, generator)
    rest = make_view(signal, (step,), MONTAGE, generator)
    again = seeded()
    make_view(torch.zeros_like(signal), (step,), MONTAGE, again)
    assert torch.equal(rest, make_view(signal, (step,), MONTAGE, again))


@pytest.mark.parametrize("step", sorted(STEPS))
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_view_is_of_the_kind_and_on_the_device_of_its_signals(step, kind, signal):
    made = view(signal.to(kind), step)
    assert made.dtype == kind and made.device == signal.device and made.is_contiguous()


@pytest.mark.parametrize("step", sorted(STEPS))
def test_every_sample_has_its_own_draw(step, signal):
    same = signal[:1].expand(16, -1, -1)
    made = view(same, step)
    assert len({tuple(record.flatten().tolist()) for record in made}) > 1
    if step not in ("negation", "blur"):  # these are one of two
        assert len({tuple(record.flatten().tolist()) for record in made}) > 12


@pytest.mark.parametrize("step", LINEAR)
def test_noise_is_linear_in_its_amplitude(step):
    silence = torch.zeros(8, 8, 500)
    one, three = (view(silence, step, amplitude=size) for size in (0.25, 0.75))
    assert torch.allclose(three, 3 * one, atol=1e-5) and one.abs().max() > 0


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("noise", 1.0),
        ("muscle", 1 / math.sqrt(3)),  # the size is drawn evenly below the amplitude
        ("baseline_wander", math.sqrt(50 / 6 / 3)),
        ("power_line", math.sqrt(2 / 6 / 3 / 3)),  # two of the harmonics, a lead's own factor
    ],
)
def test_noise_has_the_root_mean_square_of_its_definition(step, expected):
    noise = view(torch.zeros(4000, 8, 250), step, amplitude=1.0)[:, [0, 1, 6, 7]]
    assert noise.square().mean().sqrt() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("step", DISTURBANCES)
def test_noise_keeps_what_einthoven_says_of_the_leads(step, signal):
    lead = dict(zip(LEADS, view(0 * signal, step).unbind(1), strict=True))
    assert torch.allclose(lead["I"] + lead["III"], lead["II"], atol=1e-5)
    assert torch.allclose(lead["aVR"] + lead["aVL"] + lead["aVF"], 0 * lead["I"], atol=1e-5)
    assert torch.allclose(lead["aVF"], (lead["II"] + lead["III"]) / 2, atol=1e-5)


@pytest.mark.parametrize("step", DISTURBANCES)
def test_noise_knows_its_montage(step):
    other = Montage(250, ("ECG1", "ECG2"))
    made = make_view(torch.zeros(4, 2, 500), (step,), other, seeded())
    assert made.shape == (4, 2, 500) and made.abs().amax(dim=-1).min() > 0


def test_a_power_line_is_refused_where_it_would_fold_back(signal):
    with pytest.raises(ValueError, match="signals of 100 Hz hold only what is below 50 Hz"):
        make_view(signal, ("power_line",), Montage(100, LEADS), seeded())


@pytest.mark.parametrize("step", ["resized_crop", "local_warp", "time_warp"])
def test_a_ramp_still_rises_when_time_is_stretched(step):
    ramp = torch.arange(200.0).expand(64, 8, 200)
    made = view(ramp, step)
    assert (made.diff(dim=-1) > 0).all()
    assert torch.equal(made[:, 0], made[:, 7])  # all leads alike
    share = (made[:, 0, -1] - made[:, 0, 0] + 1) / 200
    if step != "time_warp":
        assert 0.5 <= share.min() < 0.55 and 0.95 < share.max() <= 1


def test_time_out_silences_one_stretch_of_the_share_asked(signal):
    made = view(signal, "time_out", low=0.25, high=0.25)
    silent = (made == 0).all(dim=1)
    assert (silent.sum(dim=1) == 50).all()
    assert (silent.int().diff(dim=1).abs().sum(dim=1) <= 2).all()
    assert torch.equal(
        made[~silent[:, None].expand_as(made)], signal[~silent[:, None].expand_as(made)]
    )


def test_time_out_reaches_both_ends(signal):
    made = view(signal[:1, :, :10].expand(2000, -1, -1), "time_out")
    silent = (made == 0).all(dim=1).float().mean(dim=0)
    assert silent[0] > 0.05 and silent[-1] > 0.05


@pytest.mark.parametrize("shares", [{"low": 0.5, "high": 0.2}, {"high": 1.5}])
def test_shares_that_cannot_be_silenced_are_refused(shares, signal):
    with pytest.raises(ValueError, match="expected 0 <= low <= high <= 1"):
        view(signal, "time_out", **shares)


def test_leads_are_masked_with_the_probability_asked(signal):
    silent = (view(signal.repeat(20, 1, 1), "lead_mask", share=0.3) == 0).all(dim=-1)
    assert silent.float().mean() == pytest.approx(0.3, abs=0.03)


def test_a_gain_is_a_leads_own_and_even_on_a_logarithmic_scale(signal):
    factor = (view(signal, "gain") / signal).mean(dim=-1)
    assert 0.5 <= factor.min() < 0.55 and 1.9 < factor.max() <= 2.0001
    assert factor.log().mean() == pytest.approx(0, abs=0.06)


def test_half_of_the_records_are_turned_upside_down(signal):
    made = view(signal, "negation")
    turned = (made == -signal).flatten(1).all(dim=1)
    assert 20 < turned.sum() < 44 and torch.equal(made[~turned], signal[~turned])
    assert torch.equal(view(signal, "negation", share=1.0), -signal)


def test_blur_is_a_weighted_mean_of_five_samples(signal):
    made = view(signal, "blur", share=1.0)
    expected = np.convolve(signal[3, 2].double().numpy(), BLUR, mode="valid")
    np.testing.assert_allclose(made[3, 2, 2:-2].numpy(), expected, atol=1e-6)
    level = torch.full((2, 8, 50), 0.7)
    assert torch.allclose(view(level, "blur", share=1.0), level)  # up to its ends


def test_half_of_the_records_are_blurred(signal):
    same = (view(signal, "blur") == signal).flatten(1).all(dim=1)
    assert 20 < same.sum() < 44


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_view_is_as_exact_where_the_loss_is_computed_in_bfloat16(step, signal):
    with torch.autocast("cpu", torch.bfloat16):
        made = view(signal, step)
    assert torch.equal(made, view(signal, step))


def test_steps_follow_one_another(signal):
    generator = seeded()
    both = make_view(signal, ("negation", "time_out"), MONTAGE, seeded())
    one = make_view(signal, ("negation",), MONTAGE, generator)
    assert torch.equal(both, make_view(one, ("time_out",), MONTAGE, generator))


def test_an_unknown_step_is_answered_with_those_there_are(signal):
    with pytest.raises(ValueError, match="no view step 'warp'; there are: baseline_shift, "):
        make_view(signal, ("warp",), MONTAGE, seeded())


def test_a_misspelt_option_of_a_step_is_answered_with_those_there_are(signal):
    with pytest.raises(ValueError, match=r"view step noise: no amplitud; it knows \['amplitude'\]"):
        make_view(signal, ({"name": "noise", "amplitud": 1.0},), MONTAGE, seeded())
