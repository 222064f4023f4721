"""Meta-learning: the gradients of its algorithms, what leaks, what it is worth, the stage."""

import json
from copy import deepcopy
from dataclasses import replace

import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from tests.patients import build_small, lay_out_windows, make_cohort, make_episodes

WHOLE = {"steps": 3, "rate": 0.05, "batch": 4}  # of the inner loop: all of the support each time
ALGORITHMS = ("fomaml", "maml", "anil", "reptile")


def build(algorithm="fomaml", inner=WHOLE, **told):
    from ecgpipe.inner_loop import InnerLoop
    from ecgpipe.objectives.meta import Config, Objective

    config = Config(algorithm=algorithm, inner=InnerLoop(**inner), **told)
    return Objective(build_small(), config)


def gradient(objective, batch):
    """The gradient of a batch's loss, by parameter."""
    objective.zero_grad()
    objective(batch)["loss"].backward()
    return {name: p.grad.clone() for name, p in objective.model.named_parameters()}


def loss_of(model, windows, task):
    return binary_cross_entropy_with_logits(model(windows.signal[task]), windows.target[task])


def adapt_alone(model, batch, task, learning):
    """Adapt a copy of the model to one task by the framework's own optimiser."""
    own = deepcopy(model)
    optimizer = torch.optim.SGD(learning(own).parameters(), lr=WHOLE["rate"])
    for _ in range(WHOLE["steps"]):
        own.zero_grad()
        loss_of(own, batch.support, task).backward()
        optimizer.step()
    own.zero_grad()
    return own


def of_all(model):
    return model


def test_the_first_order_gradient_is_that_at_the_adapted_weights():
    objective, batch = build("fomaml"), make_episodes()
    found = gradient(objective, batch)
    for task in range(3):
        own = adapt_alone(objective.model, batch, task, of_all)
        (loss_of(own, batch.query, task) / 3).backward()
        for name, parameter in own.named_parameters():
            found[name] -= parameter.grad
    assert max(float(rest.abs().max()) for rest in found.values()) < 1e-10


def test_the_gradient_of_reptile_is_the_way_to_the_adapted_weights():
    objective, batch = build("reptile"), make_episodes()
    found = gradient(objective, batch)
    adapted = [adapt_alone(objective.model, batch, task, of_all) for task in range(3)]
    for name, parameter in objective.model.named_parameters():
        mean = sum(own.get_parameter(name).detach() for own in adapted) / 3
        torch.testing.assert_close(found[name], parameter.detach() - mean)


@pytest.mark.parametrize("algorithm", ["maml", "anil"])
def test_the_gradient_through_the_adaptation_equals_finite_differences(algorithm):
    objective, batch = build(algorithm), make_episodes()
    found = gradient(objective, batch)
    generator = torch.Generator().manual_seed(2)
    way = {n: torch.randn(g.shape, generator=generator).double() for n, g in found.items()}
    losses = []
    for length in (1e-8, -1e-8):  # rectifiers bend: hardly any may turn in between
        moved = deepcopy(objective)
        with torch.no_grad():
            for name, parameter in moved.model.named_parameters():
                parameter += length * way[name]
        losses.append(float(moved(batch)["loss"].detach()))
    slope = sum(float((found[name] * way[name]).sum()) for name in found)
    assert (losses[0] - losses[1]) / 2e-8 == pytest.approx(slope, rel=1e-4)
    first_order = gradient(build("fomaml"), batch)
    assert not torch.allclose(first_order["head.layers.1.weight"], found["head.layers.1.weight"])


def test_with_anil_the_head_adapts_and_nothing_else():
    objective, batch = build("anil"), make_episodes()
    after = objective(batch)["query_after"]
    alone = [adapt_alone(objective.model, batch, task, lambda own: own.head) for task in range(3)]
    losses = [loss_of(own, batch.query, task) for task, own in enumerate(alone)]
    torch.testing.assert_close(after, sum(losses) / 3)


@pytest.mark.parametrize("algorithm", ["fomaml", "maml", "anil"])
def test_tasks_do_not_leak_into_each_other(algorithm):
    from ecgpipe.episodes import Windows

    objective, batch = build(algorithm).train(), make_episodes()
    silence(objective)
    together, alone = gradient(objective, batch), []
    for task in range(3):
        support, query = (
            Windows(w.signal[[task]], w.target[[task]], w.weight[[task]])
            for w in (batch.support, batch.query)
        )
        alone.append(gradient(objective, replace(batch, support=support, query=query)))
    for name, value in together.items():
        torch.testing.assert_close(value, sum(one[name] for one in alone) / 3)


