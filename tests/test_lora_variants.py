"""Variants of LoRA against the formulas of their papers, in NumPy."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ecgpipe import registry
from ecgpipe.adapters import adalora, dylora, frozen_start, increlora
from ecgpipe.heads import HeadConfig
from ecgpipe.model import Backbone, Classifier, build_backbone

VARIANTS = ("lora", "dylora", "adalora", "increlora")
PUBLISHED_HEAD = HeadConfig((256,), dropout=0.0, norm=False, pool="max", activation="none")


class TwoLayers(Backbone):
    """A convolution and a linear layer, in double precision."""

    dim = 7

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv1d(3, 6, 5, padding=2).double()
        self.linear = nn.Linear(6, 7).double()

    def stem(self, signal):
        return self.convolution(signal).relu().mT

    def trunk(self, stemmed):
        return self.linear(stemmed)


@pytest.fixture
def small():
    """A classifier of two layers."""
    return Classifier(TwoLayers(), ("label",), HeadConfig(dropout=0.0, norm=False)).double()


@pytest.fixture
def signal():
    """A batch for it."""
    return torch.randn(5, 3, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def whole(model):
    """A classifier whose residual branches no longer start at zero."""
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.ones_(norm.weight)
    return model


def attached(adapter, network, **settings):
    """Attach and make what is zero at first random, so that all of it matters."""
    adapter.attach(network, adapter.Config(**settings), None)
    for name, parameter in network.named_parameters():
        if name.endswith(("up", "singular")):
            nn.init.normal_(parameter, std=0.3)
    return network.train()


def train(adapter, network, labeled, steps, of=None, begin=0):
    """Take steps as the loop does."""
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=0.05)
    for step in range(begin, steps):
        if hasattr(adapter, "before_step"):
            adapter.before_step(network, torch.Generator().manual_seed(step))
        loss = binary_cross_entropy_with_logits(network(labeled.signal), labeled.target)
        if hasattr(adapter, "penalty"):
            loss = loss + adapter.penalty(network)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if hasattr(adapter, "after_step"):
            adapter.after_step(network, step + 1, of or steps)


def arrays(*tensors):
    return [tensor.detach().numpy().copy() for tensor in tensors]


# what learns


@pytest.mark.parametrize("name", VARIANTS)
def test_every_bias_learns_where_asked_and_nothing_else_more(name, model):
    adapter, learning = registry.load("adapters", name), []
    for biases in (False, True):
        network = deepcopy(model)
        adapter.attach(network, adapter.Config(biases=biases), None)
        learning.append({n for n, p in network.named_parameters() if p.requires_grad})
    asked = {n for n, _ in model.backbone.named_parameters(prefix="backbone") if n.endswith("bias")}
    assert learning[1] - learning[0] == asked and learning[0] < learning[1]


@pytest.mark.parametrize(
    ("adapter", "settings", "learning"),
    [
        (dylora, {"rank": 16}, 795_026),
        (dylora, {"rank": 4}, 222_194),
        (adalora, {"rank": 16, "start": 1.0}, 795_026 + 16 * 50),  # published: 0.796 million
        (adalora, {"rank": 4, "start": 1.0}, 222_194 + 4 * 50),
    ],
)
def test_as_much_learns_as_in_the_published_comparison(adapter, settings, learning):
    labels = tuple(f"label {i}" for i in range(18))
    backbone = build_backbone({"name": "conv_transformer"}, 12, "tests")
    network = Classifier(backbone, labels, PUBLISHED_HEAD)
    adapter.attach(network, adapter.Config(biases=True, **settings), None)
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == learning


# frozen_start


def test_the_first_parts_keep_weights_and_statistics_and_the_others_do_not(model, labeled):
    frozen_start.attach(model, frozen_start.Config(parts=2), None)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train(frozen_start, model.train(), labeled, 2)
    frozen = ("backbone.entry.", "backbone.stages.0.")
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith(frozen), name


def test_more_parts_than_there_are_cannot_be_frozen(model):
    with pytest.raises(ValueError, match="parts 9, but this backbone has 5"):
        frozen_start.attach(model, frozen_start.Config(parts=9), None)


# dylora


@pytest.mark.parametrize("drawn", [1, 3, 4])
def test_dylora_computes_with_the_first_components_by_alpha_over_their_number(small, drawn):
    before = small.backbone.linear.weight.detach().numpy().copy()
    attached(dylora, small, rank=4, alpha=6.0)
    update = dylora.truncated(small)[1]
    update.drawn = drawn
    up, down = arrays(update.up[0], update.down[0])
    expected = before + 6 / drawn * np.einsum("or,ri->oi", up[:, :drawn], down[:drawn])
    tokens = torch.eye(6, dtype=torch.float64)
    computed = small.backbone.linear(tokens) - small.backbone.linear.bias
    np.testing.assert_allclose(computed.detach().numpy().T, expected, rtol=1e-12)


def test_dylora_draws_every_rank_about_as_often_and_one_for_all_weights(small):
    attached(dylora, small, rank=6, least=3)
    counts = dict.fromkeys(range(3, 7), 0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2000):
        dylora.before_step(small, generator)
        (rank,) = {update.drawn for update in dylora.truncated(small)}
        counts[rank] += 1
    assert all(abs(count - 500) < 100 for count in counts.values())


@pytest.mark.parametrize(("only_last", "learning"), [(False, [0, 1, 2]), (True, [2])])
def test_gradients_reach_the_components_drawn_or_only_the_last(small, signal, only_last, learning):
    attached(dylora, small, rank=5, only_last=only_last)
    for update in dylora.truncated(small):
        update.drawn = 3
    small(signal).sum().backward()
    for update in dylora.truncated(small):
        assert update.down.grad.abs().sum((0, 2)).nonzero().flatten().tolist() == learning
        assert update.up.grad.abs().sum((0, 1)).nonzero().flatten().tolist() == learning


def test_dylora_answers_and_merges_at_full_rank_whatever_was_drawn(small, signal):
    attached(dylora, small, rank=4)
    full = small.eval()(signal)
    dylora.before_step(small, torch.Generator().manual_seed(2))
    torch.testing.assert_close(small(signal), full, rtol=0, atol=0)
    dylora.merge(small.train())
    torch.testing.assert_close(small(signal), full)


# adalora


def test_the_budget_falls_by_a_cube_between_warm_up_and_settling():
    config = adalora.Config(warmup=0.2, settle=0.3)
    t = np.arange(1001) / 1000
    cube = 100 + (150 - 100) * (1 - (t - 0.2) / (1 - 0.2 - 0.3)) ** 3
    expected = np.where(t < 0.2, 150, np.where(t < 0.7, cube, 100))
    budget = [adalora.budget(config, done, 150, 100) for done in t]
    np.testing.assert_allclose(budget, expected, atol=0.5 + 1e-9)
    assert budget[0] == 150 and budget[700:] == [100] * 301


def test_importance_is_sensitivity_times_uncertainty_of_a_triplet(small, rng):
    attached(adalora, small, rank=3, memory=0.7)
    update = adalora.cuts(small)[0]
    names = ("up", "singular", "down")
    mean, spread = ({name: 0.0 for name in names} for _ in range(2))
    for _ in range(4):
        for name in names:
            factor = getattr(update, name)
            weight, gradient = rng.normal(size=(2, *factor.shape))
            factor.data, factor.grad = torch.from_numpy(weight), torch.from_numpy(gradient)
            seen = abs(weight * gradient)
            mean[name] = 0.7 * mean[name] + 0.3 * seen
            spread[name] = 0.7 * spread[name] + 0.3 * abs(seen - mean[name])
        adalora.judge([update], 0.7)
    up, singular, down = (mean[name][0] * spread[name][0] for name in names)
    expected = singular + up.sum(0) / len(up) + down.sum(1) / down.shape[1]
    np.testing.assert_allclose(update.importance()[0].numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("adapter", [adalora, increlora])
def test_the_penalty_measures_how_far_from_orthogonal_triplets_are(small, adapter):
    attached(adapter, small, rank=2, weight=0.4)
    expected = 0.0
    updates = [m for m in small.modules() if hasattr(m, "singular")]
    for update in updates:
        some = 2 if adapter is increlora else 3  # one that counts and one next in turn; all
        p, q = update.up[0, :, :some], update.down[0, :some]
        for product in arrays(p.T @ p, q @ q.T):
            expected += 0.4 * np.linalg.norm(product - np.eye(some)) ** 2
    np.testing.assert_allclose(adapter.penalty(small).item(), expected, rtol=1e-12)


def test_the_most_important_triplets_of_all_weights_are_kept(small, rng):
    attached(adalora, small, rank=3)
    found = adalora.cuts(small)
    for update in found:
        for buffer in update.buffers():
            buffer.copy_(torch.from_numpy(rng.random(buffer.shape)))
    importance = np.concatenate([update.importance().flatten() for update in found])
    before = np.concatenate([arrays(update.singular)[0].ravel() for update in found])
    adalora.cut(found, 4)
    after = np.concatenate([arrays(update.singular)[0].ravel() for update in found])
    threshold = np.sort(importance)[-4]
    np.testing.assert_array_equal(after, np.where(importance >= threshold, before, 0))


def test_of_adalora_the_published_share_is_left_and_it_no_longer_changes(whole, labeled):
    adalora.attach(whole, adalora.Config(rank=2), None)
    found = adalora.cuts(whole.train())
    assert sum(update.singular.numel() for update in found) == 3 * len(found)
    train(adalora, whole, labeled, 25, of=40)
    settled = [update.singular != 0 for update in found]
    train(adalora, whole, labeled, 40, begin=25)
    assert all(torch.equal(u.singular != 0, s) for u, s in zip(found, settled, strict=True))
    assert sum(int(kept.sum()) for kept in settled) == 2 * len(found)


# increlora


def test_budgets_of_the_published_task_grow_by_36_triplets_in_14_rounds():
    config = increlora.Config(rank=8, until=0.375)
    totals = [increlora.budget(config, step / 4000, 72, 576) for step in range(4001)]
    rounds = np.flatnonzero(np.diff(totals)) + 1
    np.testing.assert_array_equal(rounds, range(200, 1501, 100))
    assert set(np.diff(totals)) == {0, 36} and totals[-1] == 576


def test_weights_are_judged_by_the_mean_of_update_times_gradient(small, signal):
    attached(increlora, small, rank=2, ahead=0.0)
    found = increlora.growing(small)
    small(signal).square().sum().backward()
    merged = deepcopy(small)
    increlora.merge(merged.eval())
    merged.requires_grad_(True)(signal).square().sum().backward()
    for update, layer in zip(found, merged.backbone.children(), strict=True):
        up, singular, down = arrays(update.up[0], update.singular[0], update.down[0])
        product = up @ np.diag(singular) @ down
        gradient = layer.weight.grad.flatten(1).numpy()
        expected = abs(product * gradient).mean()
        np.testing.assert_allclose(update.seen.item(), expected, rtol=1e-10)


def test_judgements_of_weights_are_averaged_as_those_of_triplets(small, rng):
    attached(increlora, small, memory=0.6)
    update = increlora.growing(small)[0]
    mean = spread = 0.0
    for step, seen in enumerate(rng.random(5)):
        mean = 0.6 * mean + 0.4 * seen
        spread = 0.6 * spread + 0.4 * abs(seen - mean)
        update.seen.fill_(seen)
        increlora.after_step(small, step, 1000)
    np.testing.assert_allclose(update.sensitivity.item(), mean, rtol=1e-12)
    np.testing.assert_allclose(update.uncertainty.item(), spread, rtol=1e-12)
    assert update.seen.item() == 0


def test_gradients_reach_what_counts_and_the_factors_next_in_turn(small, signal):
    increlora.attach(small, increlora.Config(rank=4, most=1), None)
    for update in increlora.growing(small.train()):
        nn.init.ones_(update.singular.data[:, :1])
    small(signal).square().sum().backward()
    for update in increlora.growing(small):
        assert update.singular.grad[0].nonzero().flatten().tolist() == [0, 1, 2]
        assert update.up.grad.abs().sum((0, 1)).nonzero().flatten().tolist() == [0, 1, 2]
        assert update.down.grad.abs().sum((0, 2)).nonzero().flatten().tolist() == [0, 1, 2]


def test_factors_next_in_turn_get_a_hundred_thousandth_of_their_gradient(small, signal):
    attached(increlora, small, rank=2, ahead=1e-5)
    update = increlora.growing(small)[1]
    gradients = []
    for rank in (1, 2):
        nn.init.ones_(update.singular.data[:, rank - 1])
        nn.init.zeros_(update.singular.data[:, rank:])
        update.rank.fill_(rank)
        weight = small.backbone.linear.weight
        (gradient,) = torch.autograd.grad(
            (weight * torch.ones_like(weight).cumsum(0)).sum(), update.up
        )
        gradients.append(gradient[0, :, 1])
    torch.testing.assert_close(gradients[0], 1e-5 * gradients[1], rtol=1e-9, atol=0)


def test_a_held_backbone_is_not_judged(small, signal):
    attached(increlora, small)
    small.backbone.requires_grad_(False)
    small(signal).sum().backward()
    increlora.after_step(small, 1, 10)
    assert all(update.sensitivity.item() == 0 for update in increlora.growing(small))


def test_growing_changes_no_output(small, signal):
    increlora.attach(small, increlora.Config(rank=4), None)
    for update in increlora.growing(small.train()):
        nn.init.normal_(update.singular.data[:, :1])
    before = small(signal), small.eval()(signal)
    for update in increlora.growing(small):
        update.rank += 3
    after = small.train()(signal), small.eval()(signal)
    torch.testing.assert_close(after, before, rtol=1e-12, atol=1e-14)


def test_the_most_important_weights_grow_by_half_the_rank_and_others_by_what_is_left(small):
    increlora.attach(small, increlora.Config(rank=6, most=1), None)
    first, second = found = increlora.growing(small)
    for update, sensitivity, uncertainty in ((first, 2.0, 1.0), (second, 3.0, 0.5)):
        update.sensitivity.fill_(sensitivity)
        update.uncertainty.fill_(uncertainty)
    totals = []
    for due in (6, 12):
        increlora.grow(found, due)
        totals.append([update.rank.item() for update in found])
    assert totals == [[1 + 3, 1 + 1], [4 + 2, 2 + 3 + 1]]  # in the end beyond half, having room


def test_of_increlora_the_budget_is_spent_and_no_weight_has_more_than_its_share(whole, labeled):
    increlora.attach(whole, increlora.Config(rank=4), None)
    found = increlora.growing(whole.train())
    assert all(update.rank.item() == 1 for update in found)
    train(increlora, whole, labeled, 20)
    ranks = [update.rank.item() for update in found]
    assert sum(ranks) == 4 * len(found) and len(set(ranks)) > 2 and max(ranks) <= 12
    assert [int((update.singular != 0).sum()) for update in found] == ranks


# both


@pytest.mark.parametrize(("adapter", "left"), [(adalora, 2), (increlora, 1)])
def test_triplets_that_do_not_count_are_neither_told_nor_kept(small, adapter, left):
    adapter.attach(small, adapter.Config(rank=2), None)
    for name, parameter in small.named_parameters():
        if name.endswith("singular"):
            nn.init.ones_(parameter.data[:, :left])
    told, factors = adapter.describe(small), adapter.factors(small)
    layers = {"backbone.convolution": 1 + 6 + 15, "backbone.linear": 1 + 7 + 6}
    assert told["ranks"] == dict.fromkeys(layers, [left])
    assert told["update_parameters"] == left * sum(layers.values())
    assert {name: up.shape[2] for name, (up, _) in factors.items()} == dict.fromkeys(
        (f"{name}.weight" for name in layers), left
    )


@pytest.mark.parametrize("adapter", [adalora, increlora])
def test_training_goes_on_alike_from_a_kept_state(adapter, whole, labeled):
    adapter.attach(whole, adapter.Config(rank=4), None)
    other = deepcopy(whole)
    train(adapter, whole.train(), labeled, 6, of=20)
    other.load_state_dict(whole.state_dict())
    for network in (whole, other.train()):
        train(adapter, network, labeled, 12, of=20, begin=6)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


@pytest.mark.parametrize(
    ("adapter", "wrong"),
    [
        (frozen_start, {"parts": 0}),
        (dylora, {"least": 9}),
        (dylora, {"alpha": 0.0}),
        (adalora, {"start": 0.5}),
        (adalora, {"warmup": 0.6}),
        (increlora, {"most": 0}),
        (increlora, {"until": 1.5}),
    ],
)
def test_impossible_settings_are_refused(adapter, wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} {next(iter(wrong.values()))}"):
        adapter.Config(**wrong)
