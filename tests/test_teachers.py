"""Mean teacher, mixed teacher and ReMixMatch against NumPy, from the formulas of their papers."""

import math
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit, log_expit
from torch import nn

from ecgpipe import registry
from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.features import Given
from ecgpipe.heads import HeadConfig
from ecgpipe.methods._teacher import Teacher, risen
from ecgpipe.model import Classifier

NAMES = ("mean_teacher", "mixed_teacher", "remixmatch")
TEACHERS = NAMES[:2]
RECORDS, LABELS = 6, 3
UNMIXED = 1e-9  # alpha of shares that are 0 or 1


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def transparent():
    """A classifier whose logits are its signals: one lead, as many samples as labels."""
    head = HeadConfig(dropout=0.0, norm=False, pool="mean")
    network = Classifier(Given(LABELS), ("A", "B", "C"), head)
    with torch.no_grad():
        network.head.layers[-1].weight.copy_(torch.eye(LABELS))
        network.head.layers[-1].bias.zero_()
    return network


def clear(name, **told):
    """A method that is given logits for signals."""
    plugin = registry.load("methods", name)
    return plugin.Method(transparent(), plugin.Config(**told)).train()


def opaque(name, model, **told):
    """A method on a copy of the small network."""
    plugin = registry.load("methods", name)
    return plugin.Method(deepcopy(model), plugin.Config(**told)).train()


def shown(array):
    return torch.from_numpy(array).float()[:, None]


def drawn(rng, strong=1):
    """Draw logits of labeled records, of a weak view and of strong ones, and targets."""
    target = (rng.random((RECORDS, LABELS)) < 0.4).astype(float)
    own, weak, *others = rng.normal(size=(2 + strong, RECORDS, LABELS))
    labeled = Labeled(shown(own), torch.from_numpy(target).float())
    views = Unlabeled(shown(weak), [shown(each) for each in others], torch.arange(RECORDS), RECORDS)
    return labeled, views, (own, target, weak, others)


def cross_entropy(logits, target):
    return -(target * log_expit(logits) + (1 - target) * log_expit(-logits)).mean()


def steps_of(method, count, *given):
    """Train a method for some steps; return what was learnt after each."""
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1)
    history = []
    for step in range(count):
        torch.manual_seed(step)
        optimizer.zero_grad()
        method(*given)["loss"].backward()
        optimizer.step()
        method.after_step(step + 1, 2 * count)
        history.append({k: v.clone() for k, v in method.model.state_dict().items()})
    return history


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, math.exp(-5)), (20, math.exp(-5 * 0.25)), (30, math.exp(-5 / 16)), (40, 1.0), (99, 1.0)],
)
def test_a_weight_rises_as_published_and_stays(step, expected):
    assert risen(step, 100, 0.4) == pytest.approx(expected)
    assert risen(step, 100, 0.0) == 1.0


def test_a_mean_teacher_teaches_by_the_squared_difference_of_probabilities(rng):
    labeled, unlabeled, (own, target, weak, others) = drawn(rng, strong=2)
    terms = clear("mean_teacher", weight=7.0)(labeled, unlabeled)
    taught = np.mean([np.mean((expit(each) - expit(weak)) ** 2) for each in others])
    supervised = cross_entropy(own, target)
    assert terms["supervised"].item() == pytest.approx(supervised, rel=1e-5)
    assert terms["taught"].item() == pytest.approx(taught, rel=1e-5)
    expected = supervised + 7 * math.exp(-5) * taught
    assert terms["loss"].item() == pytest.approx(expected, rel=1e-5)


def test_without_strong_views_a_student_sees_the_weak_one(rng):
    labeled, unlabeled, _ = drawn(rng, strong=0)
    assert clear("mean_teacher")(labeled, unlabeled)["taught"].item() == 0


@pytest.mark.parametrize("name", TEACHERS)
def test_at_first_a_teacher_is_the_mean_of_all_students_so_far(name, model, labeled, unlabeled):
    method = opaque(name, model)
    start = deepcopy(method.model.state_dict())
    students = steps_of(method, 3, labeled, unlabeled)
    for key, value in method.average.model.state_dict().items():
        if value.is_floating_point():  # weights and statistics of norms
            mean = np.mean([state[key].double().numpy() for state in [start, *students]], axis=0)
            np.testing.assert_allclose(value.numpy(), mean, rtol=1e-4, atol=1e-6)


