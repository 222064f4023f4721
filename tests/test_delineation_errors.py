"""Errors of delineation, by cases small enough to count."""

import numpy as np
import pytest

from ecgpipe.delineation_errors import agreement, errors
from ecgpipe.regions import REGIONS, UNKNOWN

P, QRS, T = range(3)


def waves(*rows):
    return np.array(rows, np.int32).reshape(-1, 6)


def line(marked, found, wave="QRS", mark="onset"):
    """The line of one kind of wave and mark, at 100 Hz and two leads."""
    lines = errors(marked, found, 2, 100.0).set_index(["wave", "mark"])
    return lines.loc[(wave, mark)]


MARKED = waves(*[(0, QRS, lead, at, at + 4, at + 9) for lead in (0, 1) for at in (100, 200, 300)])


def test_what_is_found_late_by_two_samples_has_a_mean_error_of_20_ms():
    found = waves(*[(0, QRS, -1, at + 2, at + 4, at + 9) for at in (100, 200, 300)])
    told = line(MARKED, found)
    assert (told["marked"], told["found"], told["sensitivity"], told["precision"]) == (6, 6, 1, 1)
    assert told["mean"] == pytest.approx(20) and told["sd"] == pytest.approx(0)
    assert line(MARKED, found, mark="offset")["mean"] == 0


def test_errors_of_several_marks_are_averaged():
    found = waves((0, QRS, -1, 101, 104, 109), (0, QRS, -1, 203, 204, 209))
    told = line(MARKED, found)
    off = [10, 10, 30, 30]
    assert told["mean"] == pytest.approx(20) and told["sd"] == pytest.approx(np.std(off, ddof=1))
    assert told["sensitivity"] == pytest.approx(4 / 6) and told["precision"] == 1


def test_only_the_nearest_of_two_is_right_and_none_beyond_150_ms():
    close = waves((0, QRS, 0, 101, 104, 109), (0, QRS, 0, 108, 112, 116))
    told = line(MARKED, close)
    assert told["sensitivity"] == pytest.approx(1 / 6) and told["precision"] == 0.5
    far = waves((0, QRS, 0, 216, 220, 226), (0, QRS, 0, 285, 290, 299))
    assert line(MARKED, far)["sensitivity"] == pytest.approx(1 / 6)


def test_what_is_found_outside_the_marked_stretch_counts_neither_way():
    found = waves((0, QRS, 0, 20, 24, 29), (0, QRS, 0, 100, 104, 109), (0, QRS, 0, 400, 404, 409))
    told = line(MARKED, found)
    assert told["found"] == 1 and told["precision"] == 1
    nobody = waves((3, QRS, 0, 100, 104, 109))
    assert line(MARKED, nobody)["found"] == 0


def test_kinds_leads_and_records_are_not_mixed_up():
    other = waves((0, T, 0, 100, 104, 109), (1, QRS, 0, 100, 104, 109))
    told = line(MARKED, other)
    assert told["sensitivity"] == 0 and np.isnan(told["mean"])


def test_nothing_marked_and_nothing_found_has_no_errors():
    told = errors(waves(), waves(), 2, 100.0)
    assert len(told) == 9 and (told["marked"] == 0).all()
    assert told[["sensitivity", "precision", "mean", "sd"]].isna().all(axis=None)


def test_regions_agree_by_their_samples():
    codes = [REGIONS.index(name) for name in ("QRS", "QRS", "QRS", "QRS", "ST", "ST")]
    marked = np.array([*codes, UNKNOWN], np.int8).reshape(1, 1, 7)
    found = marked.copy()
    found[0, 0, [0, 3, 6]] = UNKNOWN, REGIONS.index("ST"), REGIONS.index("T")
    told = agreement(marked, found).set_index("region")
    assert told.loc["QRS", ["share", "sensitivity", "precision", "unnamed"]].tolist() == [
        pytest.approx(value) for value in (4 / 6, 2 / 3, 1, 1 / 4)
    ]
    assert told.loc["ST", "precision"] == pytest.approx(2 / 3)
