"""FixMatch and its kin against NumPy, from the formulas of their papers in multi-label form."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from torch.nn.functional import binary_cross_entropy_with_logits

from ecgpipe import registry
from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.features import Given
from ecgpipe.heads import HeadConfig
from ecgpipe.methods._pseudo_labels import Opinions, read
from ecgpipe.model import Classifier

NAMES = ("adsh", "fixmatch", "flexmatch", "saw", "softmatch")
RECORDS = 40  # unlabeled ones
PREVALENCE = np.array([0.5, 0.25, 0.0])  # of the labels among labeled records


@pytest.fixture(params=NAMES)
def plugin(request):
    return registry.load("methods", request.param)


@pytest.fixture
def make(model):
    """Build a method on a copy of the small network."""

    def made(plugin, **told):
        return plugin.Method(deepcopy(model), plugin.Config(**told)).train()

    return made


def transparent():
    """A classifier whose logits are its signals: one lead, as many samples as labels."""
    network = Classifier(
        Given(3), ("A", "B", "C"), HeadConfig(dropout=0.0, norm=False, pool="mean")
    )
    with torch.no_grad():
        network.head.layers[-1].weight.copy_(torch.eye(3))
        network.head.layers[-1].bias.zero_()
    return network


def clear(name, **told):
    """A method that is given logits for signals."""
    plugin = registry.load("methods", name)
    return plugin.Method(transparent(), plugin.Config(**told))


def pairs(weak, strong, first=0, **changes):
    """Labeled and unlabeled records with given logits."""
    target = torch.tensor([[1.0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]])
    views = [torch.from_numpy(each).float()[:, None] for each in (weak, strong)]
    labeled = Labeled(torch.zeros(4, 1, 3), target)
    index = torch.arange(first, first + len(weak))
    return labeled, Unlabeled(views[0], [views[1]], index, RECORDS)


@pytest.fixture
def batches(rng):
    """Weak and strong logits of five batches of eight records, sides and confidence mixed."""
    return [(rng.normal(scale=3, size=(8, 3)), rng.normal(size=(8, 3))) for _ in range(5)]


def run(method, batches):
    """Feed all batches; return the terms of the last."""
    for i, (weak, strong) in enumerate(batches):
        terms = method(*pairs(weak, strong, first=8 * i))
    return {name: value.item() for name, value in terms.items()}


def entries(weak, strong):
    """The cross entropy of strong views and hard pseudo-labels, entry by entry."""
    pseudo_label = weak >= 0
    return np.where(pseudo_label, np.logaddexp(0, -strong), np.logaddexp(0, strong))


def confidence(weak):
    return np.maximum(expit(weak), 1 - expit(weak))


def by_side(values, weak):
    """Split into the entries of each side and label: lists of (side, label)."""
    return [[values[(weak[:, c] >= 0) == side, c] for c in range(3)] for side in (0, 1)]


def chosen(kept, weak):
    """Take what is kept by side for every entry."""
    return np.where(weak >= 0, np.asarray(kept)[1], np.asarray(kept)[0])


# --- formulas -----------------------------------------------------------------------------------


def test_the_fixmatch_loss_equals_its_formula(batches):
    weak, strong = batches[0]
    sure = (expit(weak) >= 0.95) | (expit(weak) <= 0.05)
    terms = run(clear("fixmatch", weight=2.0), batches[:1])
    assert terms["taught"] == pytest.approx((sure * entries(weak, strong)).mean(), rel=1e-5)
    assert terms["loss"] == pytest.approx(np.log(2) + 2 * terms["taught"], rel=1e-5)
    assert terms["pseudo_labeled"] == pytest.approx(sure.mean(), abs=1e-6)
    assert 0 < sure.mean() < 1


def test_sure_absence_teaches_as_sure_presence_does(batches):
    weak, strong = batches[0]
    one, other = (run(clear("fixmatch"), [(s * weak, s * strong)])["taught"] for s in (1, -1))
    assert one == pytest.approx(other, rel=1e-6)


def test_several_strong_views_are_averaged(batches):
    (weak, strong), (_, other) = batches[:2]
    labeled, unlabeled = pairs(weak, strong)
    second = torch.from_numpy(other).float()[:, None]
    both = clear("fixmatch")(labeled, replace(unlabeled, strong=[*unlabeled.strong, second]))
    apart = [run(clear("fixmatch"), [(weak, view)])["taught"] for view in (strong, other)]
    assert both["taught"].item() == pytest.approx(np.mean(apart), rel=1e-5)


def flexmatch_thresholds(weak):
    """The thresholds after the records of `weak` were seen once, from the formulas."""
    sure = confidence(weak) >= 0.95
    count = np.array([(side & sure).sum(axis=0) for side in (weak < 0, weak >= 0)])
    expected = RECORDS * np.array([1 - PREVALENCE, PREVALENCE])
    found = np.minimum(count / np.maximum(expected, 1), 1)
    status = found / max(found.max(), 1 - sure.sum() / (3 * RECORDS))
    return 0.5 + 0.45 * status / (2 - status)


@pytest.mark.parametrize("seen", [1, 4])
def test_the_thresholds_of_flexmatch_equal_their_formula(batches, seen):
    method = clear("flexmatch")
    run(method, batches[:seen])
    threshold = flexmatch_thresholds(np.concatenate([weak for weak, _ in batches[:seen]]))
    np.testing.assert_allclose(method.thresholds(RECORDS), threshold, rtol=1e-5)
    weak, strong = batches[4]
    expected = (confidence(weak) >= chosen(threshold, weak)) * entries(weak, strong)
    terms = method(*pairs(weak, strong, first=32))
    assert terms["taught"].item() == pytest.approx(expected.mean(), rel=1e-5)


def test_flexmatch_believes_every_opinion_at_first(batches):
    assert run(clear("flexmatch"), batches[:1])["pseudo_labeled"] == 1.0


def test_what_is_learnt_best_has_the_whole_threshold_whatever_its_prevalence():
    method = clear("flexmatch")
    weak = np.where(np.arange(RECORDS)[:, None] < PREVALENCE * RECORDS, 9.0, -9.0)
    method(*pairs(weak, weak))
    expected = np.full((2, 3), 0.95)
    expected[1, 2] = 0.5  # presence that no labeled record has, and nothing was sure of
    np.testing.assert_allclose(method.thresholds(RECORDS), expected, rtol=1e-6)


def test_one_sure_record_is_enough_of_a_label_that_no_labeled_record_has():
    method = clear("flexmatch")
    weak = np.full((RECORDS, 3), -9.0)
    weak[0, 2] = 9.0
    method(*pairs(weak, weak))
    assert method.thresholds(RECORDS)[1, 2].item() == pytest.approx(0.95)


def test_flexmatch_remembers_the_last_sure_side_of_each_record():
    method = clear("flexmatch")
    for weak in ([9.0, -9.0, 0.1], [0.1, 9.0, -9.0], [-0.1, 0.1, 0.1]):
        method(*pairs(np.array([weak]), np.zeros((1, 3)), first=5))
    assert method.last[5].tolist() == [1, 1, 0]
    assert (np.delete(method.last.numpy(), 5, axis=0) == -1).all()


def test_flexmatch_says_how_much_memory_it_needs(batches):
    with pytest.raises(ValueError, match="`memory` to 40"):
        run(clear("flexmatch", memory=39), batches)


def softmatch_weights(batches, decay):
    """The weights of the last batch, from weighted moments of everything before."""
    doubts, sides, ages = [], [], []
    for i in range(len(batches)):
        seen = [weak for weak, _ in batches[: i + 1]]
        fading = [decay ** (i - k) for k in range(i + 1)]
        marginal = np.average([expit(weak).mean(axis=0) for weak in seen], axis=0, weights=fading)
        aligned = expit(seen[-1] + logit(np.clip(PREVALENCE, 1e-3, 1)) - logit(marginal))
        doubts.append(np.where(seen[-1] >= 0, 1 - aligned, aligned))
        sides.append(seen[-1] >= 0)
        ages.append(np.full(8, len(batches) - 1 - i))
    doubt, present, fade = np.concatenate(doubts), np.concatenate(sides), decay ** np.hstack(ages)
    weights = np.empty((8, 3))
    for r, c in np.ndindex(8, 3):
        mine = present[:, c] == sides[-1][r, c]
        mean = np.average(doubt[mine, c], weights=fade[mine])
        variance = np.average((doubt[mine, c] - mean) ** 2, weights=fade[mine])
        excess = max(doubts[-1][r, c] - mean, 0)
        weights[r, c] = np.exp(-(excess**2) / (2 * max(variance, 1e-6) / 4))
    return weights


@pytest.mark.parametrize("decay", [0.999, 0.5])
def test_the_softmatch_loss_equals_its_formula(batches, decay):
    weights = softmatch_weights(batches, decay)
    terms = run(clear("softmatch", decay=decay), batches)
    assert terms["taught"] == pytest.approx((weights * entries(*batches[-1])).mean(), rel=1e-4)
    assert terms["pseudo_labeled"] == pytest.approx(weights.mean(), rel=1e-4)
    assert 0.2 < weights.mean() < 0.9


def test_alignment_lowers_the_weight_of_a_side_that_is_given_too_often():
    weak = np.array([[3.0, 2.0, -2.0], [2.0, -2.0, 2.0], [1.0, 2.0, -2.0], [-2.0, 0.5, -2.0]])
    method = clear("softmatch")
    method(*pairs(weak, weak))  # A is given to three of four, labeled records have it in one of two
    opinion = torch.tensor([[1.0, 0, 0], [-1.0, 0, 0]])
    doubt = method.doubt(Opinions(opinion))[:, 0]
    assert doubt[0] > expit(-1.0) > doubt[1]


def adsh_thresholds(batches, decay):
    """The confidence down to which as large a share is taken as the most common label gives."""
    fade = np.repeat(decay ** np.arange(len(batches) - 1, -1, -1.0), 8)
    weak = np.concatenate([weak for weak, _ in batches])
    thresholds = np.empty((2, 3))
    for side in (0, 1):
        mine = [(weak[:, c] >= 0) == side for c in range(3)]
        most = int(np.argmax([fade[m].sum() for m in mine]))
        sure = mine[most] & (confidence(weak[:, most]) >= 0.95)
        share = fade[sure].sum() / fade[mine[most]].sum()
        for c, m in enumerate(mine):
            order = np.argsort(-confidence(weak[m, c]))
            taken = np.cumsum(fade[m][order]) / fade[m].sum()
            last = np.searchsorted(taken, share - 1e-9)  # the first that makes up the share
            thresholds[side, c] = confidence(weak[m, c])[order][last]
    return thresholds


@pytest.mark.parametrize("decay", [0.99, 0.5])
def test_the_thresholds_of_adsh_select_the_share_of_the_most_common_label(batches, decay):
    method = clear("adsh", decay=decay)
    run(method, batches)
    equal_shares = registry.load("methods", "adsh").equal_shares
    found = equal_shares(method.histogram, 0.95)
    expected = adsh_thresholds(batches, decay)
    np.testing.assert_allclose(found, np.floor(expected * 1000) / 1000, atol=1e-5)


def test_adsh_selects_no_share_where_the_most_common_label_has_none():
    rng = np.random.default_rng(3)
    weak = rng.uniform(-2, 2, size=(8, 3))  # a confidence of 0.88 at most
    assert run(clear("adsh"), [(weak, weak)])["taught"] == 0.0


def test_the_weights_of_saw_are_inverse_effective_numbers(batches):
    shares = np.zeros((2, 3))
    total = 0.0
    for weak, _ in batches:
        sure = by_side(confidence(weak) >= 0.95, weak)
        shares = 0.99 * shares + [[entry.sum() for entry in side] for side in sure]
        total = 0.99 * total + 8
    number = np.maximum(RECORDS * shares / total, 1)
    inverse = (1 - 0.999) / (1 - 0.999**number)
    weak, strong = batches[-1]
    weight = (confidence(weak) >= 0.95) * chosen(inverse / inverse.mean(axis=0), weak)
    terms = run(clear("saw"), batches)
    assert terms["taught"] == pytest.approx((weight * entries(weak, strong)).mean(), rel=1e-4)


# --- what all of them keep ----------------------------------------------------------------------


def test_a_missing_view_is_answered_with_the_recipe_that_makes_it(plugin, make, labeled, unlabeled):
    with pytest.raises(ValueError, match="views: weak"):
        make(plugin)(labeled, None)
    with pytest.raises(ValueError, match="views: strong"):
        make(plugin)(labeled, replace(unlabeled, strong=[]))


def test_no_gradient_flows_through_the_weak_view(plugin, make, labeled, unlabeled):
    weak, strong = (v.clone().requires_grad_() for v in (unlabeled.weak, unlabeled.strong[0]))
    with torch.no_grad():
        weak *= 20  # some are sure, at least of something
    given = replace(unlabeled, weak=weak.requires_grad_(), strong=[strong])
    make(plugin)(labeled, given)["loss"].backward()
    assert weak.grad is None and strong.grad.abs().sum() > 0


def test_a_weight_of_0_is_supervised_learning(plugin, model, labeled, unlabeled):
    hold_norms(model)
    alone = deepcopy(model)
    supervised = registry.load("methods", "supervised")
    supervised.Method(alone, supervised.Config()).train()(labeled, None)["loss"].backward()
    plugin.Method(model, plugin.Config(weight=0.0)).train()(labeled, unlabeled)["loss"].backward()
    gradients = [[p.grad for p in each.parameters() if p.requires_grad] for each in (alone, model)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def hold_norms(model):
    """Let no batch norm learn, so that each keeps the statistics it has."""
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.requires_grad_(False)


def test_a_single_record_and_opinions_nobody_is_sure_of_give_a_number(plugin):
    method = plugin.Method(transparent(), plugin.Config())
    weak = np.array([[0.1, -0.1, 0.0]])
    for _ in range(2):
        terms = method(*pairs(weak, weak))
        terms["loss"].backward()
        assert all(torch.isfinite(value) for value in terms.values())


def test_single_records_pass_the_norms(plugin, make, labeled, unlabeled):
    one = Labeled(labeled.signal[:1], labeled.target[:1])
    few = replace(
        unlabeled,
        weak=unlabeled.weak[:1],
        strong=[unlabeled.strong[0][:1]],
        index=unlabeled.index[:1],
    )
    assert torch.isfinite(make(plugin)(one, few)["loss"])


def test_labeled_records_are_normalised_in_tests_as_they_were_in_training(make, labeled, unlabeled):
    method = make(registry.load("methods", "fixmatch"))
    faint = replace(unlabeled, strong=[0.2 * unlabeled.strong[0]])
    with torch.no_grad():
        for _ in range(60):  # weights stay; the statistics follow
            supervised = method(labeled, faint)["supervised"]
        logits = method.model.eval()(labeled.signal)
    tested = binary_cross_entropy_with_logits(logits, labeled.target)
    assert float(tested) == pytest.approx(float(supervised), rel=0.03)


def test_weak_views_leave_no_trace_in_the_statistics(plugin, make, labeled, unlabeled):
    one, other = make(plugin), make(plugin)
    one(labeled, unlabeled)
    other(labeled, replace(unlabeled, weak=5 * unlabeled.weak))
    norms = dict(other.model.named_buffers())
    assert all(torch.equal(value, norms[name]) for name, value in one.model.named_buffers())
    assert one.model.training


def test_weak_views_are_read_without_dropout(model, unlabeled):
    model.head.layers[1].p = 0.5
    model.train()
    assert torch.equal(*(read(model, unlabeled.weak).logit for _ in range(2)))


def test_every_weight_learns_under_autocast(plugin, make, labeled, unlabeled):
    method = make(plugin)
    with torch.autocast("cpu", torch.bfloat16):
        terms = method(labeled, unlabeled)
    terms["loss"].backward()
    assert terms["loss"].dtype == terms["taught"].dtype == torch.float32
    assert all(p.grad is not None for p in method.model.parameters())


def test_what_is_kept_of_earlier_batches_is_in_the_state(plugin, batches):
    whole, resumed = (plugin.Method(transparent(), plugin.Config()) for _ in range(2))
    run(whole, batches[:2])
    resumed.load_state_dict(deepcopy(whole.state_dict()))
    ends = [run(method, batches[2:]) for method in (whole, resumed)]
    assert ends[0] == ends[1]
    states = [method.state_dict() for method in (whole, resumed)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("fixmatch", {"threshold": 0.4}),
        ("flexmatch", {"memory": 0}),
        ("softmatch", {"width": 0.0}),
        ("adsh", {"threshold": 1.0}),
        ("saw", {"base": 1.0}),
        *((name, {"weight": -1.0}) for name in NAMES),
    ],
)
def test_a_setting_out_of_range_is_named(name, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        registry.load("methods", name).Config(**wrong)
