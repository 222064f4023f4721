"""Patients are measured one by one: ranks, alarms, events and how soon they are found."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from ecgpipe import patients
from tests.windows import predicted

THRESHOLD = np.array([0.5])


def many(seed=0):
    """Twelve patients of sixty windows; every fourth has no arrhythmia, one nothing else."""
    rng = np.random.default_rng(seed)
    number = np.repeat(np.arange(12), 60)
    target = (rng.random(720) < 0.3) & (number % 4 > 0) | (number == 5)
    probability = np.round(1 / (1 + np.exp(-rng.normal(size=720) - target)), 2)
    names = np.array([f"here:{n:02}" for n in number])
    return predicted(target, probability, names, start=np.tile(2.0 * np.arange(60), 12))


def measure(test):
    return patients.measure(test, THRESHOLD, THRESHOLD).set_index("patient")


def test_each_patients_auroc_and_f1_are_those_of_scikit_learn():
    test = many()
    found = measure(test)
    for name in found.index[found["auroc"].notna()]:
        of = test.take(test.patient == name)
        assert found.loc[name, "auroc"] == pytest.approx(roc_auc_score(of.target, of.probability))
        expected = f1_score(of.target, of.probability >= 0.5)
        assert found.loc[name, "f1"] == pytest.approx(expected)


def test_a_patient_of_one_class_has_no_auroc_and_is_not_averaged():
    found = measure(many())
    undefined = {f"here:{n:02}" for n in (0, 4, 5, 8)}
    assert set(found.index[found["auroc"].isna()]) == undefined
    assert set(found.index[found["f1"].isna()]) == undefined
    summary = patients.summarise(found, np.ones((1, 12)))
    assert summary["patient_auroc"] == pytest.approx(found["auroc"].mean())
    assert summary["patient_f1"] == pytest.approx(found["f1"].mean())


def test_shuffled_labels_give_half():
    test = many()
    rng = np.random.default_rng(3)
    drawn = []
    for _ in range(20):
        shuffled = predicted(rng.permutation(test.target[:, 0]), test.probability[:, 0])
        drawn.append(measure(shuffled)["auroc"].mean())
    assert np.mean(drawn) == pytest.approx(0.5, abs=0.02)


def test_the_order_of_windows_does_not_matter():
    test = many()
    shuffled = test.take(np.random.default_rng(1).permutation(720))
    pd.testing.assert_frame_equal(measure(shuffled), measure(test))


def test_false_alarms_are_stretches_of_windows_and_only_of_patients_without_the_label():
    called = [0, 1, 1, 1, 0, 0, 1, 0, 1, 1]
    without = measure(predicted([0] * 10, called))
    assert without["false_alarms"].item() == 3 and without["hours"].item() == 20 / 3600
    assert np.isnan(measure(predicted([0] * 9 + [1], called))["false_alarms"].item())
    rate = patients.summarise(without, np.ones((1, 1)))["false_alarms_per_hour"]
    assert rate == pytest.approx(3 / (20 / 3600))


def test_a_gap_and_another_recording_end_a_stretch():
    start = [0, 2, 6, 8, 0, 2]
    test = predicted([0] * 6, [1] * 6, start=start, record=["x"] * 4 + ["y"] * 2)
    assert measure(test)["false_alarms"].item() == 3


def test_events_are_found_by_any_window_and_timed_to_its_end():
    target = [0, 1, 1, 1, 0, 1, 1, 0, 1]
    called = [1, 0, 0, 1, 0, 0, 0, 0, 1]
    found = measure(predicted(target, called)).iloc[0]
    assert (found["events"], found["found"]) == (3, 2)
    assert (
        found["delay"] == (8 - 2) + 2
    )  # the third window of the first event, the only of the last
    summary = patients.summarise(found.to_frame().T.infer_objects(), np.ones((1, 1)))
    assert summary["event_sensitivity"] == pytest.approx(2 / 3)
    assert summary["time_to_detection"] == pytest.approx(4)


def test_weights_are_repetitions_of_patients():
    found = measure(many()).reset_index()
    times = np.random.default_rng(2).integers(3, size=12)
    repeated = found.loc[np.repeat(np.arange(12), times)]
    weighted = patients.summarise(found, times[None].astype(float))
    once = patients.summarise(repeated, np.ones((1, times.sum())))
    assert weighted.keys() == once.keys()
    for name, value in once.items():
        np.testing.assert_allclose(weighted[name], value, err_msg=name)


def test_pooled_rates_are_over_all_windows():
    test = many()
    summary = patients.summarise(measure(test), np.ones((1, 12)))
    called = test.probability[:, 0] >= 0.5
    assert summary["sensitivity"] == pytest.approx(called[test.target[:, 0]].mean())
    assert summary["specificity"] == pytest.approx(1 - called[~test.target[:, 0]].mean())


def test_a_tenth_of_the_patients_is_no_better_than_the_worst_decile():
    value = np.random.default_rng(0).permutation(np.arange(1, 21.0))
    assert patients.quantile(value, np.ones((1, 20)), 0.1) == 2
    assert patients.quantile(np.append(value, np.nan), np.ones((1, 21)), 0.1) == 2
    assert np.isnan(patients.quantile(np.array([np.nan]), np.ones((1, 1)), 0.1))


def test_records_that_are_no_windows_have_events_but_no_time():
    found = measure(predicted([0, 1], [1, 1], patient=["a", "b"], start=[0, 0]))
    assert found["events"].tolist() == [0, 1] and found["found"].tolist() == [0, 1]
    summary = patients.summarise(found, np.ones((1, 2)))
    assert np.isnan(summary["false_alarms_per_hour"]) and np.isnan(summary["time_to_detection"])
