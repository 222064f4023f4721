"""Models adapt to many patients at once as they would to one."""

import copy
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from ecgpipe.personal_settings import Personalization

PRE = ("gd", "lookahead", "split")


@pytest.fixture
def model():
    """A small network of the published shape, with both kinds of norm."""
    from ecgpipe.heads import HeadConfig
    from ecgpipe.model import Classifier, build_backbone

    torch.manual_seed(0)
    sizes = {"width": 8, "dim": 8, "heads": 2, "hidden": 16, "tokens": 5, "groups": 2}
    network = Classifier(
        build_backbone({"name": "va_net", **sizes}, 1, "tests"), ("VA",), HeadConfig(pool="mean")
    )
    return network.eval()


@pytest.fixture
def labeled():
    """Six windows of each of four patients, half of them positive."""
    from ecgpipe.episodes import Windows

    generator = torch.Generator().manual_seed(1)
    target = torch.tensor([0.0, 1.0]).repeat(3).expand(4, 6)[..., None]
    signal = torch.randn(4, 6, 1, 120, generator=generator) + target[..., None]
    return Windows(signal, target.clone(), torch.full((4, 6), 1 / 3))


@pytest.fixture
def halves(labeled):
    """Five ways to part three windows of each class in two and one."""
    odd = [torch.arange(6) // 2 == number % 3 for number in range(5)]
    return [(labeled.weight * ~half, labeled.weight * half) for half in odd]


def settings(**changes):
    return Personalization(**{"steps": 0, "pre_rate": 0.05, "rate": 0.01} | changes)


def adapt(*given):
    from ecgpipe.personalization import adapt

    return adapt(*given)


def of(windows, rows):
    return replace(windows, **{name: value[rows] for name, value in vars(windows).items()})


def gradient(model, weights, windows, patient, weight):
    """The gradient of one patient's loss, by plain backward passes of a copy."""
    alone = copy.deepcopy(model)
    alone.load_state_dict(weights, strict=False)
    logit = alone(windows.signal[patient])
    cost = binary_cross_entropy_with_logits(logit, windows.target[patient], reduction="none")[:, 0]
    ((cost * weight[patient]).sum() / weight[patient].sum()).backward()
    return {name: parameter.grad for name, parameter in alone.named_parameters()}


def step(weights, gradients, rate):
    return {name: weight - rate * gradients[name] for name, weight in weights.items()}


def alike(found, expected, patient):
    for name, weight in expected.items():
        torch.testing.assert_close(found[name][patient], weight, rtol=1e-4, atol=1e-6)


def says(model, weights, windows):
    """What the model makes of one patient's windows under weights; Adam blows up rounding where a
    weight has no effect, such as the bias of keys, so weights themselves are not compared."""
    return torch.func.functional_call(model, weights, (windows.signal[0],)).detach()


def alike_in_effect(model, windows, found, expected):
    expected = says(model, expected, windows)
    torch.testing.assert_close(says(model, found, windows), expected, rtol=1e-3, atol=1e-4)


def moved(found, model):
    own = dict(model.named_parameters())
    return max(float((weight - own[name]).abs().max().detach()) for name, weight in found.items())


@pytest.mark.parametrize("patient", [0, 3])
def test_gd_is_plain_gradient_descent_two_steps_a_pair(model, labeled, patient):
    found = adapt(model, labeled, [], settings(pre_finetuning="gd"))
    weights = {name: p.detach() for name, p in model.named_parameters()}
    for _ in range(10):
        slope = gradient(model, weights, labeled, patient, labeled.weight)
        weights = step(weights, slope, 0.05)
    alike(found, weights, patient)
    assert moved(found, model) > 0.01


@pytest.mark.parametrize("kind", ["lookahead", "split"])
def test_looking_ahead_takes_the_second_gradient_there_and_the_step_here(
    model, labeled, halves, kind
):
    found = adapt(model, labeled, halves, settings(pre_finetuning=kind))
    weights = {name: p.detach() for name, p in model.named_parameters()}
    for near, far in halves if kind == "split" else [(labeled.weight, labeled.weight)] * 5:
        ahead = step(weights, gradient(model, weights, labeled, 1, near), 0.05)
        weights = step(weights, gradient(model, ahead, labeled, 1, far), 0.05)
    alike(found, weights, 1)


def test_the_three_ways_differ(model, labeled, halves):
    found = [adapt(model, labeled, halves, settings(pre_finetuning=kind)) for kind in PRE]
    biases = [weights["head.layers.2.bias"] for weights in found]
    assert not any(torch.allclose(a, b) for a, b in combinations(biases, 2))


def test_finetuning_is_adam_on_all_labeled_windows(model, labeled):
    found = adapt(model, labeled, [], settings(steps=5))
    alone = copy.deepcopy(model)
    optimizer = torch.optim.Adam(alone.parameters(), lr=0.01)
    for _ in range(5):
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(alone(labeled.signal[2]), labeled.target[2]).backward()
        optimizer.step()
    own = {name: weight[2] for name, weight in found.items()}
    alike_in_effect(model, labeled, own, dict(alone.named_parameters()))


@pytest.mark.parametrize("kind", ["none", *PRE])
def test_all_patients_at_once_are_as_one_by_one(model, labeled, halves, kind):
    told = settings(pre_finetuning=kind, steps=3)
    together = adapt(model, labeled, halves, told)
    for patient in range(4):
        rows = slice(patient, patient + 1)
        own = [(near[rows], far[rows]) for near, far in halves]
        alone = adapt(model, of(labeled, rows), own, told)
        found = [
            {name: w[k] for name, w in of.items()} for of, k in ((together, patient), (alone, 0))
        ]
        alike_in_effect(model, labeled, *found)


@pytest.mark.parametrize("kind", ["none", *PRE])
def test_windows_that_only_fill_up_do_not_matter(model, labeled, halves, kind):
    from ecgpipe.episodes import Windows

    told = settings(pre_finetuning=kind, steps=3)
    noise = torch.full((4, 2, 1, 120), 7.0)
    filled = Windows(
        torch.cat([labeled.signal, noise], dim=1),
        torch.cat([labeled.target, torch.ones(4, 2, 1)], dim=1),
        torch.cat([labeled.weight, torch.zeros(4, 2)], dim=1),
    )
    wider = [tuple(torch.cat([h, torch.zeros(4, 2)], dim=1) for h in pair) for pair in halves]
    both = adapt(model, labeled, halves, told), adapt(model, filled, wider, told)
    for patient in range(4):
        found = [{name: w[patient] for name, w in of.items()} for of in both]
        alike_in_effect(model, labeled, *found)


def test_a_patient_without_labels_keeps_the_model(model, labeled):
    weight = labeled.weight.clone()
    weight[1] = 0
    found = adapt(model, replace(labeled, weight=weight), [], settings(steps=3))
    own = {name: p.detach() for name, p in model.named_parameters()}
    alike(found, own, 1)
    assert moved({name: each[0] for name, each in found.items()}, model) > 0.01


def test_the_model_itself_is_left_alone(model, labeled, halves):
    before = copy.deepcopy(model.state_dict())
    adapt(model, labeled, halves, settings(pre_finetuning="split", steps=3))
    assert all(torch.equal(before[name], now) for name, now in model.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"pre_finetuning": "ahead"}, "'ahead'; allowed: none, gd, lookahead, split"),
        ({"orders": ("backwards",)}, "orders backwards; allowed: chronological, random"),
        ({"shots": (0,)}, r"shots \(0,\)"),
        ({"guard": -1.0}, "guard -1.0"),
    ],
)
def test_what_cannot_be_is_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        settings(**changes)


