"""Gated updates and their ranks against the published code's numbers, and formulas in NumPy."""

from copy import deepcopy
from itertools import repeat

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ecgpipe.adapters import gated_lora, lora
from ecgpipe.adapters._importance import allocate, importance, sketched
from ecgpipe.adapters._low_rank import sites, updates
from ecgpipe.batches import Labeled
from ecgpipe.heads import HeadConfig
from ecgpipe.model import Backbone, Classifier
from tests.ce_ssl import LARGE, MEDIUM, TINY, build, build_tiny, signals, sines


def attached(network, **settings):
    """Attach; what is zero at first becomes random, so that it matters."""
    torch.manual_seed(3)
    gated_lora.attach(network, gated_lora.Config(**settings), None)
    for update in updates(network).values():
        nn.init.normal_(update.up, std=0.1)
    return network


def switch(network, off):
    """Set every gate."""
    for update in updates(network).values():
        update.off = off


def logits(network, labeled, training=False):
    with torch.no_grad():
        return network.train(training)(labeled.signal)


# what the published code computes


@pytest.fixture
def tiny():
    """The tiny network of the reference, with its factors of rank 4 at full strength."""
    network = build_tiny()
    gated_lora.attach(network, gated_lora.Config(rank=4, p=0.0), None)
    with torch.no_grad():
        for i, update in enumerate(updates(network).values()):
            update.down.copy_(0.02 * sines(100 + i, *update.down.shape))
            update.up.copy_(0.05 * sines(200 + i, *update.up.shape))
    return network.eval()


def test_it_computes_what_the_published_code_does(tiny):
    expected = [
        [0.30534174, 0.41988686, -0.04636031, -0.29251486, 0.07525109, 0.35430458],
        [0.30514765, 0.42019685, -0.0460932, -0.29276193, 0.07492578, 0.35447502],
    ]
    np.testing.assert_allclose(tiny(signals(2)).detach().numpy(), expected, rtol=1e-5)


def test_its_first_convolution_computes_what_the_published_one_does(tiny):
    output = tiny.backbone.blocks[0].main[0](signals(2)[:, :, None])
    assert output.sum().item() == pytest.approx(-498.018213, rel=1e-8)
    found = output[0, :3, 0, 5].tolist()
    assert found == pytest.approx([0.18275829, 0.03037874, 0.08890297], rel=1e-6)


# size of the network, labels, rank, and how much learns as the authors' code counts
PUBLISHED = [
    ({}, 18, 16, 795_026),
    ({}, 18, 4, 222_194),
    ({}, 19, 16, 31_507 + 16 * 47_736),
    ({}, 23, 16, 32_535 + 16 * 47_736),
    ({}, 16, 16, 30_736 + 16 * 47_736),
    (MEDIUM, 18, 16, 2_134_930),
    (MEDIUM, 18, 4, 597_490),
    (MEDIUM, 16, 4, 83_984 + 4 * 128_120),
    (LARGE, 18, 16, 3_201_426),
    (LARGE, 18, 4, 895_986),
    (LARGE, 23, 4, 131_351 + 4 * 192_120),
]


@pytest.mark.parametrize(("config", "labels", "rank", "learning"), PUBLISHED)
def test_as_much_learns_as_in_the_published_code(config, labels, rank, learning):
    with torch.device("meta"):
        network = build(labels, **config)
    gated_lora.attach(network, gated_lora.Config(rank=rank), None)
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == learning


def test_all_weights_but_the_published_exceptions_are_updated():
    with torch.device("meta"):
        network = build()
    names = [site.name for site in sites(network)]
    parts = [name.removeprefix("backbone.").partition(".")[0] for name in names]
    assert [parts.count(part) for part in ("blocks", "transformer", "head")] == [9, 24, 1]
    assert not any(name.endswith("attention.out") for name in names)
    assert "head.layers.1" in names and "head.layers.3" not in names


