"""A null for what is learnt: train and valid records have each other's labels."""

import numpy as np
import pandas as pd
import pytest
import torch

from ecgpipe import padding
from ecgpipe.batches import Montage
from ecgpipe.cohort import Cohort, TaskRows
from ecgpipe.feeds import Batches
from ecgpipe.fit_settings import Fit
from ecgpipe.personal_settings import Personalization
from ecgpipe.settings import Recipe, Task

RECORDS = 60


@pytest.fixture
def rows(monkeypatch):
    """Records whose first sample and whose labels count them."""
    table = pd.DataFrame({"record": [str(n) for n in range(RECORDS)], "samples": 50})
    table = table.assign(dataset="made", patient=table["record"])
    part = np.array((["train"] * 4 + ["valid", "test"]) * (RECORDS // 6))
    number = np.arange(RECORDS)
    target = (number[:, None] >> np.arange(6)) % 2 == 1

    def load(rows, here, device, what):
        signal = torch.from_numpy(number[here].astype(np.int16))[:, None, None].expand(-1, 2, 50)
        own = torch.from_numpy(target[here]).float()
        montage = Montage(10, ("I", "II"))
        whose = table[here].reset_index(drop=True)
        return Cohort(whose, signal, own, torch.arange(here.sum()), montage)

    monkeypatch.setattr(TaskRows, "load", load)
    task = Task(("made",), "plain", labels=())
    return TaskRows(task, [], table, tuple("abcdef"), target, part)


@pytest.fixture
def draw(tmp_path, rows):
    rows.table[["dataset", "record"]].to_csv(tmp_path / "0.csv", index=False)
    return tmp_path / "0.csv"


def feed(rows, draw, seed=0, *, shuffled):
    fit = Fit(steps=1, validate_every=1, batch=8, crop=5.0, rate=0.1)
    recipe = Recipe({"name": "full"}, {"name": "supervised"}, fit, shuffled=shuffled)
    return Batches(recipe, rows, draw, seed, torch.device("cpu"))


def told(cohort):
    """Read the numbers that the labels spell."""
    return (cohort.target @ 2.0 ** torch.arange(6)).int().tolist()


def test_the_example_whose_operations_are_counted_is_no_padding(rows, draw):
    batches = feed(rows, draw, shuffled=False)
    assert padding.recorded(batches.example).tolist() == [batches.length]


def test_patients_are_not_adapted_to_by_what_the_fit_must_not_know():
    fit = Fit(steps=1, validate_every=1, batch=8, crop=5.0, rate=0.1)
    with pytest.raises(ValueError, match="shuffled: patients would be adapted to by their true"):
        Recipe(
            {"name": "full"},
            {"name": "supervised"},
            fit,
            personalize=Personalization(),
            shuffled=True,
        )


def test_labels_are_those_of_other_records_of_the_same_part(rows, draw):
    own, other = (feed(rows, draw, shuffled=shuffled) for shuffled in (False, True))
    for part in ("labeled", "valid"):
        before, after = getattr(own, part), getattr(other, part)
        assert told(before) == before.signal[:, 0, 0].tolist()
        assert told(after) != told(before) and sorted(told(after)) == sorted(told(before))
        assert torch.equal(after.signal, before.signal)


def test_they_stay_the_same_from_step_to_step_and_differ_by_seed(rows, draw):
    once, again, other = (feed(rows, draw, seed, shuffled=True) for seed in (0, 0, 1))
    assert told(once.labeled) == told(again.labeled) != told(other.labeled)
    of = dict(zip(once.labeled.signal[:, 0, 0].tolist(), once.labeled.target.tolist(), strict=True))
    for step in range(3):
        batch = once.labeled_batch(step, torch.Generator().manual_seed(step))
        numbers = (batch.signal[:, 0, 0] * 1000).round().int().tolist()
        assert batch.target.tolist() == [of[number] for number in numbers]