def test_a_head_adapts_on_tokens_computed_once_as_it_would_behind_its_backbone(model):
    from ecgpipe import episodes, learners, supports
    from tests.patients import make_cohort

    model.backbone.requires_grad_(False)
    cohort = make_cohort({"a": "oooVVVoo", "b": "VoVoVo", "c": "oooo"})
    windows = cohort.table[["patient", "record", "start"]]
    kind = episodes.classes(cohort.target).numpy()
    told = settings(steps=3, shots=(2,), pre_finetuning="split")
    drawn = supports.label_anywhere(windows, kind, 2, 0)
    on_tokens = learners.view(model, cohort, 2.0)
    on_signals = learners.Learner(model, lambda row: cohort.beginnings(row, 100), cohort)
    both = [
        learners.adapt_to_all(one, windows, kind, drawn, 2, told) for one in (on_tokens, on_signals)
    ]
    assert on_tokens.model is not model and on_tokens.give(torch.arange(2)).shape[-1] == 8
    np.testing.assert_allclose(*both, atol=1e-5)


def test_windows_of_patients_are_laid_side_by_side():
    from ecgpipe.learners import lay_out

    patient = np.array(["b", "a", "b", "c", "a", "b"])
    slots = lay_out(patient, np.array([1, 1, 0, 0, 1, 1], bool), np.array(["a", "b", "c"]))
    assert slots.there.tolist() == [[True, True], [True, True], [False, False]]
    assert slots.row[:2].tolist() == [[1, 4], [0, 5]]
    spread = slots.spread(np.arange(1.0, 7))
    assert spread.tolist() == [[2, 5], [1, 6], [0, 0]]
