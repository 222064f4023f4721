"""What is kept for pictures comes back as it was, in parts of each example's largest relevance."""

import numpy as np
import pandas as pd
import pytest

from ecgpipe import examples

ASKED = pd.DataFrame({"record": ["NA", "2"], "shard": [0, 3], "row": [7, 1], "label": ["A", "B"]})


@pytest.fixture
def gathered(rng):
    region = rng.integers(-1, 7, (2, 3, 40)).astype(np.int8)
    relevance = {name: rng.normal(size=(2, 3, 40)) * 1e-9 for name in ("occlusion", "grad_cam")}
    relevance["occlusion"][1] = 0
    return examples.gather(ASKED, region, relevance)


def test_every_attribution_has_every_example(gathered):
    assert gathered.attribution.tolist() == ["occlusion"] * 2 + ["grad_cam"] * 2
    assert gathered.record.tolist() == ["NA", "2"] * 2 and gathered.row.tolist() == [7, 1] * 2
    assert (gathered.region[:2] == gathered.region[2:]).all()


def test_relevance_is_in_parts_of_the_largest(gathered):
    assert np.abs(gathered.relevance).max(axis=(1, 2)).tolist() == [1, 0, 1, 1]


def test_what_is_read_is_what_was_written(gathered, tmp_path):
    examples.write(tmp_path / "t.h5", gathered, {"commit": "unknown"})
    found = examples.read(tmp_path / "t.h5")
    for name, values in vars(gathered).items():
        assert np.array_equal(getattr(found, name), values), name


def test_there_may_be_none(tmp_path):
    empty = {"occlusion": np.zeros((0, 3, 40))}
    none = examples.gather(ASKED[:0], np.zeros((0, 3, 40), np.int8), empty)
    examples.write(tmp_path / "t.h5", none, {})
    assert len(examples.read(tmp_path / "t.h5").record) == 0
