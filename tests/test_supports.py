"""Which windows of a patient are labeled, and which are left to score."""

import numpy as np
import pandas as pd
import pytest

from ecgpipe import supports
from ecgpipe.personal_settings import Personalization

SECONDS = 2.0


def patients(seed=0):
    """Four patients, one of two recordings; the arrhythmia of `late` comes after ten minutes."""
    rng = np.random.default_rng(seed)
    lengths = {("early", "a"): 500, ("late", "b"): 600, ("never", "c"): 300}
    lengths |= {("twice", "d"): 400, ("twice", "e"): 100}
    tables = [
        pd.DataFrame({"patient": patient, "record": record, "start": SECONDS * np.arange(count)})
        for (patient, record), count in lengths.items()
    ]
    windows = pd.concat(tables, ignore_index=True)
    arrhythmic = rng.random(len(windows)) < 0.3
    arrhythmic &= (windows["patient"] != "late") | (windows["start"] > 600)
    return windows, (arrhythmic & (windows["patient"] != "never")).to_numpy(int)


def draw(windows, kind, **changes):
    return supports.draw(windows, kind, 2, Personalization(**changes), SECONDS)


def of(windows, rows, patient):
    return windows[rows & (windows["patient"] == patient)]


@pytest.mark.parametrize("order", ["chronological", "random"])
def test_no_window_is_both_labeled_and_scored(order):
    windows, kind = patients()
    for drawn in draw(windows, kind, orders=(order,)):
        assert not (drawn.scored & drawn.support(20)).any()
        assert set(windows.loc[drawn.scored, "patient"]) == {"early", "late", "never", "twice"}


@pytest.mark.parametrize("order", ["chronological", "random"])
def test_more_shots_hold_the_fewer_and_leave_the_same_windows_to_score(order):
    windows, kind = patients()
    few = draw(windows, kind, orders=(order,), shots=(1, 20))[0]
    many = draw(windows, kind, orders=(order,), shots=(20,))[0]
    np.testing.assert_array_equal(few.scored, many.scored)
    assert (few.support(1) <= few.support(5)).all() and (few.support(5) <= few.support(20)).all()
    counts = pd.crosstab(windows["patient"], np.where(few.support(1), kind, 2))
    assert counts.loc["early", [0, 1]].tolist() == [1, 1]


def test_in_the_order_of_time_what_is_scored_comes_a_guard_after_what_is_labeled():
    windows, kind = patients()
    (drawn,) = draw(windows, kind, orders=("chronological",), guard=30.0)
    support = drawn.support(20)
    for record in ("a", "b", "c", "d"):
        rows = windows["record"] == record
        labeled, scored = (windows.loc[rows & some, "start"] for some in (support, drawn.scored))
        assert scored.min() >= labeled.max() + SECONDS + 30
    assert not (support & (windows["record"] == "e")).any()
    assert drawn.scored[windows["record"] == "e"].all()


def test_labeling_ends_when_there_is_enough_of_each_class():
    windows, kind = patients()
    (drawn,) = draw(windows, kind, orders=("chronological",), shots=(20,), guard=0.0)
    labeled = of(windows, drawn.support(20), "early")
    assert len(labeled) == 40
    begun = of(windows, drawn.scored, "early")["start"].min()
    assert begun == labeled["start"].max() + SECONDS < 300


def test_labeling_ends_after_its_period_and_a_class_may_lack():
    windows, kind = patients()
    (drawn,) = draw(windows, kind, orders=("chronological",), period=300.0, guard=30.0)
    for patient in ("late", "never"):
        labeled = of(windows, drawn.support(20), patient)
        assert len(labeled) == 20 and not kind[labeled.index].any()
        assert of(windows, drawn.scored, patient)["start"].min() == 330


def test_what_is_labeled_and_what_lacks_is_counted():
    windows, kind = patients()
    (drawn,) = draw(windows, kind, orders=("chronological",))
    counts = supports.count(windows, kind, 2, drawn.support(5), drawn.scored)
    assert counts["labeled"].to_dict() == {"early": 10, "late": 5, "never": 5, "twice": 10}
    assert counts["labeled_lacks"].to_dict() == {"early": 0, "late": 1, "never": 1, "twice": 0}
    assert counts["scored_lacks"].to_dict() == {"early": 0, "late": 0, "never": 1, "twice": 0}
    assert counts.loc["late", "scored"] == 600 - 165
    assert supports.describe(counts).startswith("30 windows of 4 patients labeled, 2 of whom lack")


def test_at_random_half_of_a_class_at_most_is_labeled():
    windows, kind = patients()
    few = np.flatnonzero((windows["patient"] == "late") & (kind == 1))[7:]
    kind[few] = 0
    for drawn in draw(windows, kind, orders=("random",)):
        late = (windows["patient"] == "late").to_numpy() & (kind == 1)
        assert (drawn.support(20) & late).sum() == 3 and (drawn.scored & late).sum() == 4


def test_a_random_draw_is_the_same_whoever_else_is_there_and_in_any_order():
    windows, kind = patients()
    before = draw(windows, kind, orders=("random",))[2]
    order = np.random.default_rng(1).permutation(np.flatnonzero(windows["patient"] != "early"))
    after = draw(windows.iloc[order].reset_index(drop=True), kind[order], orders=("random",))[2]
    np.testing.assert_array_equal(after.rank, before.rank[order])


def test_draws_differ_and_every_window_is_as_likely():
    windows, kind = patients()
    drawn = draw(windows, kind, orders=("random",), shots=(20,), draws=200)
    often = np.mean([one.support(20) for one in drawn], axis=0)
    mine = (windows["patient"] == "early").to_numpy() & (kind == 0)
    assert often[mine].mean() == pytest.approx(20 / mine.sum())
    expected = np.sqrt(20 / mine.sum() * (1 - 20 / mine.sum()) / 200)
    assert often[mine].std() == pytest.approx(expected, rel=0.15)


def test_halves_part_each_class_and_share_only_a_single_window():
    windows, kind = patients()
    chosen = draw(windows, kind, orders=("random",))[0].support(5)
    near, far = supports.halve(windows, kind, chosen, 0)
    assert ((near | far) == chosen).all() and not (near & far).any()
    sizes = pd.crosstab(windows["patient"], [kind, near.astype(int) - far])
    assert sizes.loc["early", (1, 1)] == 3 and sizes.loc["early", (1, -1)] == 2
    one = draw(windows, kind, orders=("random",))[0].support(1)
    near, far = supports.halve(windows, kind, one, 0)
    assert (near == one).all() and (far == one).all()


def test_every_class_of_a_patient_weighs_the_same():
    windows, kind = patients()
    chosen = draw(windows, kind, orders=("chronological",))[0].support(20)
    weight = supports.balance(windows, kind, chosen)
    total = pd.Series(weight).groupby([windows["patient"], kind]).sum()
    assert total["early"].tolist() == pytest.approx([1, 1])
    assert total["late"].tolist() == pytest.approx([1, 0])
    assert not weight[~chosen].any()
