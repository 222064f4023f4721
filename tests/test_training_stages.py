"""Pretrain, finetune, predict on made-up records: what goes from one to the next."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from tests.conftest import FIT, LABELS


@pytest.fixture
def random(stages):
    return stages.pretrain("random.safetensors")


def state(path):
    from ecgpipe import model

    return model.load(path)[0].state_dict()


def test_a_checkpoint_says_what_shaped_it(stages, random):
    from ecgpipe import model

    network, metadata = model.load(stages.finetune("full/checkpoint.safetensors", random))
    assert network.labels == LABELS and metadata["leads"] == ["I", "II", "V1"]
    assert metadata["revision"] == {"pretrain": 1, "finetune": 1}
    assert metadata["datasets"] == {"made": "s"} and metadata["recipe"]["fit"]["rate"] == 0.01
    assert metadata["recipe"]["fit"]["weight_decay"] == 0.01  # a default, resolved


def test_history_and_cost_lie_beside_and_no_state_is_left(stages, random):
    out = stages.finetune("full/checkpoint.safetensors", random)
    history = pd.read_csv(out.with_name("history.csv"))
    assert history["step"].tolist() == [10, 20, 30] and history["valid_auroc"].between(0, 1).all()
    cost = json.loads(out.with_name("cost.json").read_text())
    assert cost["steps"] == 30 and cost["seconds_per_step"] > 0
    assert cost["flops_per_step"] > 2 * 16 * cost["flops_per_sample"] > 0
    assert history["flops"].iloc[-1] == pytest.approx(30 * cost["flops_per_step"])
    assert (
        cost["trainable"]
        == cost["parameters"]
        == sum(
            v.numel()
            for k, v in state(out).items()
            if "running" not in k and "num_batches" not in k
        )
    )
    assert not out.with_suffix(".state").exists()


def test_the_same_seed_gives_the_same_weights_and_another_does_not(stages, random):
    one = state(stages.finetune("a/checkpoint.safetensors", random))
    two = state(stages.finetune("b/checkpoint.safetensors", random))
    three = state(stages.finetune("c/checkpoint.safetensors", random, seed=1))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], three[name]) for name in one)


def test_a_head_for_the_same_labels_is_kept(stages):
    told = {"datasets": None, "tasks": ["t"], "objective": {"name": "supervised"}, "fit": FIT}
    before = stages.pretrain("supervised.safetensors", **told)
    no_steps = FIT | {"steps": 0}
    after = stages.finetune("kept/checkpoint.safetensors", before, fit=no_steps)
    assert all(torch.equal(state(before)[name], state(after)[name]) for name in state(before))


def test_a_head_is_kept_whatever_its_dropout(stages):
    told = {"datasets": None, "tasks": ["t"], "objective": {"name": "supervised"}, "fit": FIT}
    before = stages.pretrain("supervised.safetensors", **told)
    no_steps = {"fit": FIT | {"steps": 0}, "head": {"dropout": 0.0}}
    after = stages.finetune("kept/checkpoint.safetensors", before, **no_steps)
    assert torch.equal(state(before)["head.layers.2.weight"], state(after)["head.layers.2.weight"])


def test_strong_views_do_not_move_the_statistics_of_norms(model, labeled, unlabeled):
    from copy import deepcopy

    from ecgpipe import registry

    plugin = registry.load("methods", "self_training")
    alone = deepcopy(model)
    plugin.Method(alone, plugin.Config())(labeled, None)
    plugin.Method(model, plugin.Config(), teacher=deepcopy(model))(labeled, unlabeled)
    moved = dict(model.named_buffers())
    assert all(
        torch.equal(value, moved[name])
        for name, value in alone.named_buffers()
        if "num_batches" not in name
    )


def test_a_chain_goes_on_from_the_pretraining_before(stages, random):
    again = stages.pretrain("again.safetensors", start=random, backbone=None)
    assert all(torch.equal(state(random)[name], state(again)[name]) for name in state(random))


SIMCLR = {"objective": {"name": "simclr", "views": ["noise"]}, "fit": FIT | {"batch": 8}}


def test_a_stage_of_norms_leaves_every_other_weight_as_it_was(stages, random):
    told = {"backbone": None, "adapter": {"name": "norm"}, **SIMCLR}
    before, after = state(random), state(stages.pretrain("norm.safetensors", start=random, **told))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    norms = {name.rpartition(".")[0] for name in before if name.endswith("running_mean")}
    assert before.keys() == after.keys() and {name.rpartition(".")[0] for name in changed} == norms
    assert {name.rpartition(".")[2] for name in changed} >= {"weight", "bias", "running_var"}


def test_norms_that_do_not_learn_in_pretraining_keep_their_statistics(stages, random):
    told = {"backbone": None, "adapter": {"name": "probe"}, **SIMCLR}
    before, after = state(random), state(stages.pretrain("head.safetensors", start=random, **told))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_what_an_adapter_adds_in_pretraining_is_folded_in(stages, random):
    told = {"backbone": None, "adapter": {"name": "lora", "rank": 2}, **SIMCLR}
    before, after = state(random), state(stages.pretrain("lora.safetensors", start=random, **told))
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_a_probe_leaves_the_encoder_alone(stages, random):
    out = stages.finetune("probe/checkpoint.safetensors", random, adapter={"name": "probe"})
    before, after = state(random), state(out)
    encoder = [name for name in before if name.startswith("backbone")]
    assert encoder and all(torch.equal(before[name], after[name]) for name in encoder)


def test_a_merged_lora_has_the_names_of_the_plain_network(stages, random):
    out = stages.finetune("lora/checkpoint.safetensors", random, adapter={"name": "lora"})
    full = stages.finetune("full/checkpoint.safetensors", random)
    assert state(out).keys() == state(full).keys()


def test_the_second_round_learns_from_the_first(stages, random):
    views = {"weak": [], "strong": ["noise"]}
    told = {"method": {"name": "self_training"}, "views": views}
    first = stages.finetune("round-1/checkpoint.safetensors", random, **told)
    supervised = stages.finetune("full/checkpoint.safetensors", random)
    second = stages.finetune("round-2/checkpoint.safetensors", random, teacher=first, **told)
    assert "taught" in pd.read_csv(second.with_name("history.csv"))
    assert all(torch.equal(state(first)[name], state(supervised)[name]) for name in state(first))


def test_of_several_rates_the_best_on_valid_is_kept_and_all_are_paid(stages, random):
    out = stages.finetune("search/checkpoint.safetensors", random, fit=FIT | {"rate": [1e-6, 0.01]})
    cost = json.loads(out.with_name("cost.json").read_text())
    assert cost["trials"] == 2 and cost["best_score"] > 0.5
    assert pd.read_csv(out.with_name("history.csv"))["rate"].max() > 1e-3


def test_predictions_cover_valid_and_test_and_under_conditions_test(stages, random):
    from ecgpipe import predictions

    checkpoint = stages.finetune("full/checkpoint.safetensors", random)
    conditions = {"clean": {}, "chest-lost": {"missing": ["V1"]}}
    out = stages.predict("p.h5", checkpoint, conditions)
    clean, lost = predictions.read(out), predictions.read(out, "chest-lost")
    assert set(clean.part) == {"valid", "test"} and clean.labels == LABELS
    assert set(lost.part) == {"test"} and (clean.of("test").record == lost.record).all()
    clean = clean.of("test")
    assert not np.allclose(clean.probability, lost.probability)
    assert json.loads(predictions.attributes(out)["revision"])["predict"] == 1


def signals_of(shards, names):
    """Read the named records in millivolts."""
    from ecgpipe import records

    table = records.read_table(shards).set_index("record").loc[list(names)]
    pairs = zip(table["shard"], table["row"], strict=True)
    rows = [records.read_signals(shards[shard])[row] for shard, row in pairs]
    return torch.tensor(np.array(rows) / 1000, dtype=torch.float32)


def test_test_records_are_embedded_where_the_encoder_was_frozen(stages, random):
    from ecgpipe import model, predictions

    frozen = stages.finetune("probe/checkpoint.safetensors", random, adapter={"name": "probe"})
    out = stages.predict("frozen.h5", frozen)
    signal = signals_of(stages.made["shards"], predictions.read(out).of("test").record)
    backbone = model.load(random)[0].eval().backbone
    with torch.no_grad():  # crops of 2 s, 1 s apart, at 50 Hz
        tokens = torch.stack([backbone(signal[..., at : at + 100]) for at in (0, 50, 100)])
    expected = torch.cat([tokens.amax(dim=2), tokens.mean(dim=2)], dim=2).mean(dim=0)
    embedded = predictions.read_embedding(out)
    np.testing.assert_allclose(embedded, expected, rtol=2e-3, atol=2e-3)


def test_an_encoder_that_learnt_is_not_embedded(stages, random):
    from ecgpipe import predictions

    full = stages.finetune("full/checkpoint.safetensors", random)
    assert predictions.read_embedding(stages.predict("p.h5", full)) is None


def test_training_beats_chance_on_patients_never_seen(stages, random):
    from sklearn.metrics import roc_auc_score

    from ecgpipe import predictions

    long = FIT | {"steps": 120, "validate_every": 40}
    checkpoint = stages.finetune("long/checkpoint.safetensors", random, fit=long)
    test = predictions.read(stages.predict("p.h5", checkpoint)).of("test")
    assert roc_auc_score(test.target, test.probability, average="macro") > 0.8


def test_a_file_that_is_no_checkpoint_is_named(tmp_path):
    from safetensors.torch import save_file

    from ecgpipe import model

    save_file({"w": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="other.safetensors: not a checkpoint of ecgpipe"):
        model.load(tmp_path / "other.safetensors")


def test_for_other_labels_a_head_keeps_its_hidden_layers(stages):
    head = {"hidden": [8], "norm": False, "pool": "max", "activation": "none", "dropout": 0.0}
    no_steps = {"fit": FIT | {"steps": 0}, "head": head}
    before = stages.finetune("before/checkpoint.safetensors", stages.pretrain("r.st"), head=head)
    stages.made["task"] = stages.made["task"] | {"labels": list(LABELS[:1])}
    after = stages.finetune("after/checkpoint.safetensors", before, **no_steps)
    hidden, last = "head.layers.1.weight", "head.layers.3.weight"
    assert torch.equal(state(before)[hidden], state(after)[hidden])
    assert state(before)[last].shape != state(after)[last].shape


def test_a_checkpoint_says_what_it_has_seen(stages, random):
    from ecgpipe import model

    told = {"datasets": None, "tasks": ["t"], "objective": {"name": "supervised"}, "fit": FIT}
    first = model.read_metadata(stages.pretrain("supervised.safetensors", **told))["seen"]
    assert first[0]["parts"] == ["train"] and first[0]["labels"] == list(LABELS)
    assert model.read_metadata(random)["seen"] == [{"objective": "none", "records": 0}]


def test_only_a_pretraining_that_says_so_sees_valid_and_test(stages):
    from ecgpipe import model

    told = {"objective": {"name": "simclr", "views": ["noise"]}, "fit": FIT | {"batch": 8}}
    clean = model.read_metadata(stages.pretrain("clean.safetensors", **told))["seen"][0]
    parts = ["train", "valid", "test"]
    leaking = model.read_metadata(stages.pretrain("leaking.safetensors", parts=parts, **told))
    assert clean["parts"] == ["train"] and leaking["seen"][0]["parts"] == parts
    assert leaking["seen"][0]["patients"] > clean["patients"]


def test_a_task_may_look_at_a_share_of_the_valid_patients(stages, random):
    from ecgpipe import predictions

    checkpoint = stages.finetune("full/checkpoint.safetensors", random)
    every = predictions.read(stages.predict("every.h5", checkpoint))
    stages.made["task"] = stages.made["task"] | {"valid": 0.5}
    few = predictions.read(stages.predict("few.h5", checkpoint))
    assert set(few.of("valid").record) < set(every.of("valid").record)
    assert (few.of("test").record == every.of("test").record).all()


def test_an_adapter_file_and_the_pretrained_checkpoint_predict_as_the_merged_one(stages, random):
    from ecgpipe import adapter_files, model

    adapter = {"name": "gated_lora", "rank": 2, "share": 0.5}
    out = stages.finetune("gated/checkpoint.safetensors", random, adapter=adapter)
    merged = model.load(out)[0].eval()
    rebuilt = adapter_files.load(random, out.with_name("adapter.safetensors")).eval()
    signal = torch.randn(2, 3, 100)
    with torch.no_grad():
        torch.testing.assert_close(rebuilt(signal), merged(signal))
    told = adapter_files.read_metadata(out.with_name("adapter.safetensors"))["adapter"]
    assert len(set(told["ranks"].values())) == 2 and told["update_parameters"] > 0