def test_factors_begin_as_published():
    torch.manual_seed(0)
    network = build(width=256, depth=1)
    gated_lora.attach(network, gated_lora.Config(), None)
    found = updates(network)
    stacked = found["backbone.transformer.0.attention.qkv"]
    others = [update for update in found.values() if update is not stacked]
    assert all(abs(update.down.std() / 0.02 - 1) < 0.1 for update in others)
    bound = 1 / np.sqrt(256)
    assert stacked.down.abs().max() <= bound and stacked.down.std() > 0.95 * bound / np.sqrt(3)
    assert not any(update.up.any() for update in found.values())


# gates


def draws(network, count, seed=0):
    """Draw gates for so many steps: one row a step, one column an update."""
    generator, rows = torch.Generator().manual_seed(seed), []
    for _ in range(count):
        gated_lora.before_step(network, generator)
        rows.append([update.off for update in updates(network).values()])
    return np.array(rows)


def test_updates_are_off_at_their_rate_and_independently_and_never_in_the_head():
    with torch.device("meta"):
        network = build(**TINY)
    gated_lora.attach(network, gated_lora.Config(p=0.2), None)
    off = draws(network, 4000)
    assert not off[:, -1].any()
    gated = off[:, :-1]
    np.testing.assert_allclose(gated.mean(0), 0.2, atol=4 * 0.4 / np.sqrt(4000))
    between = np.corrcoef(gated.T) - np.eye(gated.shape[1])
    steps = np.corrcoef(gated[1:].ravel(), gated[:-1].ravel())[0, 1]
    assert abs(between).max() < 5 / np.sqrt(4000) and abs(steps) < 5 / np.sqrt(gated.size)


def test_gates_follow_from_the_generator(model):
    attached(model)
    assert (draws(model, 5) == draws(model, 5)).all()
    assert (draws(model, 5) != draws(model, 5, seed=1)).any()


def test_what_is_off_gets_no_gradient_and_does_not_move(model, labeled):
    attached(model, p=0.5).train()
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=0.1, weight_decay=0.5)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        gated_lora.before_step(model, generator)
        before = {name: deepcopy(update) for name, update in updates(model).items()}
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(model(labeled.signal), labeled.target).backward()
        optimizer.step()
        assert {update.off for update in before.values()} == {False, True}
        for name, update in updates(model).items():
            for now, then in zip(update.parameters(), before[name].parameters(), strict=True):
                assert torch.equal(now, then) == update.off == (now.grad is None)


