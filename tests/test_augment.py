import math

import numpy as np
import pytest
import torch

from ecgpipe.augment import STEPS, make_view
from ecgpipe.batches import Montage
from ecgpipe.distortions import BLUR

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2")
MONTAGE = Montage(250, LEADS)
DISTURBANCES = ("baseline_wander", "power_line", "muscle", "baseline_shift")
LINEAR = (*DISTURBANCES, "noise")
ONE_OF_TWO = ("negation", "blur", "time_flip")  # a record is changed or is not
CHOICES = {name: {"steps": ["noise", "gain", "burst"]} for name in ("one_of", "some_of")}


@pytest.fixture
def signal():
    return torch.randn(64, 8, 200, generator=torch.Generator().manual_seed(0))


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


def view(signal, step, seed=1, **values):
    return make_view(signal, (told(step) | values,), MONTAGE, seeded(seed))


def still(*shape):
    """Signals in which nothing is heard, though they were recorded."""
    return torch.full(shape, 1e-9)


def told(step):
    return {"name": step} | CHOICES.get(step, {})


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
    make_view(signal, (told(step),), MONTAGE, generator)
    rest = make_view(signal, (told(step),), MONTAGE, generator)
    again = seeded()
    make_view(still(*signal.shape), (told(step),), MONTAGE, again)
    assert torch.equal(rest, make_view(signal, (told(step),), MONTAGE, again))


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
    if step not in ONE_OF_TWO:
        assert len({tuple(record.flatten().tolist()) for record in made}) > 12


@pytest.mark.parametrize("step", LINEAR)
def test_noise_is_linear_in_its_amplitude(step):
    silence = still(8, 8, 500)
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
    noise = view(still(4000, 8, 250), step, amplitude=1.0)[:, [0, 1, 6, 7]]
    assert noise.square().mean().sqrt() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("step", DISTURBANCES)
def test_noise_keeps_what_einthoven_says_of_the_leads(step, signal):
    lead = dict(zip(LEADS, view(still(*signal.shape), step).unbind(1), strict=True))
    assert torch.allclose(lead["I"] + lead["III"], lead["II"], atol=1e-5)
    assert torch.allclose(lead["aVR"] + lead["aVL"] + lead["aVF"], 0 * lead["I"], atol=1e-5)
    assert torch.allclose(lead["aVF"], (lead["II"] + lead["III"]) / 2, atol=1e-5)


@pytest.mark.parametrize("step", DISTURBANCES)
def test_noise_knows_its_montage(step):
    other = Montage(250, ("ECG1", "ECG2"))
    made = make_view(still(4, 2, 500), (step,), other, seeded())
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


def test_half_of_the_records_are_played_backwards(signal):
    made = view(signal, "time_flip")
    turned = (made == signal.flip(-1)).flatten(1).all(dim=1)
    assert 20 < turned.sum() < 44 and torch.equal(made[~turned], signal[~turned])
    assert torch.equal(view(signal, "time_flip", share=1.0), signal.flip(-1))


def test_a_burst_is_one_stretch_of_even_length_in_each_lead(signal):
    silent = view(signal.repeat(20, 1, 1), "burst") == 0
    length = silent.sum(dim=-1).flatten()
    assert (silent.int().diff(dim=-1).abs().sum(dim=-1) <= 2).all()
    assert length.unique().tolist() == list(range(0, 199, 2))  # twice 0 to 99
    counts = length.bincount()[::2] / len(length)
    assert (counts - 1 / 100).abs().max() < 5 * math.sqrt(0.01 * 0.99 / len(length))


def test_a_burst_lies_anywhere_its_length_allows(signal):
    silent = view(signal[:1, :, :4].repeat(4000, 1, 1), "burst", high=1.0) == 0
    long = silent[silent.sum(dim=-1) == 2].float()  # half of it is 1, its centre 1 or 2
    assert long.mean(dim=0).tolist() == pytest.approx([0.5, 1.0, 0.5, 0.0], abs=0.02)


def test_a_burst_is_at_most_of_the_share_asked(signal):
    length = (view(signal, "burst", high=0.3) == 0).sum(dim=-1)
    assert length.max() == 2 * 29 and length.min() == 0
    with pytest.raises(ValueError, match="a share of up to 1.5"):
        view(signal, "burst", high=1.5)


def test_shuffled_leads_are_the_same_leads_in_any_order(signal):
    lead = torch.arange(8.0)[None, :, None].expand(4000, 8, 2)
    made = view(lead, "lead_shuffle")[..., 0]
    assert torch.equal(made.sort(dim=1).values, lead[..., 0])
    places = torch.stack([(made == number).float().mean(dim=0) for number in range(8)])
    assert (places - 1 / 8).abs().max() < 0.03


def test_one_of_several_steps_is_taken_as_often_as_another(signal):
    steps = [{"name": "gain", "low": 2.0, "high": 2.0}, {"name": "negation", "share": 1.0}]
    made = view(signal.repeat(20, 1, 1), "one_of", steps=steps)
    factor = (made / signal.repeat(20, 1, 1)).mean(dim=(1, 2)).round()
    assert factor.unique().tolist() == [-1, 2]
    assert (factor == 2).float().mean() == pytest.approx(0.5, abs=0.05)


def test_some_of_several_steps_are_applied_once_each_if_drawn(signal):
    steps = [{"name": "gain", "low": n, "high": n} for n in (2.0, 3.0, 5.0, 7.0)]
    made = view(signal.repeat(20, 1, 1), "some_of", steps=steps, draws=4)
    factor = (made / signal.repeat(20, 1, 1)).mean(dim=(1, 2)).round().long()
    assert (210 % factor == 0).all() and (factor > 1).all()
    for one in (2, 3, 5, 7):  # not missed by four draws of four
        assert (factor % one == 0).float().mean() == pytest.approx(1 - 0.75**4, abs=0.05)


def test_steps_to_choose_from_are_checked_like_others(signal):
    with pytest.raises(ValueError, match="one_of: give it `steps`"):
        make_view(signal, ("one_of",), MONTAGE, seeded())
    with pytest.raises(ValueError, match="no view step 'warp'"):
        view(signal, "some_of", steps=["noise", "warp"])
