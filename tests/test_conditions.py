import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from ecgpipe import noises, settings
from ecgpipe.batches import Montage
from ecgpipe.cohort import Cohort
from ecgpipe.conditions import disturb
from ecgpipe.settings import Condition
from ecgpipe.stages.predict import disturbed

CONDITIONS = sorted(Path(__file__).parent.parent.glob("config/conditions/*.yaml"))
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
MONTAGE = Montage(250, LEADS)


@pytest.fixture
def signal():
    """Twelve leads that obey Einthoven, of three records, in millivolts."""
    generator = torch.Generator().manual_seed(0)
    free = 0.3 * torch.randn(3, 8, 500, generator=generator, dtype=torch.float64).cumsum(-1) / 4
    return noises.carry(LEADS).double() @ free


@pytest.fixture
def recorded():
    """Two channels of noise, much longer than a signal and far from zero."""
    generator = torch.Generator().manual_seed(5)
    return torch.randn(2, 5000, generator=generator).cumsum(-1) + 70


def with_condition(signal, recorded=None, leads=LEADS, **values):
    montage = Montage(250, leads)
    return disturb(signal, Condition(**values), montage, range(len(signal)), recorded)


def ratio(signal, noisy):
    """The signal-to-noise ratio of each record in dB, by NumPy."""
    clean, noise = signal.numpy(), (noisy - signal).numpy()
    powers = [x.var(axis=2).mean(axis=1) for x in (clean, noise)]
    return 10 * np.log10(powers[0] / powers[1])


@pytest.mark.parametrize("snr", [24.0, 0.0, -6.0])
@pytest.mark.parametrize("noise", settings.NOISES)
def test_noise_has_exactly_the_ratio_asked(noise, snr, signal):
    noisy = with_condition(signal, noise=noise, snr=snr)
    np.testing.assert_allclose(ratio(signal, noisy), snr, atol=1e-6)


def test_recorded_noise_has_exactly_the_ratio_asked(signal, recorded):
    noisy = with_condition(signal, recorded, noise="nstdb/em", snr=-3.0)
    np.testing.assert_allclose(ratio(signal, noisy), -3, atol=1e-6)


@pytest.mark.parametrize("noise", [*settings.NOISES, "nstdb/bw"])
def test_noisy_leads_still_obey_einthoven(noise, signal, recorded):
    pool = recorded if "/" in noise else None
    noisy = with_condition(signal, pool, noise=noise, snr=0.0)
    lead = dict(zip(LEADS, noisy.unbind(1), strict=True))
    assert torch.allclose(lead["I"] + lead["III"], lead["II"], atol=1e-4)
    assert torch.allclose(lead["aVL"], (lead["I"] - lead["III"]) / 2, atol=1e-4)


@pytest.mark.parametrize("noise", [*settings.NOISES, "nstdb/bw"])
def test_a_records_noise_does_not_depend_on_the_others(noise, signal, recorded):
    condition = Condition(noise=noise, snr=6.0)
    pool = recorded if "/" in noise else None
    together = disturb(signal, condition, MONTAGE, [7, 8, 9], pool)
    alone = disturb(signal[1:2], condition, MONTAGE, [8], pool)
    assert torch.equal(together[1:2], alone)
    same = disturb(signal[:1].expand(2, -1, -1), condition, MONTAGE, [7, 8], pool)
    assert not torch.equal(same[0], same[1])


def test_under_every_ratio_it_is_the_same_noise(signal):
    loud, faint = (with_condition(signal, noise="muscle", snr=snr) for snr in (0.0, 20.0))
    assert torch.allclose(loud - signal, 10 * (faint - signal))


def test_leads_that_were_not_recorded_have_no_noise(signal):
    signal[0, 3:] = 0
    noisy = with_condition(signal, noise="mix", snr=6.0)
    assert (noisy[0, 3:] == 0).all() and (noisy[0, :3] != signal[0, :3]).any(dim=-1).all()
    np.testing.assert_allclose(ratio(signal, noisy), 6, atol=1e-6)


def test_a_record_of_silence_stays_silent(signal):
    signal[1] = 0
    noisy = with_condition(signal, noise="white", snr=6.0)
    assert (noisy[1] == 0).all() and noisy.isfinite().all()


def test_noise_that_does_not_vary_is_refused(signal):
    with pytest.raises(ValueError, match="noise that does not vary over a whole record"):
        with_condition(signal, torch.full((1, 900), 3.0), noise="nstdb/em", snr=6.0)


def test_mains_need_a_sampling_frequency_that_holds_them(signal):
    with pytest.raises(ValueError, match="power line noise .* take a preparation of more than"):
        disturb(signal, Condition(noise="power_line", snr=6.0), Montage(100, LEADS), [1, 2, 3])


