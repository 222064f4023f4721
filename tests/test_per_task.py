"""One network with weights of its own for every task, against one network after the other."""

import numpy as np
import pytest
import torch

from ecgpipe import registry
from tests import patients
from tests.patients import build_small, make_episodes

SMALL = {
    "conv_transformer": {"width": 16, "depth": 1, "heads": 2},
    "cpc_lstm": {"width": 8, "hidden": 8},
    "inception1d": {"width": 8},
    "resnet1d": {"width": 8},
    "resnet1d_wang": {"width": 8},
    "s4": {"width": 8, "depth": 1},
    "va_net": patients.SMALL,
    "vit1d": {"dim": 16, "depth": 1, "heads": 2},
    "xresnet1d": {"depth": 18, "width": 8},
}


@pytest.fixture
def model():
    return build_small()


@pytest.fixture
def windows():
    return make_episodes().support


def own_weights(model, tasks):
    """Weights that differ from task to task."""
    from ecgpipe.per_task import stack

    generator = torch.Generator().manual_seed(5)
    return {
        name: (w + 0.1 * torch.randn(w.shape, generator=generator, dtype=w.dtype)).detach()
        for name, w in stack(model, tasks).items()
    }


def test_all_tasks_at_once_give_what_one_after_the_other_does(model, windows):
    from ecgpipe.per_task import forward, one_by_one

    weights = own_weights(model, 3)
    expected = one_by_one(model, weights, windows.signal)
    torch.testing.assert_close(forward(model, weights, windows.signal), expected)


def test_the_gradient_of_the_summed_loss_is_each_tasks_own(model, windows):
    from ecgpipe.per_task import losses

    weights = {name: w.requires_grad_() for name, w in own_weights(model, 3).items()}
    given = windows.signal, windows.target, windows.weight
    together = torch.autograd.grad(losses(model, weights, *given).sum(), list(weights.values()))
    alone = {name: w[1:2].detach().requires_grad_() for name, w in weights.items()}
    loss = losses(model, alone, *(part[1:2] for part in given)).sum()
    for one, all_of_them in zip(
        torch.autograd.grad(loss, list(alone.values())), together, strict=True
    ):
        torch.testing.assert_close(all_of_them[1:2], one)


def test_stacked_weights_are_connected_to_the_models_own(model):
    from ecgpipe.per_task import stack

    sum(weight.sum() for weight in stack(model, 3).values()).backward()
    assert all((p.grad == 3).all() for p in model.parameters())


def test_a_parameter_that_does_not_learn_is_the_models_for_every_task(model, windows):
    from ecgpipe.per_task import forward, stack

    model.backbone.requires_grad_(False)
    weights = stack(model, 3)
    assert weights.keys() == {f"head.{name}" for name, _ in model.head.named_parameters()}
    expected = model(windows.signal.flatten(0, 1)).unflatten(0, (3, -1))
    torch.testing.assert_close(forward(model, weights, windows.signal), expected)


def test_what_one_task_sees_is_nothing_to_another(model, windows):
    from ecgpipe.per_task import forward, stack

    before = forward(model, stack(model, 3), windows.signal)
    windows.signal[1] = 0
    after = forward(model, stack(model, 3), windows.signal)
    assert torch.equal(before[[0, 2]], after[[0, 2]]) and not torch.equal(before[1], after[1])


def test_statistics_of_norms_are_used_and_left_alone_in_training(windows):
    from ecgpipe.model import Classifier, build_backbone
    from ecgpipe.per_task import forward, stack

    backbone = build_backbone({"name": "xresnet1d", "depth": 18, "width": 8}, 1, "tests")
    model = Classifier(backbone, ("VA",)).double().train()
    model.head.layers[1].p = 0.0
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    logits = forward(model, stack(model, 3), windows.signal)
    assert all(torch.equal(before[name], buffer) for name, buffer in model.named_buffers())
    assert all(module.training for module in model.modules())
    expected = model.eval()(windows.signal.flatten(0, 1)).unflatten(0, (3, -1))
    torch.testing.assert_close(logits, expected)


def test_losses_are_weighted_means_of_binary_cross_entropies(model, windows):
    from ecgpipe.per_task import forward, losses, stack

    weights, weight = stack(model, 3), torch.rand(3, 8, dtype=torch.float64)
    logit = forward(model, weights, windows.signal).detach().numpy()[..., 0]
    sign = 1 - 2 * windows.target.numpy()[..., 0]
    expected = np.average(np.log1p(np.exp(sign * logit)), axis=1, weights=weight.numpy())
    found = losses(model, weights, windows.signal, windows.target, weight)
    np.testing.assert_allclose(found.detach().numpy(), expected)


def test_windows_of_weight_zero_are_not_there(model, windows):
    from ecgpipe.per_task import losses, stack

    weight = windows.weight.clone()
    weight[0, 5:], weight[1] = 0, 0
    found = losses(model, stack(model, 3), windows.signal, windows.target, weight)
    few = (part[:1, :5] for part in (windows.signal, windows.target, windows.weight))
    torch.testing.assert_close(found[:1], losses(model, stack(model, 1), *few))
    assert found[1] == 0


def test_dropout_is_drawn_for_each_task(model, windows):
    from ecgpipe.per_task import forward, stack

    model.train()
    same = windows.signal[:1].expand(3, -1, -1, -1)
    logits = forward(model, stack(model, 3), same)
    assert not torch.equal(logits[0], logits[1])


@pytest.mark.parametrize("name", registry.names("backbones"))
def test_every_backbone_can_have_weights_for_each_task(name):
    from ecgpipe.model import Classifier, build_backbone
    from ecgpipe.per_task import losses, stack

    torch.manual_seed(0)
    model = Classifier(build_backbone({"name": name, **SMALL.get(name, {})}, 1, "tests"), ("VA",))
    model.eval()
    signal, target = torch.randn(2, 3, 1, 100), torch.ones(2, 3, 1)
    found = losses(model, stack(model, 2), signal, target, torch.ones(2, 3))
    expected = -model(signal.flatten(0, 1)).sigmoid().log().view(2, 3).mean(dim=1)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    found.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_bfloat16_autocast_gives_nearly_the_same_for_weights_that_change(model, windows):
    from ecgpipe.per_task import forward, stack

    model.float()
    weights, signal = stack(model, 3), windows.signal.float()
    with torch.autocast("cpu", torch.bfloat16):
        forward(model, weights, signal)
        weights = {name: 1.5 * weight for name, weight in weights.items()}
        rounded = forward(model, weights, signal).float()
    exact = forward(model, weights, signal)
    assert (rounded - exact).norm() < 0.05 * exact.norm()
