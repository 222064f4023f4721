"""Pacing, places, and draws of tasks."""

import math
from itertools import pairwise

import pytest
import torch

STEPS = 400


@pytest.fixture
def difficulty():
    return torch.rand(80, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def generator():
    return torch.Generator().manual_seed(1)


def admitted(order, difficulty, step, **changes):
    from ecgpipe.curriculum import Curriculum, admit, places

    asked = Curriculum(order=order, **changes)
    return admit(places(order, difficulty, 3), asked.share(step, STEPS), 8)


@pytest.mark.parametrize("tasks", [9, 80, 333])
@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_admitted_share_grows_from_the_first_to_all_at_the_step_asked_for(tasks, power):
    told = {"first": 0.25, "grown": 0.5, "power": power}
    counts = [
        int(admitted("easy_first", torch.arange(tasks).double(), step, **told).sum())
        for step in range(0, STEPS, 10)
    ]
    assert counts[0] == max(math.ceil(0.25 * tasks), 8)
    assert all(a <= b for a, b in pairwise(counts))
    assert all((count == tasks) == (10 * i >= STEPS / 2) for i, count in enumerate(counts)) or (
        tasks < 10
    )


def test_the_pace_is_the_formula():
    from ecgpipe.curriculum import Curriculum

    share = Curriculum(order="hard_first", first=0.2, grown=0.5, power=2.0).share(100, STEPS)
    assert share == pytest.approx(0.2 + 0.8 * (100 / 200) ** 2)


@pytest.mark.parametrize("order", ["random", "hard_first"])
def test_controls_admit_as_many_as_the_curriculum(order, difficulty):
    for step in range(0, STEPS, 20):
        own = admitted(order, difficulty, step)
        assert own.sum() == admitted("easy_first", difficulty, step).sum()


def test_each_order_admits_whom_its_name_says(difficulty):
    easy, hard, random = (
        admitted(order, difficulty, 0) for order in ("easy_first", "hard_first", "random")
    )
    assert difficulty[easy].max() <= difficulty.sort().values[19]
    assert difficulty[hard].min() >= difficulty.sort().values[60]
    assert abs(difficulty[random].mean() - difficulty.mean()) < 0.2
    assert admitted("none", difficulty, 0).all()


def test_the_scale_of_the_losses_does_not_matter(difficulty):
    from ecgpipe.curriculum import places

    stretched = (5 * difficulty).exp()
    assert torch.equal(places("easy_first", difficulty, 0), places("easy_first", stretched, 0))


def test_a_draw_repeats_nobody_and_has_a_positive_task(difficulty):
    from ecgpipe.curriculum import draw

    allowed, positive = torch.zeros(2, 80, dtype=torch.bool)
    allowed[:20], positive[[5, 70]] = True, True
    source = generator()
    for _ in range(50):
        drawn = draw(allowed, positive, torch.ones(80).double(), 8, source)
        assert len(set(drawn.tolist())) == 8 and drawn.max() < 20 and 5 in drawn


def test_where_no_positive_task_is_admitted_one_comes_in():
    from ecgpipe.curriculum import draw

    allowed, positive = torch.zeros(2, 80, dtype=torch.bool)
    allowed[:20], positive[70:] = True, True
    weight, source = torch.ones(80).double(), generator()
    drawn = torch.stack([draw(allowed, positive, weight, 8, source) for _ in range(20)])
    assert (drawn[:, 0] >= 70).all() and (drawn[:, 1:] < 20).all()
    assert len(drawn[:, 0].unique()) > 1


def test_tasks_are_drawn_in_proportion_to_their_weights():
    from ecgpipe.curriculum import draw

    weight, everyone = torch.tensor([1.0, 3.0, 6.0]).double(), torch.ones(3, dtype=torch.bool)
    source = generator()
    drawn = torch.cat([draw(everyone, everyone, weight, 1, source) for _ in range(2000)])
    share = drawn.bincount(minlength=3) / len(drawn)
    torch.testing.assert_close(share.double(), weight / 10, rtol=0, atol=0.04)


def published(difficulty, step, used=None):
    from ecgpipe.curriculum import draw_published

    positive = torch.arange(80) % 2 == 0
    used = torch.zeros(80).double() if used is None else used
    return draw_published(difficulty, positive, used, step, 9, generator())


def test_the_published_threshold_opens_within_few_steps(difficulty):
    from ecgpipe.curriculum import published_threshold

    value = difficulty.softmax(dim=0)
    share = [
        float((value < published_threshold(value, step)).double().mean()) for step in range(60)
    ]
    assert max(share[:40]) <= 1 / 80
    assert min(share[49:]) == 1


def test_the_published_batch_begins_with_the_two_easiest_positive_tasks(difficulty):
    order = difficulty[::2].argsort()[:2] * 2
    for step in (0, 20, 49, 200):
        assert published(difficulty, step)[:2].tolist() == order.tolist()


def test_before_the_published_threshold_opens_the_easiest_make_the_batch(difficulty):
    drawn = published(difficulty, 0).tolist()
    rest = [task for task in difficulty.argsort().tolist() if task not in drawn[:2]]
    assert drawn[2:] == rest[:7]


def test_behind_the_published_threshold_rarely_drawn_tasks_are_likelier(difficulty):
    used = torch.where(torch.arange(80) < 40, 300.0, 0.0).double()
    assert (published(difficulty, 300, used)[2:] >= 40).all()


@pytest.mark.parametrize(
    ("order", "looked"),
    [("none", []), ("random", []), ("published", [0]), ("hard_first", list(range(0, 400, 40)))],
)
def test_difficulties_are_looked_at_where_the_order_needs_them(order, looked):
    from ecgpipe.curriculum import Curriculum

    asked = Curriculum(order=order, refresh=0.1)
    assert [step for step in range(STEPS) if asked.looks(step, STEPS)] == looked


@pytest.mark.parametrize(
    ("told", "said"), [({"order": "easy"}, "order: 'easy'"), ({"first": 0.0}, "first 0.0")]
)
def test_a_curriculum_that_cannot_be_is_refused(told, said):
    from ecgpipe.curriculum import Curriculum

    with pytest.raises(ValueError, match=said):
        Curriculum(**told)