@pytest.mark.parametrize(
    ("pair", "expected"),
    [  # the table of a textbook, for exchanged electrodes of the limbs
        (("RA", "LA"), {"I": "-I", "II": "III", "III": "II", "aVR": "aVL", "aVL": "aVR"}),
        (("RA", "LL"), {"I": "-III", "II": "-II", "III": "-I", "aVR": "aVF", "aVF": "aVR"}),
        (("LA", "LL"), {"I": "II", "II": "I", "III": "-III", "aVL": "aVF", "aVF": "aVL"}),
        (("V1", "V2"), {"V1": "V2", "V2": "V1"}),
    ],
)
def test_exchanged_electrodes_show_in_the_leads(pair, expected, signal):
    before = dict(zip(LEADS, signal.unbind(1), strict=True))
    after = dict(zip(LEADS, with_condition(signal, swapped=(pair,)).unbind(1), strict=True))
    for lead in LEADS:
        shown = expected.get(lead, lead)
        sign = -1 if shown.startswith("-") else 1
        assert torch.allclose(after[lead], sign * before[shown.lstrip("-")], atol=1e-9), lead


def test_leads_whose_electrodes_stay_are_as_recorded(signal):
    signal = signal + torch.randn(signal.shape, dtype=torch.float64)  # obeys nobody
    after = with_condition(signal, swapped=(("RA", "LA"),))
    assert torch.equal(after[:, 5:], signal[:, 5:])  # aVF and the chest


def test_an_arm_and_a_chest_electrode_exchanged_move_every_chest_lead(signal):
    after = with_condition(signal, swapped=(("RA", "V1"),))
    right = -(signal[:, 0] + signal[:, 1]) / 3  # Wilson's terminal being zero
    centre = (signal[:, 6] - right) / 3  # where it is now
    assert torch.allclose(after[:, 6], right - centre)
    assert torch.allclose(after[:, 11], signal[:, 11] - centre)
    assert torch.allclose(after[:, 2], signal[:, 2])  # III has neither electrode


def test_exchanging_twice_changes_nothing(signal):
    twice = with_condition(signal, swapped=(("LA", "V3"), ("LA", "V3")))
    assert torch.equal(twice, signal)


def test_electrodes_that_the_leads_do_not_tell_of_are_refused(signal):
    with pytest.raises(ValueError, match="no electrode RA; the leads II, V1 tell of V1"):
        with_condition(signal[:, :2], leads=("II", "V1"), swapped=(("RA", "V1"),))
    with pytest.raises(ValueError, match="no electrode I; .* tell of V1, V2, .*, RA, LA, LL"):
        with_condition(signal, swapped=(("I", "LA"),))


def test_chest_electrodes_are_exchanged_without_limb_leads(signal):
    after = with_condition(signal[:, 6:], leads=LEADS[6:], swapped=(("V1", "V6"),))
    assert torch.equal(after, signal[:, [11, 7, 8, 9, 10, 6]])


def test_a_slower_recorder_keeps_out_what_it_cannot_hold():
    time = torch.arange(2500, dtype=torch.float64) / 250
    slow, fast = (torch.sin(2 * torch.pi * f * time).expand(2, 12, -1) for f in (5, 40))
    shown = with_condition(slow + fast, fs=50)[..., 250:-250]
    assert shown.shape == (2, 12, 2000) and shown.dtype == torch.float64
    assert torch.allclose(shown, slow[..., 250:-250], atol=0.02)


@pytest.mark.parametrize("fs", [250, 500])
def test_a_recorder_that_is_not_slower_is_refused(fs, signal):
    with pytest.raises(ValueError, match=f"fs {fs} is no slower recorder .* of 250 Hz"):
        with_condition(signal, fs=fs)


def test_leads_are_lost_by_name(signal):
    lost = with_condition(signal, missing=("V1", "I"))
    assert (lost[:, [0, 6]] == 0).all()
    kept = [i for i in range(12) if i not in (0, 6)]
    assert torch.equal(lost[:, kept], signal[:, kept])
    with pytest.raises(ValueError, match="no lead V9; there are: I, II"):
        with_condition(signal, missing=("V9",))


def test_things_are_done_in_the_order_in_which_they_happen(signal):
    """Noise at the skin, electrodes, gain, recorder, lost leads."""
    steps = [
        {"noise": "muscle", "snr": 6.0},
        {"swapped": (("RA", "LA"),)},
        {"gain": 0.5},
        {"fs": 50},
        {"missing": ("V1",)},
    ]
    one_by_one = signal
    for step in steps:
        one_by_one = with_condition(one_by_one, **step)
    at_once = with_condition(signal, **{k: v for step in steps for k, v in step.items()})
    assert torch.equal(at_once, one_by_one)