def silence(module):
    """Switch dropout off in training mode."""
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_norm_remembers_a_patient(algorithm):
    from ecgpipe.heads import HeadConfig
    from ecgpipe.model import Classifier, build_backbone
    from ecgpipe.objectives.meta import Config, Objective

    backbone = build_backbone({"name": "xresnet1d", "depth": 18, "width": 8}, 1, "tests")
    network = Classifier(backbone, ("VA",), HeadConfig(dropout=0.0)).double()
    objective = Objective(network, Config(algorithm=algorithm)).train()
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    objective(make_episodes())["loss"].backward()
    assert all(torch.equal(before[name], buffer) for name, buffer in network.named_buffers())


def personal_sign(tasks, seed):
    """Patients whose label is smooth in some and rough in others: a support must tell which."""
    batch = make_episodes(tasks, shots=5, query=10, seed=seed)
    swapped = torch.arange(tasks) % 2 == 1
    for windows in (batch.support, batch.query):
        windows.signal[swapped] = windows.signal[swapped].flip(1)
    return batch


@pytest.mark.parametrize("algorithm", ["fomaml", "anil"])
def test_training_makes_weights_from_which_a_support_is_enough(algorithm):
    objective = build(algorithm, {"steps": 5, "rate": 0.5, "batch": 5})
    optimizer = torch.optim.Adam(objective.parameters(), lr=0.01)
    for step in range(60):
        optimizer.zero_grad()
        objective(personal_sign(8, step))["loss"].backward()
        optimizer.step()
    terms = objective(personal_sign(16, 1000))
    assert terms["query_before"] > 0.69 > 0.55 > terms["query_after"]


def area(objective, batch, order):
    """The mean area under the ROC curve of adapted patients whose query labels are reordered."""
    from ecgpipe import inner_loop, per_task

    weights = per_task.stack(objective.model, len(batch.query.weight))
    steps = inner_loop.batches(batch.support, 2, objective.config.inner, batch.generator)
    adapted = inner_loop.adapt(objective.model, weights, steps, objective.config.inner.rate)
    logit = per_task.forward(objective.model, adapted, batch.query.signal).detach()[..., 0]
    target = batch.query.target[..., 0][:, order]
    return sum(map(roc_auc_score, target, logit)) / len(logit)


def test_shuffled_query_labels_give_an_area_of_one_half():
    objective = build("fomaml", {"steps": 30, "rate": 0.5, "batch": 10})
    batch = make_episodes(tasks=20, shots=10, query=40)
    shuffled = torch.randperm(80, generator=torch.Generator().manual_seed(0))
    assert area(objective, batch, torch.arange(80)) > 0.9
    assert area(objective, batch, shuffled) == pytest.approx(0.5, abs=0.05)


LEARNED = {f"p{i}": "oooooVVVVVooo" if i % 2 else "oooooooooooo" for i in range(8)}
JUDGED = {"q0": "ooooVVVVoooo", "q1": "oooooooooooo", "q2": "VVVVoooo"}


def batches_of(objective, learned=LEARNED, judged=JUDGED, steps=10):
    from ecgpipe.fit_settings import Fit

    objective.float()
    fit = Fit(steps=steps, validate_every=5, crop=2.0, mixed=False)
    return objective.batches(make_cohort(learned), make_cohort(judged), fit, seed=0)


def test_held_out_patients_of_one_class_are_counted_and_not_judged(caplog):
    caplog.set_level("INFO")
    objective = build(tasks=4)
    validate = batches_of(objective)["validate"]
    assert "2 held-out patients judge, 1 have windows of one class" in caplog.text
    alone = batches_of(objective, judged={"q0": JUDGED["q0"], "q2": JUDGED["q2"]})["validate"]
    assert -10 < validate(objective.model) < 0 and alone(objective.model) < 0


def test_validation_is_the_same_each_time_and_leaves_the_mode():
    objective = build(tasks=4).train()
    validate = batches_of(objective)["validate"]
    assert validate(objective.model) == validate(objective.model)
    assert objective.model.training


@pytest.mark.parametrize("order", ["none", "easy_first", "hard_first", "random", "published"])
def test_every_step_has_an_arrhythmia_and_says_who_was_seen(order):
    from ecgpipe.curriculum import Curriculum

    objective = build(tasks=4, curriculum=Curriculum(order=order), draws=1)
    make = batches_of(objective)["make_batch"]
    for step in range(10):
        (batch,) = make(step, torch.Generator().manual_seed(step))
        assert (batch.query.target * batch.query.weight[..., None]).sum() > 0
    assert objective.used.sum() == 40 and 0.4 < batch.told["seen"] <= 1
    learnt_from = objective.difficulty.unique()
    assert (len(learnt_from) > 1) == (order not in ("none", "random"))


