import math

import pytest
import torch

from ecgpipe import noises, settings
from ecgpipe.batches import Montage

TWELVE = ("V1", "aVF", "I", "III", "aVR", "V2", "II", "aVL", "V3", "V4", "V5", "V6")


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


def draw(kind, records=50, seconds=10, fs=500, leads=("I", "II", "V1"), seed=1):
    return noises.draw(kind, records, seconds * fs, Montage(fs, leads), seeded(seed))


def spectrum(noise, fs):
    """Powers of a record's and a lead's frequencies, in double precision, and the frequencies."""
    power = torch.fft.rfft(noise.double()).abs().square()
    return power, torch.fft.rfftfreq(noise.shape[-1], 1 / fs, dtype=torch.float64)


def test_there_is_a_noise_for_every_name_that_a_condition_may_use():
    assert tuple(noises.KINDS) == settings.NOISES


@pytest.mark.parametrize("kind", noises.KINDS)
def test_the_same_generator_draws_the_same_noise_and_each_record_its_own(kind):
    noise = draw(kind, records=8)
    assert noise.shape == (8, 3, 5000) and noise.dtype == torch.float32
    assert torch.equal(noise, draw(kind, records=8))
    flat = noise.flatten(1) / noise.flatten(1).norm(dim=1, keepdim=True)
    assert (flat @ flat.T - torch.eye(8)).abs().max() < 0.999


@pytest.mark.parametrize("kind", noises.KINDS)
def test_leads_that_a_recorder_computes_have_the_noise_it_would_compute(kind):
    lead = dict(zip(TWELVE, draw(kind, leads=TWELVE).double().unbind(1), strict=True))
    close = {"atol": 1e-5, "rtol": 1e-5}
    assert torch.allclose(lead["I"] + lead["III"], lead["II"], **close)
    assert torch.allclose(lead["aVF"], (lead["II"] + lead["III"]) / 2, **close)
    assert torch.allclose(lead["aVL"], (lead["I"] - lead["III"]) / 2, **close)
    assert torch.allclose(lead["aVR"], -(lead["I"] + lead["II"]) / 2, **close)


@pytest.mark.parametrize("kind", [kind for kind in noises.KINDS if kind != "power_line"])
def test_leads_that_no_recorder_computes_have_noise_of_their_own(kind):
    for leads in (TWELVE, ("III", "aVF", "V1"), ("ECG1", "ECG2")):
        own = [lead for lead in leads if lead[0] in "VE" or "I" not in leads]
        noise = draw(kind, 200, leads=leads)[:, [leads.index(lead) for lead in own]].double()
        noise = noise - noise.mean(dim=-1, keepdim=True)
        alike = torch.einsum("rlt,rmt->lm", noise, noise)
        scale = alike.diagonal().sqrt()
        off = alike / scale / scale[:, None] - torch.eye(len(own))
        assert off.abs().max() < 0.25  # the same waveform in all leads gives 1


def test_white_noise_is_of_one_millivolt_and_flat():
    noise = draw("white", 100)
    power, frequency = spectrum(noise, 500)
    assert noise.std() == pytest.approx(1, rel=0.01)
    low, high = (power[..., part].mean() for part in (frequency < 125, frequency >= 125))
    assert low / high == pytest.approx(1, rel=0.02)


def test_wander_has_the_power_of_its_fifty_tones():
    noise = draw("baseline_wander", 2000, fs=20, leads=("I", "V1"))
    assert noise.square().mean().sqrt() == pytest.approx(math.sqrt(50 / 6), rel=0.01)  # 2.887


def test_wander_is_of_half_a_hertz_at_most_and_without_an_offset():
    power, frequency = spectrum(draw("baseline_wander", 8, seconds=100, fs=20), 20)
    share = power / power.sum(dim=-1, keepdim=True)
    assert share[..., 0].max() < 1e-9  # a whole number of periods of every tone
    assert share[..., frequency > 0.505].sum(dim=-1).max() < 1e-9


@pytest.mark.parametrize(
    ("fs", "tones"),
    [
        (500, {50: (50, 100, 150), 60: (60, 120, 180)}),
        (250, {50: (50, 100), 60: (60, 120)}),
        (200, {50: (50,), 60: (60,)}),
        (120, {50: (50,)}),
    ],
)
def test_mains_are_of_50_or_60_hertz_and_nothing_folds_back(fs, tones):
    power, frequency = spectrum(draw("power_line", 40, fs=fs), fs)
    share = power / power.sum(dim=-1, keepdim=True)
    found = set()
    for record in share[:, 0]:  # bins are a tenth of a hertz
        inside = {mains: sum(record[10 * f] for f in tones[mains]) for mains in tones}
        mains = max(inside, key=inside.get)
        assert inside[mains] > 1 - 1e-6
        found.add(mains)
    assert found == set(tones)


@pytest.mark.parametrize("fs", [50, 100])
def test_mains_that_a_sampling_frequency_cannot_hold_are_refused(fs):
    with pytest.raises(ValueError, match=f"50 or 60 Hz, and signals of {fs} Hz hold only"):
        draw("power_line", fs=fs)
    assert draw("mix", fs=fs).isfinite().all()


