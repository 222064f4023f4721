"""Every file in ecgpipe/metrics keeps these promises, and the numbers of scikit-learn."""

import numpy as np
import pytest
import sklearn.metrics as reference
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from ecgpipe import registry
from ecgpipe.scores import Sample

ABSENT, EVERYWHERE = 4, 5  # labels that no record, and every record, has


@pytest.fixture(params=registry.names("metrics"))
def name(request):
    return request.param


@pytest.fixture
def metric(name):
    return registry.load("metrics", name)


@pytest.fixture(params=[0, 1])
def sample(request):
    """Draw targets and probabilities with many ties, one label absent and one everywhere."""
    generator = np.random.default_rng(request.param)
    target = generator.random((60, 6)) < 0.3
    target[:, ABSENT], target[:, EVERYWHERE] = False, True
    target[0] = False
    noise = generator.normal(size=target.shape)
    probability = np.round(expit(noise + target - 0.5), 1 + request.param).clip(0.01, 0.99)
    return Sample(target, probability, generator.choice(probability[:, 0], 6))


@pytest.fixture
def weight():
    """Draw how often each record stands in each of five resamples."""
    return np.random.default_rng(7).integers(4, size=(5, 60)).astype(float)


def of_label(name, target, probability, threshold):
    """Score one label as somebody else does; NaN where that is undefined."""
    present, absent = target.any(), not target.all()
    if name in ("auroc", "calibration_slope", "calibration_intercept") and not (present and absent):
        return np.nan
    if name in ("average_precision", "f_beta", "g_beta") and not present:
        return np.nan
    return REFERENCES[name](target, probability, probability >= threshold)


def g_beta(target, probability, decided):
    (_, false_alarm), (missed, true) = reference.confusion_matrix(
        target, decided, labels=[False, True]
    )
    return true / (true + false_alarm + 2 * missed)


def slope(target, probability, decided):
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12)
    return model.fit(logit(probability)[:, None], target).coef_[0, 0]


def intercept(target, probability, decided):
    def excess(shift):
        return expit(logit(probability) + shift).mean() - target.mean()

    return brentq(excess, -20, 20, xtol=1e-12)


def calibration_error(target, probability, decided):
    bins = np.minimum(np.floor(probability * 10), 9)
    gaps = [
        (bins == place).mean()
        * abs(target[bins == place].mean() - probability[bins == place].mean())
        for place in set(bins)
    ]
    return sum(gaps)


REFERENCES = {
    "auroc": lambda target, probability, _: reference.roc_auc_score(target, probability),
    "average_precision": lambda target, probability, _: reference.average_precision_score(
        target, probability
    ),
    "f_beta": lambda target, _, decided: reference.fbeta_score(target, decided, beta=2),
    "g_beta": g_beta,
    "hamming_loss": lambda target, _, decided: reference.hamming_loss(target, decided),
    "brier": lambda target, probability, _: np.mean((probability - target) ** 2),
    "calibration_slope": slope,
    "calibration_intercept": intercept,
    "expected_calibration_error": calibration_error,
    "ranking_loss": reference.label_ranking_loss,
    "coverage_error": reference.coverage_error,
}


def by_reference(name, per, sample):
    if per == "record":
        return np.array([REFERENCES[name](sample.target, sample.probability)])
    columns = zip(sample.target.T, sample.probability.T, sample.threshold, strict=True)
    return np.array([[of_label(name, *column) for column in columns]])


def take(sample, rows):
    return Sample(sample.target[rows], sample.probability[rows], sample.threshold)


def test_a_metric_says_what_it_scores_and_which_way_is_better(metric):
    assert metric.PER in ("label", "record")
    assert metric.HIGHER_IS_BETTER in (True, False, None)


def test_the_score_is_that_of_an_independent_reference(name, metric, sample):
    found = metric.score(sample, np.ones((1, 60)))
    np.testing.assert_allclose(found, by_reference(name, metric.PER, sample), rtol=1e-7, atol=1e-9)


def test_weights_are_repetitions(name, metric, sample, weight):
    found = metric.score(sample, weight)
    for row, times in zip(found, weight, strict=True):
        repeated = take(sample, np.repeat(np.arange(60), times.astype(int)))
        expected = by_reference(name, metric.PER, repeated)[0]
        np.testing.assert_allclose(row, expected, rtol=1e-7, atol=1e-9)


def test_the_order_of_records_does_not_matter(metric, sample, weight):
    order = np.random.default_rng(3).permutation(60)
    shuffled = metric.score(take(sample, order), weight[:, order])
    np.testing.assert_allclose(shuffled, metric.score(sample, weight), rtol=1e-9, atol=1e-12)


def test_single_precision_is_enough_for_resamples(metric, sample, weight):
    single = metric.score(sample, weight.astype(np.float32))
    np.testing.assert_allclose(single, metric.score(sample, weight), rtol=1e-4, atol=1e-5)


def test_a_resample_without_positives_leaves_its_neighbours_alone(metric, sample, weight):
    emptied = weight.copy()
    emptied[0, sample.target[:, 0]] = 0
    found, before = metric.score(sample, emptied), metric.score(sample, weight)
    np.testing.assert_allclose(found[1:], before[1:], rtol=1e-9)


def test_separated_labels_have_no_calibration_slope():
    target = np.arange(20)[:, None] >= 10
    sample = Sample(target, np.linspace(0.1, 0.9, 20)[:, None], np.array([0.5]))
    slope = registry.load("metrics", "calibration_slope")
    assert np.isnan(slope.score(sample, np.ones((1, 20)))).all()
