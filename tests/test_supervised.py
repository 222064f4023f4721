"""Supervised pretraining: how often records are drawn, and how they are seen."""

import pandas as pd
import pytest
import torch

from ecgpipe import pretraining
from ecgpipe.batches import Montage
from ecgpipe.cohort import Cohort, read_task
from ecgpipe.fit_settings import Fit
from ecgpipe.objectives.supervised import Config, Objective, weigh
from ecgpipe.settings import Pretraining, Task, build

WINDOWS = [90, 10, 400]  # of the first patient without and with the label; of the second without
OWN = torch.tensor([0.0, 1.0, 2.0]).repeat_interleave(torch.tensor(WINDOWS)).long()


@pytest.fixture
def cohort():
    """Two patients; each signal is its own number of millivolts throughout."""
    number = torch.arange(sum(WINDOWS), dtype=torch.int16)
    signal = number[:, None, None].expand(-1, 3, 100) * 10 + 10
    table = pd.DataFrame(
        {"record": [str(i) for i in range(len(number))], "start": 0.0, "samples": 100}
    )
    target = torch.stack([OWN == 1, torch.zeros(len(OWN)), torch.zeros(len(OWN))], dim=1).float()
    return Cohort(table, signal, target, (OWN == 2).long(), Montage(50, ("I", "II", "V1")))


def work(cohort, model, **config):
    objective = Objective(model, Config(**config))
    material = pretraining.Material(cohort, cohort, model.labels, {"name": "full"}, "")
    fit = Fit(steps=4, validate_every=2, crop=2.0, batch=100)
    return pretraining.build_work(objective, model, material, fit, 5)


def drawn(work, steps=40):
    """How often each class of each patient was drawn, as a share."""
    names = [int(name) for step in range(steps) for name in work.name_records(step)]
    return OWN[names].bincount(minlength=3) / len(names)


def shares(of):
    return torch.tensor(of) / sum(of)


@pytest.mark.parametrize(
    ("evenness", "expected"),
    [(0.0, WINDOWS), (0.5, [number**0.5 for number in WINDOWS]), (1.0, [1.0, 1.0, 1.0])],
)
def test_evenness_draws_a_class_of_a_patient_by_a_power_of_its_windows(
    evenness, expected, cohort, model
):
    found = drawn(work(cohort, model, evenness=evenness))
    torch.testing.assert_close(found, shares(expected), rtol=0, atol=0.03)


def test_windows_of_one_class_of_a_patient_weigh_the_same(cohort):
    weight = weigh(cohort, 1.0)
    assert all(weight[own == OWN].unique().numel() == 1 for own in range(3))
    assert weight[-1] * 400 == pytest.approx(1.0)


def test_a_step_is_the_same_whatever_came_before_and_names_what_it_draws(cohort, model):
    through, straight = (work(cohort, model, evenness=0.5) for _ in range(2))
    before = [through.name_records(step) for step in range(4)]
    assert straight.name_records(3) == before[3] != before[2]
    (batch,) = straight.make_batch(3, torch.Generator().manual_seed(0))
    numbers = (batch.signal[:, 0, 0] * 100 - 1).round().int().tolist()
    assert [str(number) for number in numbers] == before[3]


def test_views_change_what_is_learnt_from_and_no_step_without_them(cohort, model):
    (batch,) = work(cohort, model).make_batch(0, torch.Generator().manual_seed(0))
    model.eval()
    plain = Objective(model, Config())(batch)["loss"]
    again = Objective(model, Config())(batch)["loss"]
    seen = Objective(model, Config(views=("negation",)))(batch)["loss"]
    assert plain == again != seen


@pytest.mark.parametrize("evenness", [-0.1, 1.1])
def test_an_evenness_out_of_range_is_refused(evenness):
    with pytest.raises(ValueError, match="evenness .* between 0 and 1"):
        Config(evenness=evenness)


@pytest.fixture
def rows(resting):
    task = build(Task, resting["task"], "tests")
    return read_task(task, resting["shards"], resting["splits"])


def patients_of(rows, held_out):
    """The patients learnt from, and those who judge."""
    told = {"name": "supervised", "held_out": held_out}
    asked = Pretraining("p", told, Fit(steps=1, validate_every=1), backbone={}, tasks=("t",))
    material = pretraining.gather(asked, rows, torch.device("cpu"), "")
    return (set(cohort.table["patient"]) for cohort in (material.learned, material.judged))


def test_a_share_of_the_train_patients_judges_and_is_not_learnt_from(rows):
    learned, judged = patients_of(rows, 0.3)
    assert len(judged) > 5 and not learned & judged
    assert learned | judged == set(rows.table["patient"][rows.part == "train"])


def test_valid_judges_where_nobody_is_held_out(rows):
    learned, judged = patients_of(rows, 0.0)
    assert learned == set(rows.table["patient"][rows.part == "train"])
    assert judged == set(rows.table["patient"][rows.part == "valid"])


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_held_out_that_leaves_nobody_is_refused(share):
    with pytest.raises(ValueError, match="held_out .* expected a share below 1"):
        Config(held_out=share)
