"""Several pretexts in turn, and how those of transforms and location are fitted."""

from itertools import permutations

import pandas as pd
import pytest
import torch

from ecgpipe import fit, outcomes
from ecgpipe.fit_settings import Fit
from ecgpipe.model import Classifier
from ecgpipe.objectives import joint, location, transforms
from tests.pretexts import LEADS, SMALL, TURNS, objective, pretext, signals


def test_pretexts_take_turns_and_only_one_learns_in_a_step():
    told = objective(joint, pretexts=TURNS)
    assert [told.before_step(step) for step in range(4)] == ["transforms", "location"] * 2
    for step, (mine, other) in enumerate(permutations(("transforms", "location"))):
        told.before_step(step)
        told.zero_grad()
        terms = told(pretext(signals()))
        terms["loss"].backward()
        heads = told.pretexts["transforms"].classifier.projector, told.pretexts["location"].of_pair
        learns = [next(head.parameters()).grad is not None for head in heads]
        assert learns == [mine == "transforms", mine == "location"]
        assert not any(name.startswith(other) for name in terms)


def test_every_pretext_judges():
    pretexts = TURNS[0] | {"weight": 3.0}, TURNS[1]
    told = objective(joint, pretexts=pretexts).eval()
    terms = told(pretext(signals()))
    batch = pretext(signals())
    losses = [each(batch)["loss"] for each in told.pretexts.values()]
    torch.testing.assert_close(terms["loss"], (3 * losses[0] + losses[1]) / 2)
    assert {"transforms_accuracy", "location_swap"} < terms.keys()


def test_pretexts_may_learn_together():
    told = objective(joint, pretexts=TURNS, together=True)
    assert {told.before_step(step) for step in range(3)} == {"together"}
    terms = told(pretext(signals()))
    mean = (terms["transforms_loss"] + terms["location_loss"]) / 2
    torch.testing.assert_close(terms["loss"], mean)


def test_pretexts_share_one_backbone():
    told = objective(joint, pretexts=TURNS)
    backbones = {id(each.backbone) for each in told.modules() if hasattr(each, "backbone")}
    assert len(backbones) == 1


def test_an_average_that_a_pretext_keeps_follows():
    told = objective(joint, pretexts=({"name": "byol", "crop": 0.5, "decay": 0.0}, TURNS[0]))
    byol = told.pretexts["byol"]
    with torch.no_grad():
        [p.add_(1) for p in byol.embedder.parameters()]
    told.after_step(0, 4)
    pairs = zip(byol.target.parameters(), byol.embedder.parameters(), strict=True)
    assert all(torch.allclose(*pair) for pair in pairs)


@pytest.mark.parametrize("name", ["none", "supervised", "joint", "chain"])
def test_what_is_no_pretext_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} cannot be one of several"):
        joint.Config(pretexts=({"name": name}, *TURNS))


def test_pretexts_that_draw_batches_of_their_own_are_refused():
    with pytest.raises(ValueError, match="meta draws batches of its own"):
        objective(joint, pretexts=(*TURNS, {"name": "meta"}))


@pytest.mark.parametrize("pretexts", [(), TURNS[:1], TURNS[:1] * 2])
def test_fewer_than_two_pretexts_are_refused(pretexts):
    with pytest.raises(ValueError, match="expected two or more, each once"):
        joint.Config(pretexts=pretexts)


@pytest.mark.parametrize("weight", [0, "1e-3"])
def test_a_weight_that_counts_nothing_is_refused(weight):
    with pytest.raises(ValueError, match=f"weight {weight!r}; expected a number above 0"):
        joint.Config(pretexts=(TURNS[0] | {"weight": weight}, TURNS[1]))


def test_a_setting_that_a_pretext_does_not_know_is_named():
    with pytest.raises(ValueError, match="joint: transforms: unknown key temperature"):
        objective(joint, pretexts=(TURNS[0] | {"temperature": 1.0}, TURNS[1]))


def test_a_pretext_says_itself_which_backbone_it_needs():
    with pytest.raises(ValueError, match="choose one of patches: vit1d"):
        objective(joint, pretexts=(*TURNS, {"name": "masked"}))


