"""What steps cost: operations of every pass, forward and backward; by hand, in weights."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn

from ecgpipe import fit, registry
from ecgpipe.fit_settings import Fit
from ecgpipe.heads import HeadConfig
from ecgpipe.model import Backbone, Classifier

SETTINGS = Fit(steps=12, validate_every=4, batch=16, rate=1e-2)
TOKENS = 2 * 16 * 100 * 3 * 4  # operations, forward: 16 records, 100 samples, 3 leads, 4 wide
LOGITS = 2 * 16 * 8 * 3  # maximum and mean of tokens, 3 labels
STEP = 2 * TOKENS + 3 * LOGITS  # nobody asks for the gradient of the signal itself


class Linear(Backbone):
    """A backbone of one linear layer."""

    def __init__(self):
        super().__init__()
        self.dim, self.layer = 4, nn.Linear(3, 4)

    def forward(self, signal):
        return self.layer(signal.mT)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Classifier(Linear(), ("a", "b", "c"), HeadConfig(norm=False, dropout=0.0))


@pytest.fixture
def make_work(network, labeled, unlabeled):
    def make(method="supervised", network=network, **changes):
        plugin = registry.load("methods", method)
        told = {
            "loss": plugin.Method(network, plugin.Config()),
            "model": network,
            "make_batch": lambda step, generator: (labeled, unlabeled),
            "name_records": lambda step: [],
            "validate": lambda network: 0.0,
            "measure": "valid_auroc",
            "example": labeled.signal[:1],
            "samples": 16,
            "identity": "",
        }
        return fit.Work(**told | changes)

    return make


def flops(work, path, **changes):
    """The operations that every line of a fit's history tells, and those of its cost."""
    settings = Fit(**vars(SETTINGS) | changes)
    history, cost = fit.fit(work, settings, seed=0, state=path)
    return [row["flops"] for row in history], cost["flops_per_step"]


def test_every_step_costs_its_way_forward_and_back(make_work, tmp_path):
    assert flops(make_work(), tmp_path) == ([4 * STEP, 8 * STEP, 12 * STEP], STEP)


def test_while_the_head_learns_alone_the_backbone_costs_its_way_forward(make_work, tmp_path):
    alone = TOKENS + 2 * LOGITS
    expected = [4 * alone, 6 * alone + 2 * STEP, 6 * alone + 6 * STEP]
    assert flops(make_work(), tmp_path, head_steps=6) == (expected, expected[-1] / 12)


def test_a_view_that_nothing_is_learnt_from_costs_its_way_forward(make_work, tmp_path):
    *_, of_step = flops(make_work("mean_teacher"), tmp_path)
    assert of_step == 2 * STEP + TOKENS + LOGITS  # labeled, student; teacher


def test_what_an_adapter_adds_to_the_loss_is_counted(make_work, network, tmp_path):
    def penalty(layer):
        return (layer.weight @ layer.weight.mT).square().sum()

    hooks = fit.Hooks(penalty=partial(penalty, network.backbone.layer))
    *_, of_step = flops(make_work(hooks=hooks), tmp_path)
    assert of_step == STEP + 3 * 2 * 4 * 4 * 3


def test_an_interrupted_fit_knows_what_its_steps_cost(make_work, tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "SAVE_SECONDS", 0.0)
    loop = fit.Loop(make_work(), SETTINGS, 0, tmp_path)
    loop.run_until_validation(), loop.validate(), loop.keep()
    expected = [4 * STEP, 8 * STEP, 12 * STEP]
    assert flops(make_work(), tmp_path) == (expected, STEP)


def test_no_steps_cost_nothing(make_work, tmp_path):
    assert flops(make_work(), tmp_path, steps=0) == ([], 0)


@pytest.mark.parametrize("method", ["fixmatch", "mean_teacher"])
def test_counting_changes_no_gradient_and_no_statistic(
    method, model, make_work, labeled, unlabeled, tmp_path
):
    found = []
    for counts in (True, False):
        torch.manual_seed(0)
        loop = fit.Loop(make_work(method, deepcopy(model)), SETTINGS, 0, tmp_path)
        batch, loss = (labeled, unlabeled), loop.work.loss.train()
        loop.count(batch) if counts else loop.find_gradients(loss, batch)
        gradients = [p.grad.clone() for p in loop.learning if p.grad is not None]
        found.append([*gradients, *(b.clone() for b in loss.buffers())])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))
