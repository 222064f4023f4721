"""Thresholds, the bootstrap of patients, intervals, differences and corrections."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import fbeta_score, precision_recall_curve

from ecgpipe import registry, scores
from ecgpipe.predictions import Predictions


@pytest.fixture
def predictions():
    """Draw 300 records of 150 patients; the last label is absent."""
    generator = np.random.default_rng(0)
    target = generator.random((300, 4)) < [0.5, 0.2, 0.05, 0]
    noise = generator.normal(size=target.shape)
    probability = (1 / (1 + np.exp(-noise - target))).astype(np.float32)
    patient = np.repeat([f"p{number}" for number in range(150)], 2)
    names = np.array([f"r{number}" for number in range(300)])
    part = np.full(300, "test")
    labels = ("a", "b", "c", "d")
    return Predictions(labels, names, patient, np.zeros(300), part, target, probability)


@pytest.fixture
def auroc():
    return registry.load("metrics", "auroc")


def table(predictions, **metrics):
    threshold = scores.choose_thresholds(predictions.target, predictions.probability)
    weight = scores.resample_patients(predictions.patient)
    return scores.table(scores.measure(metrics, predictions, threshold, weight), predictions)


def test_no_other_threshold_has_a_better_f_beta(predictions):
    target, probability = predictions.target[:, 0], predictions.probability[:, 0]
    chosen = scores.choose_thresholds(target[:, None], probability[:, None])[0]
    tried = [fbeta_score(target, probability >= value, beta=2) for value in np.unique(probability)]
    assert fbeta_score(target, probability >= chosen, beta=2) == max(tried)


def test_the_record_that_sets_a_threshold_is_decided_present(predictions):
    """Chosen by `at least` and applied by `above`, that record would be lost."""
    target, probability = predictions.target[:, :3], predictions.probability[:, :3]
    threshold = scores.choose_thresholds(target, probability)
    sample = scores.Sample(target, probability, threshold)
    found = registry.load("metrics", "f_beta").score(sample, np.ones((1, 300)))[0]
    for positive, said, score in zip(target.T, probability.T, found, strict=True):
        assert score == pytest.approx(precision_recall_f2(positive, said).max())


def precision_recall_f2(positive, said):
    """F2 at every point of scikit-learn's precision-recall curve."""
    precision, recall, _ = precision_recall_curve(positive, said)
    return 5 * precision * recall / np.maximum(4 * precision + recall, 1e-12)


def test_a_label_without_positives_gets_the_middle(predictions):
    assert scores.choose_thresholds(predictions.target, predictions.probability)[3] == 0.5


def test_a_resample_draws_as_many_patients_as_there_are(predictions):
    weight = scores.resample_patients(predictions.patient)
    assert weight.shape == (scores.RESAMPLES, 300)
    np.testing.assert_array_equal(weight[:, ::2].sum(axis=1), 150)


def test_records_of_a_patient_are_drawn_together(predictions):
    weight = scores.resample_patients(predictions.patient)
    np.testing.assert_array_equal(weight[:, ::2], weight[:, 1::2])
    assert weight.var() == pytest.approx(1 - 1 / 150, rel=0.05)  # multinomial


def test_the_same_patients_get_the_same_weights_in_any_order(predictions):
    order = np.random.default_rng(1).permutation(300)
    weight = scores.resample_patients(predictions.patient)
    np.testing.assert_array_equal(
        scores.resample_patients(predictions.patient[order]), weight[:, order]
    )


def test_another_seed_draws_other_patients(predictions):
    drawn = [scores.resample_patients(predictions.patient, seed=seed) for seed in (0, 0, 1)]
    assert np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[0], drawn[2])


def test_an_absent_label_is_counted_not_averaged(predictions, auroc):
    lines = table(predictions, auroc=auroc).set_index("label")
    assert lines.loc["macro", "value"] == pytest.approx(lines.loc[["a", "b", "c"], "value"].mean())
    assert lines.loc["macro", ["n", "absent"]].tolist() == [3, 1]
    assert lines.loc["d", ["value", "low", "high"]].isna().all()


def test_the_interval_has_the_width_that_theory_gives(predictions):
    brier = registry.load("metrics", "brier")
    line = table(predictions, brier=brier).set_index("label").loc["a"]
    error = (predictions.probability[:, 0] - predictions.target[:, 0]) ** 2
    of_patients = stats.sem(error.reshape(150, 2).mean(axis=1))
    assert line["high"] - line["low"] == pytest.approx(2 * 1.96 * of_patients, rel=0.1)


def test_the_interval_of_a_change_is_that_of_paired_differences(predictions):
    brier = {"brier": registry.load("metrics", "brier")}
    target, clean = predictions.target[:, :1], predictions.probability[:, :1]
    worse = (0.8 * clean + 0.2 * np.random.default_rng(1).random(clean.shape)).astype(np.float32)
    both = [
        replace(predictions, labels=("a",), target=target, probability=probability)
        for probability in (worse, clean)
    ]
    weight = scores.resample_patients(predictions.patient)
    measured = [scores.measure(brier, one, np.zeros(1), weight) for one in both]
    line = scores.change_table(*measured).iloc[0]
    change = ((worse - target) ** 2 - (clean - target) ** 2)[:, 0]
    assert line["change"] == pytest.approx(change.mean(), rel=1e-4)
    of_patients = stats.sem(change.reshape(150, 2).mean(axis=1))
    assert line["change_high"] - line["change_low"] == pytest.approx(3.92 * of_patients, rel=0.1)


def test_the_macro_score_skips_a_label_where_its_positives_are_lost():
    per_label = np.array([[0.5, np.nan, 1.0], [0.2, 0.4, 0.6], [np.nan] * 3])
    np.testing.assert_allclose(scores.average(per_label), [0.75, 0.4, np.nan])


def test_a_metric_per_record_has_one_line(predictions):
    lines = table(predictions, ranking_loss=registry.load("metrics", "ranking_loss"))
    assert lines[["label", "n", "absent"]].to_numpy().tolist() == [["macro", 4, 0]]


def test_holm_agrees_with_a_hand_computation():
    p = np.array([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(scores.correct_holm(p), [0.03, 0.06, 0.06, 0.02])


def test_no_difference_is_never_significant():
    assert scores.judge_difference(0.0, np.zeros(999)) == (0.0, 0.0, 1.0)


def test_a_large_difference_survives_the_correction_for_a_hundred_comparisons():
    replicates = np.random.default_rng(0).normal(5, 1, 999)
    p = np.array([scores.judge_difference(5.0, replicates)[2], *[0.5] * 99])
    assert scores.correct_holm(p)[0] < 0.001


def test_the_p_value_is_that_of_the_normal_distribution_it_scatters_as():
    replicates = np.random.default_rng(0).normal(2, 1, 100_000)
    assert scores.judge_difference(2.0, replicates)[2] == pytest.approx(0.0455, rel=0.05)