def test_a_nan_is_traced_to_the_records_of_the_step():
    own = batches_of(build(tasks=4))
    own["make_batch"](0, torch.Generator().manual_seed(0))
    names = own["name_records"](0)
    assert len(names) == 4 and all(name.startswith("r-p") for name in names)


@pytest.mark.parametrize(
    ("told", "learned", "judged", "said"),
    [
        ({"tasks": 9}, LEARNED, JUDGED, "8 patients have two windows"),
        ({"tasks": 2}, {"a": "ooo", "b": "ooo"}, JUDGED, "0 two with a label"),
        ({"tasks": 4}, LEARNED, {"q": "oooo"}, "none of the held-out patients"),
    ],
)
def test_too_few_patients_are_refused(told, learned, judged, said):
    with pytest.raises(ValueError, match=said):
        batches_of(build(**told), learned, judged)


def test_meta_learning_without_labels_is_refused():
    from ecgpipe.model import Classifier
    from ecgpipe.objectives.meta import Config, Objective

    with pytest.raises(ValueError, match="needs labels"):
        Objective(Classifier(build_small().backbone), Config())


@pytest.fixture
def work():
    """Make the same fit again and again."""
    from ecgpipe import fit
    from ecgpipe.curriculum import Curriculum

    def make(stop_at=None):
        curriculum = Curriculum(order="easy_first", refresh=0.3)
        objective = build(tasks=4, draws=1, curriculum=curriculum)
        own = batches_of(objective, steps=6)
        judge, seen = own["validate"], []

        def validate(network):
            seen.append(judge(network))
            if len(seen) == stop_at:
                raise KeyboardInterrupt
            return seen[-1]

        example = torch.zeros(1, 1, 100)
        return fit.Work(
            objective, objective.model, example=example, identity="", **own | {"validate": validate}
        )

    return make


def test_a_resumed_fit_equals_an_uninterrupted_one_bit_for_bit(work, tmp_path, monkeypatch):
    from ecgpipe import fit
    from ecgpipe.fit_settings import Fit

    monkeypatch.setattr(fit, "SAVE_SECONDS", 0.0)
    settings = Fit(steps=6, validate_every=2, keep="last", mixed=False, rate=0.001)
    whole, resumed = work(), work()
    fit.fit(whole, settings, seed=0, state=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit.fit(work(stop_at=2), settings, seed=0, state=tmp_path / "cut")
    history, _ = fit.fit(resumed, settings, seed=0, state=tmp_path / "cut")
    assert [row["step"] for row in history] == [2, 4, 6]
    kept, again = whole.loss.state_dict(), resumed.loss.state_dict()
    assert {"difficulty", "used"} < kept.keys()
    assert all(torch.equal(kept[name], value) for name, value in again.items())


def test_a_pretraining_meta_learns_and_another_goes_on_from_it(tmp_path):
    from ecgpipe import registry
    from tests.patients import SMALL

    shard, split = lay_out_windows(tmp_path)
    task = {"datasets": ["made"], "vocabulary": "ventricular", "labels": "va"}
    meta = {"name": "meta", "tasks": 4, "held_out": 0.4, "draws": 1}
    fit = {"steps": 4, "validate_every": 2, "crop": 2.0, "rate": 0.001, "mixed": False}
    head = {"pool": "mean", "norm": False, "dropout": 0.0}
    told = {"preparation": "made", "tasks": ["t"], "objective": meta, "fit": fit, "head": head}
    given = {"shards": [shard], "splits": [split], "threads": 1, "processes": 1, "seed": 0}

    def pretrain(name, *before, **changes):
        settings = {"pretraining": told | changes, "revision": {"pretrain": 1}}
        settings["tasks"] = {"t": task | {"keep_unlabeled": True}}
        (tmp_path / name).mkdir()
        out = tmp_path / name / "checkpoint.safetensors"
        registry.load("stages", "pretrain").run(
            settings=json.dumps(settings), start=list(before), out=out, **given
        )
        return out

    first = pretrain("first", backbone={"name": "va_net", **SMALL})
    easy = meta | {"curriculum": {"order": "easy_first"}}
    second = pretrain("second", first, start="first", objective=easy)
    history = pd.read_csv(second.with_name("history.csv"))
    shown = {"query_before", "query_after", "seen", "admitted", "difficulty", "valid_loss_negated"}
    assert shown < set(history)
