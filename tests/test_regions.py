"""Codes of regions against cases by hand and a plain loop over samples."""

import numpy as np
import pytest

from ecgpipe import regions
from ecgpipe.regions import REGIONS, UNKNOWN

P, QRS, T = range(3)
LETTERS = dict(zip(["P", "PR", "QRS", "ST", "T", "TP", "padding"], "p-Qst._", strict=True))


def spelled(coded):
    """Write a row of codes as letters; `?` is unknown."""
    names = [LETTERS[REGIONS[place]] if place != UNKNOWN else "?" for place in coded.tolist()]
    return "".join(names)


def beat(at, row=0, lead=-1):
    """Place P, QRS and T of a beat: `pp--QQsstt`."""
    return [(row, P, lead, at, at, at + 1), (row, QRS, lead, at + 4, at + 4, at + 5),
            (row, T, lead, at + 8, at + 8, at + 9)]  # fmt: skip


def coded(waves, samples, leads=1, time=40):
    waves = np.array(waves, np.int32).reshape(-1, 6)
    return regions.code(waves, np.array(samples), leads, time)


def test_two_beats_and_what_lies_between_them():
    found = coded(beat(2) + beat(22), [36])
    expected = "??pp--QQsstt..........pp--QQsstt????____"
    assert spelled(found[0, 0]) == expected
    assert found.dtype == np.int8


def test_waves_of_a_lead_are_its_own_and_waves_of_all_leads_everyones():
    found = coded(beat(2, lead=1) + beat(22, lead=1), [40], leads=2)
    assert spelled(found[0, 0]) == "?" * 40
    assert spelled(found[0, 1]).startswith("??pp--QQsstt..")
    shared = coded(beat(2) + beat(22), [40], leads=2)
    assert np.array_equal(shared[0, 0], found[0, 1]) and np.array_equal(shared[0, 1], found[0, 1])


def test_without_p_the_time_from_t_to_qrs_is_tp():
    waves = [wave for wave in beat(2) + beat(22) if wave[1] != P]
    expected = "??????QQsstt..............QQsstt????????"
    assert spelled(coded(waves, [40])[0, 0]) == expected


def test_of_two_waves_that_overlap_the_later_one_has_what_they_share():
    waves = [*beat(2), (0, P, -1, 11, 12, 13), *beat(22)]
    expected = "??pp--QQsstppp????????pp--QQsstt????????"
    assert spelled(coded(waves, [40])[0, 0]) == expected


def test_a_stretch_that_hides_a_beat_is_unknown():
    waves = beat(0) + beat(12) + beat(24) + beat(60)
    line = spelled(coded(waves, [72], time=72)[0, 0])
    assert line[10:12] == line[22:24] == ".."
    assert line[34:60] == "?" * 26


def test_without_a_second_beat_no_stretch_has_a_name():
    assert spelled(coded(beat(2), [40])[0, 0]) == "??pp??QQ??tt" + "?" * 28


def test_a_record_without_waves_is_unknown_up_to_its_padding():
    found = coded(beat(2, row=1) + beat(22, row=1), [30, 40])
    assert spelled(found[0, 0]) == "?" * 30 + "_" * 10
    assert "Q" in spelled(found[1, 0])
    assert spelled(coded([], [40])[0, 0]) == "?" * 40


def test_rows_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="number the rows of the waves"):
        coded(beat(2, row=1), [40])


def by_loop(waves, samples, leads, time):
    """Code sample by sample: the last wave that has begun decides."""
    limits = {"PR": 0.6, "ST": 0.5, "TP": 1.2}
    names = {(P, QRS): "PR", (QRS, T): "ST", (T, P): "TP", (T, QRS): "TP"}
    found = np.full((len(samples), leads, time), UNKNOWN)
    for row, lead in np.ndindex(len(samples), leads):
        own = sorted(
            (onset, offset, kind, peak)
            for wave_row, kind, wave_lead, onset, peak, offset in waves.tolist()
            if wave_row == row and wave_lead in (-1, lead)
        )
        peaks = [peak for *_, kind, peak in own if kind == QRS]
        usual = np.median(np.diff(peaks)) if len(peaks) > 1 else 0
        for (onset, offset, kind, _), after in zip(own, [*own[1:], None], strict=True):
            found[row, lead, onset : offset + 1] = REGIONS.index(("P", "QRS", "T")[kind])
            found[row, lead, offset + 1 :] = UNKNOWN
            name = after and names.get((kind, after[2]))
            if name and after[0] - offset - 1 <= limits[name] * usual:
                found[row, lead, offset + 1 : after[0]] = REGIONS.index(name)
        found[row, lead, samples[row] :] = REGIONS.index("padding")
    return found


@pytest.mark.parametrize("seed", range(8))
def test_codes_are_those_of_a_loop_over_samples(seed):
    random = np.random.default_rng(seed)
    onset = random.integers(0, 190, 120)
    offset = np.minimum(onset + random.integers(0, 12, 120), 199)
    row, kind, lead = (random.integers(low, high, 120) for low, high in [(0, 5), (0, 3), (-1, 3)])
    waves = np.stack([row, kind, lead, onset, (onset + offset) // 2, offset], axis=1)
    waves = waves.astype(np.int32)
    samples = random.integers(150, 201, 5)
    found = regions.code(waves, samples, 3, 200)
    assert np.array_equal(found, by_loop(waves, samples, 3, 200))
    assert len(np.unique(found)) > 5
