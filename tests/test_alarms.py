"""A threshold that alarms once an hour where nothing is wrong, chosen by valid patients."""

import numpy as np
import pytest

from ecgpipe import alarms, patients
from ecgpipe.predictions import Predictions
from tests.windows import predicted

HOURS = 1800  # windows of two seconds make up one


def alarms_an_hour(said: Predictions, threshold):
    found = patients.measure(said, np.array([threshold]), np.array([threshold]))
    free = found[found["positives"] == 0]
    return free["false_alarms"].sum() / free["hours"].sum()


def noise(seed, patients=3, correlated=1):
    """Windows of patients without arrhythmia, an hour each, and of one who has some."""
    rng = np.random.default_rng(seed)
    count = (patients + 1) * HOURS
    number = np.repeat(np.arange(patients + 1), HOURS)
    probability = np.convolve(rng.normal(size=count), np.ones(correlated), "same")
    probability = 1 / (1 + np.exp(-probability))
    target = (number == patients) & (rng.random(count) < 0.2)
    names = np.array([f"here:{n}" for n in number])
    return predicted(
        target, probability, names, start=np.tile(2.0 * np.arange(HOURS), patients + 1)
    )


@pytest.mark.parametrize("correlated", [1, 5, 50])
def test_no_lower_threshold_would_do(correlated):
    valid = noise(correlated, correlated=correlated)
    chosen = alarms.choose_thresholds(valid).item()
    assert alarms_an_hour(valid, chosen) <= 1
    assert alarms_an_hour(valid, np.nextafter(chosen, 0)) > 1
    free = ~np.isin(valid.patient, valid.patient[valid.target[:, 0]])
    levels = np.unique(valid.probability[free])
    above = levels[levels > chosen][:: max(1, len(levels) // 40)]
    assert all(alarms_an_hour(valid, level) <= 1 for level in above)


def test_patients_with_the_label_have_no_say():
    valid = noise(0)
    louder = valid.probability.copy()
    has = np.isin(valid.patient, valid.patient[valid.target[:, 0]])
    louder[has] = 1.0
    changed = Predictions(**{**vars(valid), "probability": louder})
    assert alarms.choose_thresholds(changed) == alarms.choose_thresholds(valid)


def test_one_long_alarm_is_one():
    probability = np.full(HOURS, 0.1)
    probability[100:200] = 0.9  # the hour's only alarm: one is allowed
    assert alarms.choose_thresholds(predicted([0] * HOURS, probability)).item() == 0.0
    probability[300] = 0.5
    assert 0.5 < alarms.choose_thresholds(predicted([0] * HOURS, probability)).item() < 0.500001


def test_without_a_patient_free_of_the_label_there_is_no_threshold():
    valid = predicted([0, 1, 0], [0.1, 0.9, 0.2])
    assert np.isnan(alarms.choose_thresholds(valid).item())
    found = patients.measure(valid, np.array([0.5]), np.array([np.nan])).iloc[0]
    assert np.isnan(found["limited_true"]) and found["true"] == 1


def test_sensitivity_at_one_alarm_an_hour_is_that_of_the_threshold():
    test = noise(3)
    threshold = alarms.choose_thresholds(noise(4))
    found = patients.measure(test, np.array([0.5]), threshold)
    summary = patients.summarise(found, np.ones((1, len(found))))
    called = test.probability[:, 0] >= threshold
    target = test.target[:, 0]
    assert summary["limited_sensitivity"] == pytest.approx(called[target].mean())
    expected = alarms_an_hour(test, threshold.item())
    assert summary["limited_false_alarms_per_hour"] == pytest.approx(expected)
