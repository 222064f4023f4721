import pytest
import torch

from ecgpipe.augment import STEPS, disturb, make_view
from ecgpipe.settings import Condition

LEADS = ("I", "II", "V1", "V2")


@pytest.fixture
def signal():
    return torch.randn(64, 4, 200, generator=torch.Generator().manual_seed(0))


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_step_changes_a_copy_and_repeats_with_its_generator(step, signal):
    before = signal.clone()
    view = make_view(signal, (step,), seeded())
    assert torch.equal(signal, before) and view.shape == signal.shape
    assert not torch.equal(view, signal)
    assert torch.equal(view, make_view(signal, (step,), seeded()))


@pytest.mark.parametrize("step", sorted(STEPS))
def test_every_sample_has_its_own_draw(step, signal):
    same = signal[:1].expand(8, -1, -1)
    view = make_view(same, (step,), seeded())
    assert not torch.equal(view[0], view[1]) or not torch.equal(view[1], view[2])


def test_time_out_silences_one_stretch_of_the_share_asked(signal):
    view = make_view(signal, ({"name": "time_out", "low": 0.25, "high": 0.25},), seeded())
    silent = (view == 0).all(dim=1)
    assert torch.allclose(silent.float().mean(dim=1), torch.tensor(0.25), atol=0.011)
    assert (silent.int().diff(dim=1).abs().sum(dim=1) <= 2).all()


def test_an_unknown_step_is_answered_with_those_there_are(signal):
    with pytest.raises(ValueError, match="no view step 'warp'; there are: gain, lead_mask"):
        make_view(signal, ("warp",), seeded())


def test_a_misspelt_option_of_a_step_is_answered_with_those_there_are(signal):
    with pytest.raises(ValueError, match=r"view step noise: no amplitud; it knows \['amplitude'\]"):
        make_view(signal, ({"name": "noise", "amplitud": 1.0},), seeded())


def test_a_lead_that_is_not_there_cannot_be_lost(signal):
    with pytest.raises(ValueError, match="no lead V9; there are: I, II"):
        disturb(signal, Condition(missing=("V9",)), LEADS, seeded())


def test_noise_has_exactly_the_ratio_asked():
    signal = torch.randn(5, 4, 500, generator=seeded(), dtype=torch.float64)
    noisy = disturb(signal, Condition(noise="white", snr=6.0), LEADS, seeded())
    power = signal.var(dim=-1, correction=0).mean(dim=1)
    achieved = 10 * torch.log10(power / (noisy - signal).square().mean(dim=(1, 2)))
    assert torch.allclose(achieved, torch.full((5,), 6.0, dtype=torch.float64), atol=1e-6)


def test_leads_are_lost_and_swapped_by_name(signal):
    lost = disturb(signal, Condition(missing=("V1",)), LEADS, seeded())
    assert (lost[:, 2] == 0).all() and torch.equal(lost[:, 3], signal[:, 3])
    swapped = disturb(signal, Condition(swapped=(("I", "II"),), gain=2.0), LEADS, seeded())
    assert torch.equal(swapped[:, 0], 2 * signal[:, 1])
