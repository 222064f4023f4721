"""Networks side by side: what they say is the mean of their logits, and they can go on learning."""

import json

import pandas as pd
import pytest
import torch

from ecgpipe import convergence, ensembles, lineages, model, render, settings
from ecgpipe.batches import Montage
from ecgpipe.lineages import Origin
from tests.conftest import FIT, LABELS

SUPERVISED = {"datasets": None, "tasks": ["t"], "objective": {"name": "supervised"}}
OTHER = {
    "backbone": {"name": "va_net", "width": 8, "dim": 8, "hidden": 16},
    "head": {"pool": "mean", "norm": False, "dropout": 0.0},
}
MONTAGE = Montage(50, ("I", "II", "V1"))


@pytest.fixture
def members(stages):
    """Two networks of one kind from other first weights, one of another."""
    told = SUPERVISED | {"fit": FIT}
    one, two = (stages.pretrain(f"m{seed}.safetensors", seed=seed, **told) for seed in (0, 1))
    return [one, two, stages.pretrain("other.safetensors", **told | OTHER)]


@pytest.fixture
def signal():
    return torch.randn(4, 3, 100, generator=torch.Generator().manual_seed(3))


def test_an_ensemble_says_the_mean_of_its_members(stages, members, signal):
    network, metadata = model.load(stages.assemble("ensemble.safetensors", members))
    alone = [model.load(path)[0].eval()(signal) for path in members]
    torch.testing.assert_close(network.eval()(signal), torch.stack(alone).mean(dim=0))
    assert network.labels == LABELS and len(metadata["backbone"]["members"]) == 3
    assert not torch.allclose(alone[0], alone[1])


def test_what_an_ensemble_has_seen_is_what_its_members_saw(stages, members):
    metadata = model.load(stages.assemble("ensemble.safetensors", members))[1]
    objectives = [seen["objective"] for seen in metadata["seen"]]
    assert objectives == ["supervised", "supervised", "supervised", "none"]
    assert metadata["datasets"] == {"made": "s"} and metadata["revision"] == {"pretrain": 1}


def test_assembling_takes_no_steps(stages, members):
    out = stages.assemble("ensemble.safetensors", members)
    cost = json.loads(out.with_name("cost.json").read_text())
    alone = [sum(p.numel() for p in model.load(path)[0].parameters()) for path in members]
    assert cost["steps"] == 0 and cost["parameters"] == sum(alone) + 3 * 9 + 3


def test_every_member_of_an_ensemble_can_go_on_learning(stages, members):
    out = stages.assemble("ensemble.safetensors", members)
    before = model.load(out)[0].state_dict()
    after = model.load(stages.finetune("full/checkpoint.safetensors", out))[0].state_dict()
    changed = {name.split(".")[2] for name in before if not torch.equal(before[name], after[name])}
    assert changed >= {"0", "1", "2"}


def test_its_head_alone_learns_whom_to_believe(stages, members):
    out = stages.assemble("ensemble.safetensors", members)
    probe = {"adapter": {"name": "probe"}}
    before = model.load(out)[0].state_dict()
    after = model.load(stages.finetune("probe/checkpoint.safetensors", out, **probe))[
        0
    ].state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"head.layers.1.weight", "head.layers.1.bias"}


def test_an_ensemble_can_be_a_member(stages, members, signal):
    inner = stages.assemble("inner.safetensors", members[:2])
    outer = model.load(stages.assemble("outer.safetensors", [inner, members[2]]))[0].eval()
    alone = [model.load(path)[0].eval()(signal) for path in members]
    torch.testing.assert_close(outer(signal), (alone[0] + alone[1]) / 4 + alone[2] / 2)


def test_a_member_without_labels_is_refused(stages, members):
    odd = stages.pretrain("random.safetensors")
    with pytest.raises(ValueError, match=r"random\.safetensors says no label; members"):
        stages.assemble("ensemble.safetensors", [members[0], odd])


@pytest.mark.parametrize(
    "montage", [Montage(100, MONTAGE.leads), Montage(50, ("II", "I", "V1"))], ids=["rate", "leads"]
)
def test_a_member_trained_on_other_signals_is_refused(members, montage):
    with pytest.raises(ValueError, match="was trained on I, II, V1 at 50 Hz"):
        ensembles.assemble(members, LABELS, montage)


