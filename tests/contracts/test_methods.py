"""Every file in ecgpipe/methods keeps these promises."""

from copy import deepcopy

import pytest
import torch

from ecgpipe import registry


@pytest.fixture(params=registry.names("methods"))
def plugin(request):
    return registry.load("methods", request.param)


@pytest.fixture
def method(plugin, model):
    return plugin.Method(model, plugin.Config(), teacher=deepcopy(model))


def test_thirty_steps_lower_the_supervised_loss(method, labeled, unlabeled):
    learning = [p for p in method.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learning, lr=1e-2)
    history = []
    for step in range(30):
        terms = method(labeled, unlabeled)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        if hasattr(method, "after_step"):
            method.after_step(step + 1, 30)
        history.append(terms["supervised"].item())
    assert history[-1] < 0.8 * history[0]


def test_no_gradient_reaches_the_teacher(plugin, model, labeled, unlabeled):
    teacher = deepcopy(model)
    plugin.Method(model, plugin.Config(), teacher=teacher)(labeled, unlabeled)["loss"].backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert any(p.grad is not None for p in model.parameters())


def test_terms_are_single_numbers_and_name_the_loss(method, labeled, unlabeled):
    terms = method(labeled, unlabeled)
    assert {"loss", "supervised"} <= terms.keys()
    assert all(value.shape == () for value in terms.values())
