"""Every file in ecgpipe/adapters keeps these promises."""

from copy import deepcopy
from itertools import repeat

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.modules.batchnorm import _BatchNorm

from ecgpipe import registry


@pytest.fixture(params=registry.names("adapters"))
def adapter(request):
    return registry.load("adapters", request.param)


@pytest.fixture
def attached(adapter, model, labeled):
    train(model, labeled, 1)  # residual branches no longer start at zero
    model = deepcopy(model)
    adapter.attach(model, adapter.Config(), repeat(labeled))
    return model


def train(model, labeled, steps):
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=1e-2, weight_decay=0.1)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(model(labeled.signal), labeled.target).backward()
        optimizer.step()


def logits(model, labeled):
    with torch.no_grad():
        return model.eval()(labeled.signal)


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_attach_changes_no_output(adapter, model, labeled):
    train(model, labeled, 1)
    before = logits(model, labeled)
    adapter.attach(model, adapter.Config(), repeat(labeled))
    assert torch.equal(logits(model, labeled), before)


def test_attach_needs_no_batches_or_asks_for_them(adapter, model):
    adapter.attach(model, adapter.Config(), None)
    assert all(parameter.requires_grad for parameter in model.head.parameters())


def test_all_that_learns_moves_and_nothing_else(attached, labeled):
    before = {name: p.detach().clone() for name, p in attached.named_parameters()}
    train(attached, labeled, 3)
    for name, parameter in attached.named_parameters():
        assert torch.equal(parameter, before[name]) != parameter.requires_grad, name


def test_frozen_batch_norms_keep_their_statistics(attached, labeled):
    frozen = [
        norm
        for norm in attached.modules()
        if isinstance(norm, _BatchNorm) and not any(p.requires_grad for p in norm.parameters())
    ]
    before = [state(norm) for norm in frozen]
    train(attached, labeled, 3)
    for norm, kept in zip(frozen, before, strict=True):
        assert all(torch.equal(value, kept[name]) for name, value in norm.state_dict().items())


def test_merge_changes_no_output_and_restores_the_parameter_names(
    adapter, attached, model, labeled
):
    train(attached, labeled, 5)
    before = logits(attached, labeled)
    adapter.merge(attached)
    torch.testing.assert_close(logits(attached, labeled), before, rtol=1e-5, atol=1e-5)
    assert attached.state_dict().keys() == model.state_dict().keys()
    assert [type(m) for m in attached.modules()] == [type(m) for m in model.modules()]
    model.load_state_dict(attached.state_dict())
    torch.testing.assert_close(logits(model, labeled), before, rtol=1e-5, atol=1e-5)


def test_a_copy_and_a_kept_state_answer_alike(attached, labeled):
    copied = deepcopy(attached)
    train(attached, labeled, 3)
    copied.load_state_dict(attached.state_dict())
    assert torch.equal(logits(copied, labeled), logits(attached, labeled))