def test_members_that_contradict_each_other_are_refused():
    same = [{"made": "s"}, {"made": "s", "other": "t"}]
    assert ensembles.merge("datasets", same) == {"made": "s", "other": "t"}
    with pytest.raises(ValueError, match="datasets of made differ among the members"):
        ensembles.merge("datasets", [{"made": "s"}, {"made": "new"}])


def test_parts_of_members_are_listed_by_how_many_follow(stages, members):
    network, _ = model.load(stages.assemble("ensemble.safetensors", [members[0], members[2]]))
    layers = network.backbone.layers()
    alone = [[*one.backbone.layers(), one.head] for one in network.backbone.members]
    assert len(layers) == max(map(len, alone)) == 6
    assert list(layers[-1]) == [own[-1] for own in alone] and list(layers[0]) == [alone[0][0]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"backbone": {"name": "va_net"}}, "states one of `backbone`"),
        ({"start": "one"}, "states one of `backbone`"),
        ({"members": ()}, "states one of `backbone`"),
        ({"members": (), "start": "one", "copies": 2}, "copies 2: expected how many"),
        ({"copies": 0}, "copies 0"),
        ({"head": {"pool": "mean"}}, "the head is their mean"),
        ({"tasks": (), "datasets": ("made",)}, "the head is their mean"),
    ],
)
def test_settings_that_make_no_ensemble_are_refused(change, told):
    plain = {"preparation": "p", "objective": {"name": "none"}, "tasks": ("t",)}
    plain |= {"members": ("one", "two"), "fit": {"steps": 0, "validate_every": 1}}
    assert settings.build(settings.Pretraining, plain, "an ensemble").copies == 1
    with pytest.raises(ValueError, match=told):
        settings.build(settings.Pretraining, plain | change, "an ensemble")


ORIGINS = {
    "one": Origin(),
    "two": Origin(("one",)),
    "shared": Origin(shared=True),
    "both": Origin(("one", "two"), copies=2),
    "alike": Origin(("shared",), copies=2),
    "mixed": Origin(("shared", "one")),
}
of = ORIGINS.__getitem__


def test_copies_of_members_have_seeds_of_their_own():
    assert lineages.parents("both", 0, of) == [("one", 0), ("one", 1), ("two", 0), ("two", 1)]
    assert lineages.parents("both", 1, of) == [("one", 2), ("one", 3), ("two", 2), ("two", 3)]
    assert lineages.parents("mixed", 3, of) == [("shared", 0), ("one", 3)]


def test_a_lineage_goes_back_to_where_nothing_is_behind():
    assert lineages.lineage("two", 4, of) == [("two", 4), ("one", 4)]
    assert lineages.lineage("shared", 4, of) == [("shared", 0)]
    found = lineages.lineage("both", 0, of)
    assert found == [("both", 0), ("one", 0), ("one", 1), ("two", 0), ("two", 1)]


def test_copies_that_would_be_alike_are_refused():
    with pytest.raises(ValueError, match="members of shared would be alike"):
        lineages.parents("alike", 0, of)


def test_an_origin_is_read_from_settings():
    assert lineages.origin({"start": "one", "seeds": 1}) == Origin(("one",), shared=True)
    assert lineages.origin({"members": ["one", "two"], "copies": 2}) == ORIGINS["both"]
    assert lineages.origin({"backbone": {}}) == Origin()


def costs():
    lines = [("one", 100, ""), ("two", 10, "one"), ("both", 0, "one one two two"), ("none", 0, "")]
    told = {"stage": "pretrain", "split": "standard", "seconds_per_step": 2.0, "flops_per_step": 1}
    return pd.DataFrame(
        [told | {"pretraining": n, "steps": s, "start": before} for n, s, before in lines]
    )


def test_an_ensemble_costs_every_copy_of_its_members():
    assert convergence.chains(costs())["both"] == ["both", "one", "one", "two", "two"]
    found = convergence.pretraining_costs(costs())
    assert found.loc[("both", "standard"), "seconds"] == 2.0 * (2 * 100 + 2 * 10)


def test_an_ensemble_of_trained_networks_is_not_untrained():
    assert render.untrained(costs()) == {"none"}