def test_later_a_teacher_keeps_the_share_of_its_decay():
    student = transparent()
    teacher = Teacher(student, rise=0.5)
    with torch.no_grad():
        student.head.layers[-1].bias.fill_(1.0)
    for step in range(5000, 5010):
        teacher.follow(student, 0.99, step, 10_000)
    bias = teacher.model.head.layers[-1].bias
    assert bias.tolist() == pytest.approx([1 - 0.99**10] * LABELS, rel=1e-5)


def test_a_mean_teacher_is_slower_once_its_weight_has_risen():
    method = clear("mean_teacher", rise=0.5, decay=(0.5, 0.9))
    bias = method.model.head.layers[-1].bias
    moved = []
    for step in (4, 5):  # of 10
        with torch.no_grad():
            bias.copy_(method.average.model.head.layers[-1].bias + 1)
        before = method.average.model.head.layers[-1].bias.clone()
        method.after_step(100 * step, 1000)
        moved.append((method.average.model.head.layers[-1].bias - before)[0].item())
    assert moved == pytest.approx([0.5, 0.1], rel=1e-5)


@pytest.mark.parametrize("name", TEACHERS)
def test_a_teacher_is_as_in_prediction_and_learns_from_no_loss(name, model, labeled, unlabeled):
    method = opaque(name, model).train()
    assert not any(module.training for module in method.average.modules())
    method(labeled, unlabeled)["loss"].backward()
    assert all(p.grad is None and not p.requires_grad for p in method.average.parameters())
    expected = model.eval()(labeled.signal).sigmoid()
    assert torch.allclose(method.average(labeled.signal), expected)


def test_views_leave_the_statistics_of_norms_to_labeled_records(model, labeled, unlabeled):
    method = opaque("mean_teacher", model)
    method(labeled, unlabeled)
    model.train()(labeled.signal)
    for norm, other in zip(method.model.modules(), model.modules(), strict=True):
        if isinstance(norm, nn.BatchNorm2d):
            assert torch.equal(norm.running_mean, other.running_mean)
            assert torch.equal(norm.running_var, other.running_var)


@pytest.mark.parametrize("name", NAMES)
def test_a_resumed_method_goes_on_as_an_uninterrupted_one(name, model, labeled, unlabeled):
    method, resumed = opaque(name, model), opaque(name, model)
    steps_of(method, 3, labeled, unlabeled)
    resumed.load_state_dict(method.state_dict())
    losses = []
    for each in (method, resumed):
        torch.manual_seed(9)
        losses.append(each(labeled, unlabeled)["loss"].item())
    assert losses[0] == losses[1]


def test_a_mixed_teacher_teaches_sharpened_probabilities(rng):
    labeled, unlabeled, (own, target, weak, others) = drawn(rng)
    method = clear("mixed_teacher", alpha=UNMIXED, weight=7.0, temperature=0.5)
    terms = method(labeled, unlabeled)
    p = expit(weak)
    sharpened = p**2 / (p**2 + (1 - p) ** 2)  # Berthelot et al. 2019, of two classes
    taught = np.mean((expit(others[0]) - sharpened) ** 2)
    assert terms["taught"].item() == pytest.approx(taught, rel=1e-4)
    expected = cross_entropy(own, target) + 7 * math.exp(-5) * taught
    assert terms["loss"].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", NAMES[1:])
def test_labeled_and_unlabeled_records_are_mixed_with_each_other(name, rng):
    labeled, unlabeled, _ = drawn(rng, strong=2)
    method, passed = clear(name), []
    method.model.backbone.register_forward_pre_hook(lambda _, given: passed.append(given[0]))
    marked = Labeled(torch.ones_like(labeled.signal), labeled.target)
    silent = [torch.zeros_like(view) for view in unlabeled.strong]
    torch.manual_seed(0)
    method(marked, replace(unlabeled, weak=0 * unlabeled.weak, strong=silent))
    own, others = (each for each in passed if ((each > 0) & (each < 1)).any())
    assert len(own) == RECORDS and own.min() >= 0.5  # mostly labeled, and some of them mixed
    assert len(others) % RECORDS == 0 and others.max() <= 0.5
    assert own.sum() + others.sum() == pytest.approx(RECORDS * LABELS, rel=1e-5)


