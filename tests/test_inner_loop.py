"""The inner loop against steps taken by hand, and the batches it takes."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.patients import build_small, make_episodes

RATE = 0.3


class Scalar(nn.Module):
    """One weight: the logit of a window is the weight times its first sample."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([weight], dtype=torch.float64))

    def forward(self, signal):
        return signal[:, 0, :1] * self.weight


def window(sample, target):
    """One task with one window of one sample."""
    from ecgpipe.episodes import Windows

    signal = torch.full((1, 1, 1, 1), sample, dtype=torch.float64)
    target = torch.full((1, 1, 1), target, dtype=torch.float64)
    return Windows(signal, target, torch.ones(1, 1).double())


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


@pytest.mark.parametrize("descent", ["adapt", "adapt_through"])
def test_the_gradient_behind_a_step_is_that_of_logistic_regression_by_hand(descent):
    from ecgpipe import inner_loop
    from ecgpipe.per_task import stack

    weight, x, y = 0.4, 1.7, -0.8
    model = Scalar(weight)
    descend = getattr(inner_loop, descent)
    adapted = descend(model, stack(model, 1), [window(x, 1.0)], RATE)
    inner_loop.losses_on(model, adapted, window(y, 0.0)).sum().backward()
    p = sigmoid(weight * x)
    stepped = weight - RATE * (p - 1) * x
    assert adapted["weight"].item() == pytest.approx(stepped)
    first_order = sigmoid(stepped * y) * y
    bend = 1 - RATE * p * (1 - p) * x**2 if descent == "adapt_through" else 1
    assert model.weight.grad.item() == pytest.approx(first_order * bend)


@pytest.mark.parametrize("descent", ["adapt", "adapt_through"])
def test_weights_and_buffers_of_the_model_are_untouched(descent):
    from ecgpipe import inner_loop
    from ecgpipe.per_task import stack

    model, support = build_small(), make_episodes().support
    before = {name: value.clone() for name, value in model.state_dict().items()}
    adapted = getattr(inner_loop, descent)(model, stack(model, 3), [support] * 3, RATE)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert all(not torch.equal(weight[0], before[name]) for name, weight in adapted.items())


def draw_batches(of_each, steps=4):
    from ecgpipe.inner_loop import InnerLoop, batches

    support = make_episodes(shots=4).support
    support.weight[1, 1:4] = 0  # a class of which there is one window
    support.weight[2, 4:] = 0  # and one of which there is none
    settings = InnerLoop(steps=steps, batch=of_each)
    return support, batches(support, 2, settings, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("of_each", [1, 3, 4, 9])
def test_every_batch_is_balanced_over_the_classes_that_there_are(of_each):
    support, steps = draw_batches(of_each)
    assert len(steps) == 4
    for windows in steps:
        ill = (windows.weight * windows.target[..., 0]).sum(dim=1)
        torch.testing.assert_close(windows.weight.sum(dim=1).tolist(), [2.0, 2.0, 1.0])
        torch.testing.assert_close(ill.tolist(), [1.0, 1.0, 0.0])


def test_no_window_is_twice_in_a_batch_and_batches_differ():
    support, steps = draw_batches(3)
    places = [
        [(support.signal[0] == signal).flatten(1).all(dim=1).nonzero().item() for signal in one]
        for one in (windows.signal[0] for windows in steps)
    ]
    assert all(len(set(place)) == 6 for place in places)
    assert len({tuple(place) for place in places}) > 1


def test_an_inner_loop_without_steps_is_refused():
    from ecgpipe.inner_loop import InnerLoop

    with pytest.raises(ValueError, match="steps 0"):
        InnerLoop(steps=0)