def test_mains_differ_between_leads_in_size_and_sign_alone():
    lead = draw("power_line", 30).double()
    factor = (lead[:, 0] * lead[:, 2]).sum(-1) / lead[:, 0].square().sum(-1)
    assert torch.allclose(lead[:, 2], factor[:, None] * lead[:, 0], atol=1e-4)
    assert factor.min() < 0 < factor.max()


@pytest.mark.parametrize(("fs", "top"), [(1000, 152), (500, 152), (250, 125), (100, 50)])
def test_muscle_noise_keeps_to_its_band(fs, top):
    noise = draw("muscle", 100, fs=fs)
    power, frequency = spectrum(noise, fs)
    share = power.mean(dim=(0, 1)) / power.mean(dim=(0, 1)).sum()
    # what beat below or above would be cut off by the end of the record: a ten-thousandth
    assert share[(frequency < 17.9) | (frequency > top)].sum() < 1e-4
    assert share[-1] < 1e-9 and share[frequency > 0.9 * min(top, 150)].sum() > 1e-3
    assert noise.std() == pytest.approx(1, rel=0.05)


def test_muscle_noise_is_coloured_and_comes_in_bursts():
    noise = draw("muscle", 200, leads=("I",))
    power, frequency = spectrum(noise, 500)
    density = power.mean(dim=(0, 1))
    assert (
        density[(frequency > 60) & (frequency < 80)].mean()
        > 2 * density[(frequency > 130) & (frequency < 150)].mean()
    )
    loudness = noise.square().unflatten(-1, (50, 100)).mean(dim=-1)  # of fifths of a second
    assert loudness.quantile(0.9) > 20 * loudness.quantile(0.25)  # steady noise: about 1.3


def test_muscle_noise_that_a_sampling_frequency_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="begins at 20 Hz: signals of 44 Hz hold none"):
        draw("muscle", fs=44)


@pytest.mark.parametrize("seconds", [1, 10])
def test_shifts_are_a_few_steps_that_every_lead_takes_at_once(seconds):
    noise = draw("baseline_shift", 300, seconds, leads=("I", "V1"))
    step = noise.diff(dim=-1) != 0
    assert torch.equal(step[:, 0], step[:, 1])
    count = step[:, 0].sum(dim=-1)
    assert count.min() >= 1 and count.max() <= 2 * max(1, round(0.3 * seconds))


def test_shifts_are_of_the_size_and_the_signs_defined():
    first, second = draw("baseline_shift", 4000, 1, fs=50, leads=("V1", "V2")).unbind(1)
    last, other = first[:, -1], second[:, -1]  # the only stretch of a second lasts to its end
    assert last.square().mean() == pytest.approx(2 / 3, rel=0.1)  # of a level 1/3, of a factor 2
    assert (last > 0).float().mean() == pytest.approx(0.5, abs=0.03)
    assert (last * other > 0).float().mean() == pytest.approx(0.5, abs=0.03)


def test_shifts_last_about_three_seconds():
    noise = draw("baseline_shift", 500, 60, fs=10, leads=("V1",))[:, 0]
    levels = [record.unique_consecutive(return_counts=True) for record in noise]
    lengths = torch.cat([count[1:-1][level[1:-1] != 0] for level, count in levels]) / 10
    assert lengths.float().median() == pytest.approx(3, abs=0.7)  # later ones cut some short


def test_a_mixture_has_every_kind_in_equal_parts():
    noise = draw("mix", 100, leads=("I",))
    power, frequency = spectrum(noise, 500)
    power = power / power[..., 1:].sum(dim=-1, keepdim=True)
    muscle = power[..., (frequency > 17) & (frequency < 152)].sum(dim=-1)
    assert muscle.mean() == pytest.approx(0.5, abs=0.1)  # muscle and mains; wander and shifts below
    assert noises.power(noise).median() == pytest.approx(4, rel=0.15)


@pytest.fixture
def recorded():
    """Two channels of noise, much longer than a signal and far from zero."""
    return torch.randn(2, 5000, generator=seeded(5), dtype=torch.float64).cumsum(-1) + 70


def pick(recorded, leads=("I", "II", "V1", "V2"), samples=300):
    return noises.pick(recorded, 6, samples, Montage(100, leads), seeded(3))


def test_every_lead_has_a_piece_of_its_own_of_the_recorded_noise(recorded):
    pieces = recorded.unfold(-1, 300, 1).reshape(-1, 300)
    found = [(pieces - lead).abs().sum(dim=-1).argmin() for lead in pick(recorded).flatten(0, 1)]
    assert torch.equal(pieces[torch.stack(found)], pick(recorded).flatten(0, 1))
    assert len(set(found)) == 24 and min(found) < 4701 <= max(found)  # of both channels


def test_recorded_noise_obeys_einthoven_too(recorded):
    one, three, two = pick(recorded, ("I", "III", "II")).unbind(1)
    assert torch.allclose(one + three, two)


def test_recorded_noise_shorter_than_a_signal_is_refused(recorded):
    with pytest.raises(ValueError, match="noise of 299 samples is shorter than a signal, 300"):
        pick(recorded[:, :299])
    assert pick(recorded[:, :300]).isfinite().all()
