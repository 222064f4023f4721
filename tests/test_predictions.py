"""Predictions are read as they were written."""

from dataclasses import fields

import numpy as np
import pytest

from ecgpipe import predictions
from ecgpipe.predictions import Predictions


@pytest.fixture
def written(tmp_path):
    """Write five records under two conditions."""
    generator = np.random.default_rng(0)
    part = np.array(["valid", "test", "test", "valid", "test"])
    names = np.array([f"Nº {number}" for number in range(5)])
    target, probability = generator.random((5, 2)) < 0.5, generator.random((5, 2))
    one = Predictions(("AFIB", "NORM"), names, names, np.arange(5.0), part, target, probability)
    path = tmp_path / "predictions.h5"
    predictions.write(path, {"clean": one, "noisy": one}, {"revision": '{"predict": 1}'})
    return path, one


def test_what_was_written_is_read(written):
    path, one = written
    read = predictions.read(path, "noisy")
    for field in fields(one):
        np.testing.assert_array_equal(getattr(read, field.name), getattr(one, field.name))


def test_conditions_and_attributes_are_kept_beside(written):
    path, _ = written
    assert predictions.conditions(path) == ["clean", "noisy"]
    assert predictions.attributes(path) == {"revision": '{"predict": 1}'}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_part_is_taken_from_every_column(written):
    _, one = written
    test = one.of("test")
    assert test.start.tolist() == [1, 2, 4] and len(test.target) == len(test.record) == 3


def test_an_unknown_condition_is_answered_with_those_there_are(written):
    with pytest.raises(KeyError, match="no condition 'mains'; there are: clean, noisy"):
        predictions.read(written[0], "mains")


def test_an_embedding_of_the_test_records_is_kept_beside_in_half_precision(written, rng):
    path, one = written
    assert predictions.read_embedding(path) is None
    embedding = 100 * rng.normal(size=(3, 4))
    embedding[0, 0] = 1e9  # more than half precision holds
    predictions.write(path, {"clean": one}, {}, embedding)
    kept = predictions.read_embedding(path)
    assert kept.dtype == np.float16 and kept[0, 0] == np.finfo(np.float16).max
    np.testing.assert_allclose(kept.ravel()[1:], embedding.ravel()[1:], rtol=1e-3)
    np.testing.assert_array_equal(predictions.read(path).probability, one.probability)


def test_what_adapted_models_said_is_kept_as_rows_of_clean(written, rng):
    path, one = written
    said = {5: rng.random((2, 2)), 20: rng.random((2, 2))}
    rank, row = np.array([0, -1, 1, -1, -1]), np.array([1, 4])
    adapted = [predictions.Adapted(draw, rank, row, said) for draw in ("chronological", "random-0")]
    predictions.write(path, {"clean": one}, {}, adapted=adapted)
    read = predictions.read_adapted(path)
    assert [each.draw for each in read] == ["chronological", "random-0"]
    assert predictions.conditions(path) == ["clean"] and list(read[0].probability) == [5, 20]
    np.testing.assert_array_equal(read[1].rank, rank)
    after = read[1].after(predictions.read(path), 20)
    np.testing.assert_allclose(after.probability, said[20], rtol=1e-6)
    assert after.start.tolist() == read[1].before(one).start.tolist() == [1, 4]


def test_where_nobody_was_adapted_to_nothing_is_read(written):
    assert predictions.read_adapted(written[0]) == []