# --- fitting -------------------------------------------------------------------------------------


class Interrupted(Exception):
    """Stands in for a kill."""


ALL = {"transforms": TURNS[0], "location": TURNS[1], "joint": {"pretexts": TURNS}}
PLUGINS = {"transforms": transforms, "location": location, "joint": joint}
SETTINGS = Fit(steps=8, validate_every=4, batch=16, rate=0.01, mixed=False)


def learn(name, state, scores=(1.0, 2.0), **config):
    """Fit for two validations, which give these scores, and are interrupted where they run out."""
    told = {key: value for key, value in ALL[name].items() if key != "name"} | config
    loss, left = objective(PLUGINS[name], **told), list(scores)

    def validate(network):
        if not left:
            raise Interrupted
        return left.pop(0)

    backbone = next(each.backbone for each in loss.modules() if hasattr(each, "backbone"))
    work = fit.Work(
        loss=loss,
        model=Classifier(backbone),
        make_batch=lambda step, generator: (pretext(signals(), step),),
        name_records=lambda step: [],
        validate=validate,
        measure="valid_loss_negated",
        example=torch.zeros(1, len(LEADS), 100),
        samples=16,
        identity="one",
    )
    return loss.state_dict(), *fit.fit(work, SETTINGS, seed=0, state=state)


@pytest.mark.parametrize("name", ALL)
def test_a_resumed_pretraining_equals_an_uninterrupted_one(name, tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "SAVE_SECONDS", 0.0)
    whole, history, _ = learn(name, tmp_path / "whole")
    with pytest.raises(Interrupted):
        learn(name, tmp_path / "cut", scores=(1.0,))
    resumed, again, _ = learn(name, tmp_path / "cut", scores=(2.0,))
    assert [key for key, value in whole.items() if not torch.equal(value, resumed[key])] == []
    assert [row["flops"] for row in history] == [row["flops"] for row in again]


def test_turns_cost_what_as_many_steps_of_each_pretext_cost(tmp_path):
    each = {name: learn(name, tmp_path / name)[2]["flops_per_step"] for name in ALL}
    assert each["joint"] == (each["transforms"] + each["location"]) / 2
    *_, cost = learn("joint", tmp_path / "together", together=True)
    assert cost["flops_per_step"] == each["transforms"] + each["location"]


def test_what_a_pretext_tells_is_the_mean_over_its_own_steps(tmp_path):
    (row, _) = learn("joint", tmp_path)[1]
    assert row["loss"] == pytest.approx((row["transforms_loss"] + row["location_loss"]) / 2)


def test_a_pretext_without_a_turn_leaves_its_columns_empty(tmp_path):
    rows = [dict.fromkeys(outcomes.FIRST, 1.0) | told for told in ({"one": 2.0}, {"other": 3.0})]
    outcomes.write(tmp_path / "checkpoint.safetensors", rows, {}, "loss")
    table = pd.read_csv(tmp_path / "history.csv")
    assert table[["one", "other"]].isna().to_numpy().tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize("name", ALL)
def test_the_stage_pretrains_and_keeps_the_backbone_alone(stages, name):
    from ecgpipe import model

    leads = {"crop": 1.0, "reach": 0.5, "swaps": [["RA", "LA"]]}
    told = {"transforms": {}, "location": leads}
    told["joint"] = {"pretexts": [{"name": key, **value} for key, value in told.items()]}
    short = {"steps": 20, "validate_every": 10, "batch": 16, "crop": 2.0, "rate": 0.005}
    chosen = {"name": name, **told[name]}
    out = stages.pretrain(f"{name}.safetensors", backbone=SMALL, objective=chosen, fit=short)
    network, metadata = model.load(out)
    assert metadata["pretraining"]["objective"]["name"] == name
    assert network.backbone(torch.randn(1, 3, 70)).shape[2] == network.backbone.dim
    lines = [line.split(",") for line in out.with_name("history.csv").read_text().splitlines()]
    losses = [float(line[lines[0].index("loss")]) for line in lines[1:]]
    assert losses[1] < losses[0]