def test_the_signals_themselves_stay_as_they_are(signal):
    before = signal.clone()
    everything = {"noise": "mix", "snr": 6.0, "swapped": (("RA", "LA"),), "missing": ("V1",)}
    assert not torch.equal(with_condition(signal, **everything), before)
    assert torch.equal(signal, before)


def cohort_of(signal, records=(0, 1, 2), start=0.0, samples=500):
    """The signals of some records as a stage holds them, in microvolts."""
    names = [f"r{i}" for i in records]
    table = pd.DataFrame({"dataset": "made", "record": names, "start": start, "samples": samples})
    microvolts = (1000 * signal[list(records)]).round().to(torch.int16)
    return Cohort(table, microvolts, torch.zeros(len(names), 0), torch.tensor(records), MONTAGE)


@pytest.mark.parametrize("snr", [24.0, 6.0, -6.0])
def test_rounding_to_microvolts_moves_the_ratio_by_less_than_a_hundredth(snr, signal):
    cohort = cohort_of(signal)
    noisy = disturbed(cohort, Condition(noise="mix", snr=snr), None)
    assert noisy.signal.dtype == torch.int16
    found = ratio(cohort.signal.double(), noisy.signal.double())
    np.testing.assert_allclose(found, snr, atol=0.01)


def test_more_records_leave_a_records_noise_as_it_was(signal):
    condition = Condition(noise="baseline_shift", snr=6.0)
    noisy = disturbed(cohort_of(signal), condition, None).signal
    some = disturbed(cohort_of(signal, records=(2, 1)), condition, None).signal
    assert torch.equal(noisy[[2, 1]], some)
    later = disturbed(cohort_of(signal, start=10.0), condition, None).signal  # another window
    assert not torch.equal(noisy, later)


@pytest.mark.parametrize("noise", ["white", "muscle", "nstdb/em"])
def test_a_short_record_has_the_ratio_where_it_was_recorded_and_silence_behind(
    noise, signal, recorded
):
    signal[1, :, 200:] = 0
    condition, pool = Condition(noise=noise, snr=0.0), recorded if "/" in noise else None
    cohort = cohort_of(signal, samples=[500, 200, 500])
    noisy = disturbed(cohort, condition, pool).signal
    assert (noisy[1, :, 200:] == 0).all()
    clean = cohort.signal.double()[1:2, :, :200]
    np.testing.assert_allclose(ratio(clean, noisy.double()[1:2, :, :200]), 0, atol=0.01)
    assert torch.equal(noisy[[0, 2]], disturbed(cohort_of(signal, (0, 2)), condition, pool).signal)


def test_a_clean_cohort_is_handed_on(signal):
    cohort = cohort_of(signal)
    assert disturbed(cohort, Condition(), None) is cohort


@pytest.mark.parametrize("path", CONDITIONS, ids=lambda path: path.stem)
def test_a_condition_is_named_for_its_ratio_and_can_be_made(path, signal, recorded):
    condition = settings.build(Condition, yaml.safe_load(path.read_text()), str(path))
    named = re.search(r"-(minus-)?(\d+)db$", path.stem)
    found = named and int(named[2]) * (-1 if named[1] else 1)
    assert condition.snr == found
    pool = recorded if condition.recorded else None
    made = disturb(signal, condition, MONTAGE, range(3), pool)
    assert torch.equal(made, signal) == (path.stem == "clean")


@pytest.mark.parametrize(
    "kind",
    ["baseline-wander", "electrode-motion", "muscle-artefact"]
    + ["wander", "power-line", "muscle", "baseline-shift", "mixed-noise"],
)
def test_every_noise_has_the_whole_grid_of_ratios(kind):
    names = {f"{kind}-{snr}db" for snr in (24, 18, 12, 6, 0, "minus-6")}
    assert names <= {path.stem for path in CONDITIONS}


def test_every_kind_of_condition_is_predicted(stages):
    from ecgpipe import predictions

    random = stages.pretrain("random.safetensors")
    fit = {"steps": 2, "validate_every": 1, "batch": 16, "crop": 2.0, "rate": 0.01}
    checkpoint = stages.finetune("full/checkpoint.safetensors", random, fit=fit)
    told = {
        "clean": {},
        "muscle": {"noise": "muscle", "snr": 0},
        "arms": {"swapped": [["RA", "LA"]]},
        "loud": {"gain": 2},
        "slow": {"fs": 25},
        "lost": {"missing": ["V1"]},
    }
    out = stages.predict("p.h5", checkpoint, told)
    found = [predictions.read(out, name).probability for name in told]
    assert len({probability.tobytes() for probability in found}) == len(told)
