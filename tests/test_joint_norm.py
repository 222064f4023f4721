"""Batch norms that see labeled and unlabeled records, with and without the unlabeled gradient."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, binary_cross_entropy_with_logits
from torch.utils.flop_counter import FlopCounterMode

from ecgpipe import registry
from ecgpipe.backbones._maps import to_map
from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.model import Classifier, build_backbone
from tests.ce_ssl import build_tiny, signals

NAMES = ("joint_norm", "joint_norm_detached")
LABELED, UNLABELED = 8, 24


def batches(unlabeled=UNLABELED, labeled=LABELED, dtype=torch.float64):
    """Draw labeled records with soft targets, and unlabeled ones that look otherwise."""
    generator = torch.Generator().manual_seed(1)
    signal = torch.randn(labeled, 3, 100, generator=generator, dtype=dtype)
    target = torch.rand(labeled, 3, generator=generator, dtype=dtype)
    weak = 1 + 2 * torch.randn(unlabeled, 3, 100, generator=generator, dtype=dtype)
    return Labeled(signal, target), Unlabeled(weak, [], torch.arange(unlabeled), max(unlabeled, 1))


def learn(name, network, *given):
    """Compute loss and gradients of a method on a copy of a network; return both."""
    plugin = registry.load("methods", name)
    method = plugin.Method(deepcopy(network), plugin.Config()).train()
    loss = method(*given)["loss"]
    loss.backward()
    return loss, method.model


def gradients(network):
    return {name: weight.grad for name, weight in network.named_parameters()}


def differ(one, other):
    """Return the largest difference of two gradients, against the largest gradient."""
    largest = max(gradient.abs().max() for gradient in other.values())
    return max((one[name] - other[name]).abs().max() for name in other) / largest


@pytest.fixture
def network(model):
    return model.double()


def norms_of(module):
    return [norm for norm in module.modules() if isinstance(norm, nn.BatchNorm2d)]


def lockstep(layers, one, other):
    """Pass two halves through layers; norms see both, of the other without its gradient."""
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d):
            whole = torch.cat([one, other.detach()])
            whole = batch_norm(whole, None, None, layer.weight, layer.bias, training=True)
            one, other = whole.split([len(one), len(other)])
        else:
            one, other = layer(one), layer(other)
        other = other.detach()
    return one


def test_without_unlabeled_records_it_is_supervised_learning(network):
    labeled, none = batches(unlabeled=0)
    loss, learnt = learn("joint_norm", network, labeled, none)
    expected, plain = learn("supervised", network, labeled, None)
    assert loss == expected
    assert all(torch.equal(gradients(learnt)[k], v) for k, v in gradients(plain).items())
    state = plain.state_dict()
    assert all(torch.equal(state[k], v) for k, v in learnt.state_dict().items())


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_that_of_the_published_logits(name):
    logit = np.array(  # of the authors' code, for two labeled records and two unlabeled ones
        [
            [0.17261865, 0.54407247, 0.11561621, -0.37854494, -0.10699086, 0.39740536],
            [0.22676519, 0.55327635, 0.06363776, -0.39999297, -0.06006475, 0.4299074],
        ]
    )
    target = np.linspace(0, 1, 12).reshape(2, 6)
    unlabeled = replace(batches(2)[1], weak=signals(2, first=2))
    loss, _ = learn(name, build_tiny(), Labeled(signals(2), torch.from_numpy(target)), unlabeled)
    expected = np.mean(np.logaddexp(0, logit) - target * logit)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_norms_of_the_stem_remember_the_whole_batch_once(name, network):
    labeled, unlabeled = batches()
    _, learnt = learn(name, network, labeled, unlabeled)
    convolution, norm = learnt.backbone.entry[:2]
    with torch.no_grad():
        passed = convolution(to_map(torch.cat([labeled.signal, unlabeled.weak]))).numpy()
    mean, var = passed.mean(axis=(0, 2, 3)), passed.var(axis=(0, 2, 3), ddof=1)
    np.testing.assert_allclose(norm.running_mean.numpy(), 0.1 * mean, rtol=1e-9)
    np.testing.assert_allclose(norm.running_var.numpy(), 0.9 + 0.1 * var, rtol=1e-9)
    assert [norm.num_batches_tracked.item() for norm in norms_of(learnt.backbone.entry)] == [1] * 3


@pytest.mark.parametrize("name", NAMES)
def test_behind_the_stem_there_are_labeled_records_alone(name, network):
    lengths = []
    network.backbone.stages.register_forward_pre_hook(
        lambda _, given: lengths.append(len(given[0]))
    )
    learn(name, network, *batches())
    assert lengths == [LABELED]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("labeled", "unlabeled"), [(4, 4), (4, 28), (6, 1), (3, 5)])
def test_any_number_of_unlabeled_records_will_do(name, labeled, unlabeled, network):
    given = batches(unlabeled, labeled)
    loss, learnt = learn(name, network, *given)
    with torch.no_grad():
        network.train()
        stemmed = network.backbone.stem(torch.cat([given[0].signal, given[1].weak]))[:labeled]
        logit = network.head(network.backbone.trunk(stemmed))
    assert loss.item() == pytest.approx(
        binary_cross_entropy_with_logits(logit, given[0].target).item(), rel=1e-9
    )
    state = network.state_dict()
    assert all(torch.allclose(state[k], v, rtol=1e-9) for k, v in learnt.state_dict().items())


def test_the_gradient_reaches_unlabeled_records_by_the_common_statistics(network):
    labeled, unlabeled = batches()
    for name in NAMES:
        unlabeled.weak.requires_grad_(True).grad = None
        learn(name, network, labeled, unlabeled)
        assert (unlabeled.weak.grad is not None) == (name == "joint_norm")


def test_detached_statistics_have_the_gradient_of_both_halves_in_lockstep(network):
    labeled, unlabeled = batches()
    _, learnt = learn("joint_norm_detached", network, labeled, unlabeled)
    network.train()
    stemmed = lockstep(network.backbone.entry, to_map(labeled.signal), to_map(unlabeled.weak))
    logit = network.head(network.backbone.trunk(stemmed))
    binary_cross_entropy_with_logits(logit, labeled.target).backward()
    assert differ(gradients(learnt), gradients(network)) < 1e-9
    _, joint = learn("joint_norm", network, labeled, unlabeled)
    assert differ(gradients(learnt), gradients(joint)) > 1e-3


def test_detached_statistics_cost_no_backward_pass_of_unlabeled_records(network):
    labeled, unlabeled = batches()
    operations = {}
    for name in ("supervised", *NAMES):
        with FlopCounterMode(display=False) as counter:
            learn(name, network, labeled, unlabeled)
        operations[name] = counter.get_total_flops()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.backbone.stem(labeled.signal)
    forward = counter.get_total_flops() // LABELED  # of a record through the stem
    extra = operations["joint_norm_detached"] - operations["supervised"]
    assert extra == (LABELED + UNLABELED) * forward
    assert operations["joint_norm"] - operations["supervised"] > 2 * UNLABELED * forward


def test_detached_statistics_keep_no_activations_of_unlabeled_records(network):
    kept = []

    def pack(tensor):
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        learn("joint_norm_detached", network, *batches(unlabeled=13))
    assert not [tensor for tensor in kept if tensor.dim() > 2 and len(tensor) in (13, 21)]


def test_norms_are_themselves_again_after_a_step_and_after_an_error(network):
    plugin = registry.load("methods", "joint_norm_detached")
    method = plugin.Method(network, plugin.Config()).train()
    labeled, unlabeled = batches()
    method(labeled, unlabeled)
    fewer = labeled.signal[:, :2], unlabeled.weak[:, :2]  # leads
    with pytest.raises(RuntimeError):
        method(replace(labeled, signal=fewer[0]), replace(unlabeled, weak=fewer[1]))
    for norm in norms_of(network):
        assert "forward" not in vars(norm) and not norm._forward_pre_hooks


@pytest.mark.parametrize("name", NAMES)
def test_a_still_norm_uses_the_statistics_it_has(name, network):
    norm = network.backbone.entry[1].requires_grad_(False)
    before = deepcopy(norm.state_dict())
    loss, learnt = learn(name, network, *batches())
    assert all(torch.equal(before[k], v) for k, v in learnt.backbone.entry[1].state_dict().items())
    assert loss.isfinite()


@pytest.mark.parametrize("name", NAMES)
def test_it_computes_statistics_in_single_precision_where_the_rest_is_bfloat16(name, network):
    given = batches(dtype=torch.float32)
    plain, _ = learn(name, network.float(), *given)
    with torch.autocast("cpu", torch.bfloat16):
        rough, learnt = learn(name, network.float(), *given)
    assert rough.dtype == torch.float32 and rough.item() == pytest.approx(plain.item(), rel=0.02)
    assert all(gradient.isfinite().all() for gradient in gradients(learnt).values())


@pytest.mark.parametrize("name", NAMES)
def test_a_network_whose_norms_do_not_learn_is_refused(name, network):
    plugin = registry.load("methods", name)
    network.backbone.requires_grad_(False)
    with pytest.raises(ValueError, match=f"{name}: of the backbone's 19 batch norms"):
        plugin.Method(network, plugin.Config())
    vit = Classifier(build_backbone({"name": "vit1d", "dim": 8, "heads": 2}, 3, "tests"), ("A",))
    with pytest.raises(ValueError, match="of the backbone's 0 batch norms none learns"):
        plugin.Method(vit, plugin.Config())


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_without_weak_views_is_refused(name, network):
    with pytest.raises(ValueError, match=f"{name} needs unlabeled records: .*`views: weak`"):
        learn(name, network, batches()[0], None)