def test_with_all_gates_off_a_training_pass_is_that_of_the_pretrained_weights(model, labeled):
    before = deepcopy(model)
    switch(attached(model), True)
    norms = [m for m in before.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and torch.equal(logits(model, labeled, True), logits(before, labeled, True))


def test_evaluation_and_merging_take_what_is_expected(model, labeled):
    before = deepcopy(model)
    attached(model, p=0.3)
    with torch.no_grad():
        for name, update in updates(model).items():
            product = (0.7 * update.up @ update.down).view_as(before.get_submodule(name).weight)
            before.get_submodule(name).weight += product
    expected = logits(before, labeled)
    for off in (False, True):  # whatever the gates of the last step
        switch(model, off)
        torch.testing.assert_close(logits(model, labeled), expected)
    gated_lora.merge(model.train())
    torch.testing.assert_close(logits(model, labeled), expected)


def test_the_head_is_merged_at_full_strength():
    network = attached(build(**TINY), p=0.9, rank=2)
    update, weight = updates(network)["head.layers.1"], network.head.layers[1].weight.detach()
    expected = weight + (update.up @ update.down)[0].detach()
    gated_lora.merge(network)
    torch.testing.assert_close(network.head.layers[1].weight, expected)


def test_gates_that_always_count_are_seen_in_validation_but_not_in_the_merged_model(model, labeled):
    resting, always = (attached(deepcopy(model), gates=g) for g in ("train", "always"))
    switch(always, True)
    torch.testing.assert_close(logits(always, labeled), logits(model, labeled))
    gated_lora.merge(always)
    torch.testing.assert_close(logits(always, labeled), logits(resting, labeled))


def test_without_gates_it_is_lora(model, labeled):
    gated, known = attached(deepcopy(model).double(), rank=2, p=0.0), model.double()
    lora.attach(known, lora.Config(rank=2, alpha=2.0), None)
    pairs = []
    for name, update in updates(gated).items():
        other = known.get_submodule(name).parametrizations.weight[0]
        other.up.data, other.down.data = update.up[0].detach(), update.down[0].detach()
        pairs += [(update.up, other.up), (update.down, other.down)]
    found = []
    for network in (gated, known):
        loss = binary_cross_entropy_with_logits(
            network.eval()(labeled.signal.double()), labeled.target.double()
        )
        loss.backward()
        found.append(loss)
    torch.testing.assert_close(*found)
    for one, other in pairs:
        torch.testing.assert_close(one.grad[0], other.grad)


class Perceptron(nn.Module):
    """Two linear layers of a network, and what compiles around them."""

    def __init__(self, layer):
        super().__init__()
        self.norm, self.widen, self.narrow = layer.norms[1], layer.widen, layer.narrow

    def forward(self, tokens):
        return tokens + self.narrow(torch.relu(self.widen(self.norm(tokens)))).tanh()


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # the compiler looks, and hides it
def test_compiled_pieces_do_not_grow_in_number_with_the_gates_drawn():
    pieces = []

    def count(graph, inputs):
        pieces.append(graph)
        return graph.forward

    network = attached(build(**TINY), p=0.5)
    perceptron = Perceptron(network.backbone.transformer[0])
    compiled = torch.compile(perceptron, backend=count)
    tokens, generator = torch.ones(2, 64), torch.Generator().manual_seed(0)
    for _ in range(12):
        gated_lora.before_step(network, generator)
        torch.testing.assert_close(compiled(tokens), perceptron(tokens))
    assert len(pieces) == 3  # before, between and after the two layers


def test_parts_that_are_frozen_have_no_updates_and_do_not_learn(model):
    gated_lora.attach(model, gated_lora.Config(frozen=2), None)
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    frozen = ("backbone.entry", "backbone.stages.0")
    assert not any(name.startswith(frozen) for name in [*learning, *updates(model)])
    assert any(name.startswith("backbone.stages.1") for name in updates(model))


# ranks


class Mean(Backbone):
    """A linear layer over time."""

    dim = 4

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def stem(self, signal):
        return signal.mT

    def trunk(self, stemmed):
        return self.layer(stemmed)


@pytest.fixture
def simple():
    """A network whose gradients fit on a line, two batches for it, and these gradients."""
    torch.manual_seed(0)
    head = HeadConfig(dropout=0.0, norm=False, pool="mean")
    network = Classifier(Mean(), ("a", "b"), head).double()
    last, rng = network.head.layers[-1], np.random.default_rng(0)
    weight, bias, head, shift = (
        each.detach().numpy()
        for each in (
            network.backbone.layer.weight,
            network.backbone.layer.bias,
            last.weight,
            last.bias,
        )
    )
    batches, gradients = [], []
    for _ in range(2):
        signal, target = rng.normal(size=(5, 3, 8)), (rng.random((5, 2)) < 0.5).astype(float)
        mean = signal.mean(2)
        logit = (mean @ weight.T + bias) @ head.T + shift
        gradients.append((head.T @ (expit(logit) - target).T @ mean) / target.size)
        batches.append(Labeled(torch.from_numpy(signal), torch.from_numpy(target)))
    return network, batches, weight, gradients


class Twice(list):
    """Batches of which two show every record once."""

    epoch = 2


@pytest.mark.parametrize("score", ["taylor", "fisher"])
def test_a_weight_matters_as_much_as_the_formula_says(simple, score):
    network, batches, weight, gradients = simple
    found = importance(network, ["backbone.layer"], Twice(batches), score)
    factor = weight if score == "taylor" else 1.0
    expected = np.mean([np.mean((factor * gradient) ** 2) for gradient in gradients])
    assert found["backbone.layer"] == pytest.approx(expected, rel=1e-6)


def test_a_sketch_sees_the_gradient_that_up_would_have(simple):
    network, batches, weight, gradients = simple
    down = torch.randn(1, 2, 3, dtype=torch.float64)
    sketch = {"backbone.layer": down}
    found = importance(network, ["backbone.layer"], Twice(batches), "taylor", sketch)
    seen = [gradient @ down[0].numpy().T @ down[0].numpy() for gradient in gradients]
    expected = np.mean([np.mean((weight * each) ** 2) for each in seen])
    assert found["backbone.layer"] == pytest.approx(expected, rel=1e-6)


def test_a_sketch_of_three_weights_takes_each_with_its_own_factor(rng):
    gradient, down = rng.normal(size=(6, 4)), rng.normal(size=(3, 2, 4))
    found = sketched(torch.from_numpy(gradient), torch.from_numpy(down))
    blocks = [g @ d.T @ d for g, d in zip(np.split(gradient, 3), down, strict=True)]
    np.testing.assert_allclose(found.numpy(), np.concatenate(blocks))


def rank_by_hand(scores, rank, share):
    """Count for each score how many are below it and beside it."""
    values = np.array(scores)
    below = (values[:, None] > values).sum(1)
    beside = (values[:, None] == values).sum(1)
    place = below + (beside + 1) / 2
    least = len(values) - round(share * len(values))
    return [rank if each > least else max(1, rank // 4 * 2) for each in place]


@pytest.mark.parametrize("rank", [1, 2, 3, 4, 8, 15, 16, 32])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.4, 0.5, 13 / 34, 1.0])
def test_ranks_are_those_counted_by_hand(rng, rank, share):
    for scores in (rng.random(34), rng.integers(0, 4, size=34), np.zeros(34)):
        named = {str(i): float(score) for i, score in enumerate(scores)}
        assert list(allocate(named, rank, share).values()) == rank_by_hand(scores, rank, share)


def test_the_published_count_is_a_share():
    scores = {str(i): float(i) for i in range(34)}
    ranks = list(allocate(scores, 16, 13 / 34).values())  # of 35 * 0.6 = 21 weights at most half
    assert ranks == 21 * [8] + 13 * [16]


@pytest.mark.parametrize("kind", gated_lora.IMPORTANCE)
def test_ranks_follow_from_the_batches_and_leave_no_trace(model, labeled, kind):
    state = {name: value.clone() for name, value in model.state_dict().items()}
    config = gated_lora.Config(rank=8, share=0.3, importance=kind)
    found = []
    for _ in range(2):
        network = deepcopy(model)
        torch.manual_seed(7)
        gated_lora.attach(network, config, repeat(labeled))
        found.append(gated_lora.describe(network))
        assert all(torch.equal(network.state_dict()[name], state[name]) for name in state)
        assert all(parameter.grad is None for parameter in network.parameters())
    assert found[0] == found[1]
    ranks, scores = found[0]["ranks"], found[0]["importance"]
    assert list(ranks.values()) == rank_by_hand(list(scores.values()), 8, 0.3)


def test_it_tells_how_many_numbers_the_factors_hold(model, labeled):
    gated_lora.attach(model, gated_lora.Config(rank=4, share=0.5), repeat(labeled))
    told = gated_lora.describe(model)
    layers = {name: model.get_submodule(name).weight for name in told["ranks"]}
    sizes = {name: len(weight) + weight[0].numel() for name, weight in layers.items()}
    assert told["update_parameters"] == sum(told["ranks"][name] * sizes[name] for name in sizes)


def test_without_labeled_records_ranks_cannot_differ(model):
    with pytest.raises(ValueError, match="share 0.5 gives ranks by importance.*`share: 1`"):
        gated_lora.attach(model, gated_lora.Config(share=0.5), None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rank": 0},
        {"frozen": -1},
        {"p": 1.0},
        {"share": 1.1},
        {"gates": "never"},
        {"importance": "size"},
    ],
)
def test_impossible_settings_are_refused(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"gated_lora: .*{name} '?{value}"):
        gated_lora.Config(**wrong)
