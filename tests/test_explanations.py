"""Which records are explained, and how the relevance of a record is put together from crops."""

import numpy as np
import pandas as pd
import pytest
import torch

from ecgpipe import explanations
from ecgpipe.batches import Montage
from ecgpipe.cohort import Cohort, TaskRows
from ecgpipe.explanations import Questions
from ecgpipe.regions import REGIONS, UNKNOWN
from ecgpipe.settings import Task

LENGTH, TIME, SAMPLES = 50, 130, (130, 110, 30)  # the second's last crops overlap
LABELS = ("AFIB", "NORM", "RBBB")


@pytest.fixture
def questions(rng):
    """Three signals: three crops, the last two overlapping by 20; three, by 40; one, padded."""
    signal = rng.integers(-900, 900, (3, 3, TIME)).astype(np.int16)
    for row, samples in enumerate(SAMPLES):
        signal[row, :, samples:] = 0
    table = pd.DataFrame({"samples": SAMPLES})
    cohort = Cohort(
        table,
        torch.from_numpy(signal),
        torch.zeros(3, 0),
        torch.arange(3),
        Montage(50, ("I", "II", "V1")),
    )
    region = torch.from_numpy(rng.integers(UNKNOWN, 6, (3, 3, TIME)).astype(np.int8))
    return Questions(cohort, torch.tensor([0, 2, 1]), region, LENGTH)


def mean_logit(network, questions, signal):
    """Average the logits of crops side by side, by hand."""
    starts = [[0, 50, 80], [0, 50, 60], [0]]
    means = [
        torch.stack([network.eval()(whole[None, :, s : s + LENGTH])[0, label] for s in own]).mean()
        for whole, own, label in zip(signal, starts, questions.label, strict=True)
    ]
    return torch.stack(means)


def gradient_input(network, signal, label):
    from ecgpipe.attributions import gradient_input as plugin

    return plugin.attribute(network, signal, label, plugin.Config(), 50)


def test_the_relevance_of_a_record_is_to_its_mean_logit(questions, model):
    signal = (questions.cohort.signal.float() / 1000).requires_grad_()
    (slope,) = torch.autograd.grad(mean_logit(model, questions, signal).sum(), signal)
    relevance = questions.relevance(model, gradient_input)
    torch.testing.assert_close(relevance, (slope * signal).detach(), rtol=1e-3, atol=1e-6)


def test_passes_do_not_change_it(questions, model, monkeypatch):
    together = questions.relevance(model, gradient_input)
    monkeypatch.setattr("ecgpipe.explanations.per_pass", lambda length, device: 3)
    torch.testing.assert_close(questions.relevance(model, gradient_input), together)


def test_removal_tells_the_fall_of_the_mean_logit(questions, model):
    from ecgpipe.removal import baseline

    found = questions.removal(model)
    here = questions.region[2, :, :LENGTH] == REGIONS.index("QRS")
    crop = questions.cohort.signal[2:, :, :LENGTH].float() / 1000
    without = torch.where(here, baseline(crop, 50), crop)
    with torch.no_grad():
        fall = (model.eval()(crop) - model(without))[0, questions.label[2]]
    torch.testing.assert_close(found["drop"][2, REGIONS.index("QRS")], fall, rtol=1e-3, atol=1e-6)
    known = questions.region != UNKNOWN
    share = (questions.region == 0).sum(dim=(1, 2)) / known.sum(dim=(1, 2))
    torch.testing.assert_close(found["area"][:, 0], share)
    assert found["drop"][:, REGIONS.index("padding")].isnan().all()


def task_rows(count=40):
    """Make records of a task, every third of test, whose labels repeat in eights."""
    table = pd.DataFrame({"dataset": "d", "record": [f"r{i}" for i in range(count)], "start": 0.0})
    target = (np.arange(count)[:, None] >> np.arange(3)) % 2 == 1
    part = np.resize(["train", "valid", "test"], count)
    return TaskRows(Task(("d",), "plain", LABELS), [], table, LABELS, target, part)


def test_test_records_are_asked_for_each_label_with_a_region():
    rows = task_rows()
    asked = explanations.ask(rows, LABELS, 100)
    found = set(zip(asked["record"], asked["label"], strict=True))
    test = np.flatnonzero(rows.part == "test")
    expected = {(f"r{i}", LABELS[k]) for i in test for k in (0, 2) if rows.target[i, k]}
    assert found == expected and len(asked) == len(found)


def test_fewer_records_are_some_of_more_whatever_the_order():
    rows = task_rows()
    some, all_of_them = (explanations.ask(rows, LABELS, most) for most in (4, 100))
    assert some["record"].nunique() == 4
    assert some["record"].tolist() == all_of_them["record"].tolist()[: len(some)]
    turned = np.arange(40)[::-1]
    other = TaskRows(
        rows.task, [], rows.table.iloc[turned], LABELS, rows.target[turned], rows.part[turned]
    )
    assert explanations.ask(other, LABELS, 4)["record"].tolist() == some["record"].tolist()


def test_only_what_the_network_knows_is_asked():
    asked = explanations.ask(task_rows(), ("RBBB", "NORM"), 100)
    assert set(asked["label"]) == {"RBBB"}


def test_labels_without_a_region_are_refused():
    with pytest.raises(ValueError, match=r"none is both.*declared in .*regions.csv"):
        explanations.ask(task_rows(), ("NORM",), 100)


def test_a_task_without_test_records_of_the_label_is_refused():
    rows = task_rows(3)  # the third is of test, and carries NORM alone
    with pytest.raises(ValueError, match="no test record carries any of AFIB, RBBB"):
        explanations.ask(rows, LABELS, 100)


def test_an_untrained_network_is_alike_but_for_its_weights(model):
    told = {"name": "xresnet1d", "depth": 18, "width": 8}
    metadata = {"backbone": told, "leads": ["I", "II", "V1"]}
    one, again, other = (explanations.untrained(model, metadata, seed) for seed in (3, 3, 4))
    names = [name for name, value in model.state_dict().items() if value.dim() > 1]
    assert one.labels == model.labels and one.head_config == model.head_config
    first, second, third = (each.state_dict() for each in (one, again, other))
    assert all(torch.equal(first[name], second[name]) for name in names)
    assert not any(torch.equal(first[name], third[name]) for name in names)
