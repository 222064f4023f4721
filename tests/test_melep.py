"""The MELEP score: how well source labels foretell those of a task."""

import numpy as np
import pytest

from ecgpipe.melep import melep, per_label


@pytest.fixture
def source(rng):
    """Probabilities of three source labels for forty records."""
    return rng.random((40, 3))


@pytest.fixture
def target(rng):
    return rng.random((40, 2)) < [0.2, 0.5]


def by_loops(probability, target, smoothing):
    """Nguyen & Do 2023, a pair of labels and a record at a time."""
    weighted, weights = 0.0, 0.0
    for label in range(target.shape[1]):
        leep = []
        for source in range(probability.shape[1]):
            joint = np.full((2, 2), smoothing)  # truth, half
            for y, p in zip(target[:, label], probability[:, source], strict=True):
                joint[int(y)] += [1 - p, p]
            given = joint / joint.sum(axis=0)
            leep.append(0.0)
            for y, p in zip(target[:, label], probability[:, source], strict=True):
                leep[-1] += np.log(given[int(y), 0] * (1 - p) + given[int(y), 1] * p) / len(target)
        prevalence = target[:, label].mean()
        weighted += prevalence * -np.mean(leep)
        weights += prevalence
    return weighted / weights


@pytest.mark.parametrize("smoothing", [0.0, 0.5])
def test_it_is_what_loops_over_labels_and_records_find(source, target, smoothing):
    expected = by_loops(source, target, smoothing)
    assert melep(source, target, smoothing) == pytest.approx(expected, rel=1e-12)


def test_it_falls_when_the_source_labels_are_those_of_the_task(source, target):
    same = np.where(target, 0.9, 0.1)
    assert melep(same, target) < melep(source, target)


def test_what_says_nothing_costs_the_entropy_of_the_label(target):
    flat = np.full((40, 1), 0.3)
    share = target.mean(axis=0)
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    np.testing.assert_allclose(per_label(flat, target, smoothing=0.0), entropy)


def test_a_perfect_source_label_costs_nothing_without_smoothing(target):
    found = per_label(target[:, :1].astype(float), target[:, :1], smoothing=0.0)
    np.testing.assert_allclose(found, 0, atol=1e-12)


def test_smoothing_makes_certainty_of_a_few_records_dearer():
    target = np.eye(20, 1, dtype=bool)  # one positive record
    sure = target.astype(float)
    expected = -(np.log(1.5 / 2) + 19 * np.log(19.5 / 20)) / 20
    assert per_label(sure, target) == pytest.approx(expected)
    assert per_label(np.tile(sure, (50, 1)), np.tile(target, (50, 1))) < 0.01


def test_a_source_label_that_never_fires_is_no_division_by_zero(target):
    never = np.zeros((40, 1))
    assert np.isfinite(per_label(never, target, smoothing=0.0)).all()


def test_a_label_without_positives_has_no_weight(source, target):
    more = np.column_stack([target, np.zeros(40, bool)])
    assert melep(source, more) == pytest.approx(melep(source, target))


def test_half_precision_probabilities_are_summed_in_double(rng):
    source = rng.random((5000, 2)).astype(np.float16)
    target = rng.random((5000, 1)) < 0.3
    assert melep(source, target) == pytest.approx(melep(source.astype(float), target), rel=1e-12)


def test_what_cannot_be_scored_is_refused(source, target):
    with pytest.raises(ValueError, match="sigmoid"):
        melep(10 * source, target)
    with pytest.raises(ValueError, match="nothing to foretell"):
        melep(source, np.zeros_like(target))