def test_a_guess_is_aligned_in_odds_then_sharpened(rng):
    labeled, unlabeled, (*_, weak, _) = drawn(rng)
    method = clear("remixmatch", temperature=0.5)
    had, guessed = np.array([0.1, 0.3, 0.0]), np.array([0.5, 0.2, 0.4])
    method.had.copy_(torch.from_numpy(had))
    method.guessed.copy_(torch.from_numpy(guessed))
    p, had = expit(weak), had.clip(1e-3)
    present, absent = p * had / guessed, (1 - p) * (1 - had) / (1 - guessed)
    aligned = present / (present + absent)
    expected = aligned**2 / (aligned**2 + (1 - aligned) ** 2)
    found = method.guess(labeled, unlabeled)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-7)


def test_frequencies_of_labels_are_averaged_over_batches(rng):
    method = clear("remixmatch", memory=4)
    had = guessed = np.full(LABELS, 0.5)
    for _ in range(3):
        labeled, unlabeled, (_, target, weak, _) = drawn(rng)
        method(labeled, unlabeled)
        had = 0.75 * had + 0.25 * target.mean(axis=0)
        guessed = 0.75 * guessed + 0.25 * expit(weak).mean(axis=0)
    np.testing.assert_allclose(method.had, had, rtol=1e-5)
    np.testing.assert_allclose(method.guessed, guessed, rtol=1e-5)


def test_remixmatch_adds_up_its_losses_as_published(rng):
    labeled, unlabeled, (own, target, weak, others) = drawn(rng, strong=2)
    method = clear("remixmatch", alpha=UNMIXED, weight=1.5, anchored=0.5, rise=0.5)
    method.after_step(30, 120)
    terms = method(labeled, unlabeled)
    guess = expit(2 * weak)  # no label is preferred yet
    taught = np.mean([cross_entropy(each, guess) for each in [*others, weak]])
    anchored = cross_entropy(others[0], guess)
    expected = cross_entropy(own, target) + 0.5 * (1.5 * taught + 0.5 * anchored)
    assert terms["taught"].item() == pytest.approx(taught, rel=1e-4)
    assert terms["anchored"].item() == pytest.approx(anchored, rel=1e-4)
    assert terms["loss"].item() == pytest.approx(expected, rel=1e-4)


def test_the_guess_of_remixmatch_has_no_gradient(rng):
    labeled, unlabeled, _ = drawn(rng)
    unlabeled.weak.requires_grad_(True)
    assert not clear("remixmatch").guess(labeled, unlabeled).requires_grad


def test_a_label_that_is_never_there_is_no_reason_to_fail(rng):
    labeled, unlabeled, _ = drawn(rng)
    method = clear("remixmatch", memory=1)
    nobody = Labeled(labeled.signal, torch.zeros_like(labeled.target))
    for _ in range(3):
        assert method(nobody, unlabeled)["loss"].isfinite()


def test_remixmatch_asks_for_strong_views(rng):
    labeled, unlabeled, _ = drawn(rng, strong=0)
    with pytest.raises(ValueError, match="remixmatch needs strong views"):
        clear("remixmatch")(labeled, unlabeled)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_without_views_is_refused(name, rng):
    with pytest.raises(ValueError, match=f"{name} needs unlabeled records: .*`views: weak`"):
        clear(name)(drawn(rng)[0], None)


@pytest.mark.parametrize(
    ("name", "told", "message"),
    [
        ("mean_teacher", {"decay": (0.9, 1.0)}, "decay .* lies below 1"),
        ("mean_teacher", {"rise": 1.5}, "rise 1.5 is a share"),
        ("mixed_teacher", {"decay": -0.1}, "decay -0.1 lies below 1"),
        ("mixed_teacher", {"temperature": 0.0}, "temperature 0.0 .* must be positive"),
        ("remixmatch", {"memory": 0}, "memory 0 at least 1"),
        ("remixmatch", {"alpha": 0.0}, "alpha 0.0 must be positive"),
    ],
)
def test_settings_out_of_range_are_refused(name, told, message):
    with pytest.raises(ValueError, match=message):
        registry.load("methods", name).Config(**told)
