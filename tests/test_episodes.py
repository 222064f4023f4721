"""Episodes: whose windows, how many of each class, and what keeps support and query apart."""

import pytest
import torch

from tests.patients import make_cohort

PATIENTS = {"a": "oooVVVoooo", "b": "VVVVoV", "c": "oooo", "d": "oV", "e": "ooooVVVV"}


def pool_of(patients=PATIENTS, **draw):
    from ecgpipe.episodes import Draw, Pool, list_patients

    cohort, asked = make_cohort(patients), Draw(**draw)
    return Pool(cohort, list_patients(cohort, asked), asked, length=100)


def sample(pool, seed=0):
    everyone = torch.arange(len(pool.patients))
    return pool.sample(everyone, torch.Generator().manual_seed(seed))


def rows(pool, windows, task):
    """Which rows of the cohort a task's windows are."""
    signal = (windows.signal[task][windows.weight[task] > 0] * 1000).round().to(torch.int16)
    return [int((pool.cohort.signal == one).all(dim=(1, 2)).nonzero()) for one in signal]


def test_patients_without_two_windows_of_a_class_are_left_out():
    pool = pool_of()
    assert pool.patients.code.tolist() == [0, 1, 2, 4]
    assert pool.patients.count.tolist() == [[7, 3], [1, 5], [4, 0], [4, 4]]
    assert pool.patients.shared().tolist() == [[1, 1], [0, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize(
    "draw", [{}, {"order": "chronological"}, {"order": "chronological", "gap": 2.0}]
)
def test_support_and_query_share_no_window_and_are_of_one_patient(draw):
    pool = pool_of(shots=2, query=3, **draw)
    for seed in range(10):
        batch = sample(pool, seed)
        for task, code in enumerate(pool.patients.code):
            support, query = (rows(pool, part, task) for part in (batch.support, batch.query))
            assert len({*support, *query}) == len(support) + len(query)
            assert all(pool.cohort.patient[row] == code for row in (*support, *query))


@pytest.mark.parametrize("gap", [0.0, 4.0])
def test_in_chronological_order_the_support_ends_a_gap_before_the_query(gap):
    patients = {"a": "oVoVooVVoVoo", "b": "oooooooo"}
    pool = pool_of(patients, shots=3, query=3, order="chronological", gap=gap)
    start = pool.cohort.table["start"]
    for seed in range(20):
        batch = sample(pool, seed)
        for task in range(len(patients)):
            before = start[rows(pool, batch.support, task)].max()
            assert before + gap < start[rows(pool, batch.query, task)].min()


def test_in_chronological_order_both_have_every_class():
    pool = pool_of({"a": "oVoVooVVoVoo"}, order="chronological", gap=4.0)
    for seed in range(20):
        batch = sample(pool, seed)
        for part in (batch.support, batch.query):
            present = part.weight.unflatten(1, (2, -1)).sum(dim=2)
            torch.testing.assert_close(present, torch.ones(1, 2))


def test_patients_whose_classes_never_return_have_no_chronological_order():
    pool = pool_of({"a": "ooooVVVV", "b": "oVoV"}, order="chronological")
    assert pool.patients.code.tolist() == [1]


def test_every_class_of_a_patient_weighs_the_same():
    batch = sample(pool_of(shots=3, query=4))
    for part in (batch.support, batch.query):
        ill = (part.weight * part.target[..., 0]).sum(dim=1)
        healthy = (part.weight * (1 - part.target[..., 0])).sum(dim=1)
        torch.testing.assert_close(ill, torch.tensor([1.0, 1.0, 0.0, 1.0]))
        assert healthy[[0, 2, 3]].tolist() == pytest.approx([1, 1, 1])


def test_there_are_as_many_windows_as_asked_for_where_the_patient_has_them():
    batch = sample(pool_of({"a": 30 * "o" + 30 * "V"}, shots=10, query=7))
    assert (batch.support.weight > 0).sum() == 20 and (batch.query.weight > 0).sum() == 14


def test_at_most_half_of_a_class_goes_to_the_support():
    batch = sample(pool_of({"a": 5 * "o" + 20 * "V"}, shots=10, query=10))
    assert (batch.support.weight.view(2, -1) > 0).sum(dim=1).tolist() == [3, 10]
    assert (batch.query.weight.view(2, -1) > 0).sum(dim=1).tolist() == [2, 10]


def test_a_draw_follows_its_generator():
    pool = pool_of(shots=2, query=2)
    one, same, other = (sample(pool, seed).support.signal for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_a_window_of_several_labels_is_of_the_rarest():
    from ecgpipe.episodes import classes

    target = torch.tensor([[0, 0], [1, 0], [1, 1], [1, 0], [0, 1.0]])
    assert classes(target).tolist() == [0, 1, 2, 1, 2]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"shots": 0}, "shots 0"),
        ({"order": "later"}, "'later'"),
        ({"gap": 2.0}, "only in chronological"),
    ],
)
def test_a_draw_that_cannot_be_is_refused(told, said):
    from ecgpipe.episodes import Draw

    with pytest.raises(ValueError, match=said):
        Draw(**told)
