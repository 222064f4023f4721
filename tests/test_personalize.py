"""Models are adapted to valid and test patients, and say what they make of the rest."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from ecgpipe import predictions, registry, settings
from ecgpipe.scores import Sample, estimate
from tests.patients import lay_out_windows

TASK = {"datasets": ["made"], "vocabulary": "ventricular", "labels": "va", "keep_unlabeled": True}
ONCE = {"threads": 1, "processes": 1}
BACKBONE = {"name": "xresnet1d", "depth": 18, "width": 8}
FIT = {"steps": 0, "validate_every": 1, "crop": 2.0}
RECIPES = sorted((Path(__file__).parents[1] / "config/recipes").glob("*.yaml"))
PERSONAL = [path for path in RECIPES if "\npersonalize:" in path.read_text()]
EARLY = {"shots": [1, 4], "draws": 2, "period": 24.0, "guard": 4.0, "steps": 8, "rate": 0.01}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with windows, a split, and a small network trained by nobody."""
    folder = tmp_path_factory.mktemp("made")
    shard, split = lay_out_windows(folder)
    given = {"shards": [shard], "splits": [split]}
    lines = "".join(f"made,r{n},p{n}\n" for n in range(30) if n % 6 < 4)
    (folder / "draw.csv").write_text("dataset,record,patient\n" + lines)
    pretraining = {"preparation": "made", "datasets": ["made"], "fit": FIT}
    pretraining |= {"backbone": BACKBONE, "objective": {"name": "none"}}
    recipe = {"adapter": {"name": "full"}, "method": {"name": "supervised"}, "fit": FIT}
    recipe["head"] = {"pool": "mean", "norm": False, "dropout": 0.0}
    before, after = folder / "before.safetensors", folder / "after.safetensors"
    told = json.dumps({"pretraining": pretraining, "tasks": {}, "revision": {"pretrain": 1}})
    registry.load("stages", "pretrain").run(
        settings=told, seed=0, start=[], out=before, **given, **ONCE
    )
    told = json.dumps({"recipe": recipe, "task": TASK, "revision": {"finetune": 1}})
    draw = {"draw": folder / "draw.csv", "pretrained": before, "teacher": None}
    registry.load("stages", "finetune").run(
        settings=told, seed=0, out=after, **draw, **given, **ONCE
    )
    return {"checkpoint": after, **given}


def personalize(made, out, task=TASK, **changes):
    told = {"task": task, "personalize": EARLY | changes, "revision": {"personalize": 1}}
    registry.load("stages", "personalize").run(
        settings=json.dumps(told), threads=1, out=out, **made
    )
    return predictions.read(out), {one.draw: one for one in predictions.read_adapted(out)}


@pytest.fixture(scope="module")
def personal(made, tmp_path_factory):
    return personalize(made, tmp_path_factory.mktemp("out") / "p.h5")


def test_every_draw_and_number_of_shots_is_predicted(personal):
    clean, adapted = personal
    assert set(adapted) == {"chronological", "random-0", "random-1"}
    for one in adapted.values():
        assert list(one.probability) == [1, 4]
        for shots in (1, 4):
            said = one.after(clean, shots)
            assert len(np.unique(said.patient)) == 10 and set(said.part) == {"valid", "test"}
            assert np.isfinite(said.probability).all()


def test_before_is_what_the_model_said_of_the_same_windows(personal):
    clean, adapted = personal
    one = adapted["chronological"]
    before, after = one.before(clean), one.after(clean, 4)
    np.testing.assert_array_equal(before.start, after.start)
    assert before.start.min() == 28 and not (before.probability == after.probability).any()


def test_labeled_windows_are_not_scored(personal):
    for one in personal[1].values():
        assert not (one.rank[one.row] >= 0).any() and (one.rank >= 0).any()


def test_adaptation_to_half_of_an_arrhythmia_finds_the_other_half(personal):
    clean, adapted = personal
    auroc = registry.load("metrics", "auroc")
    ill = [f"made:p{n}" for n in (4, 5, 10, 11)]
    for name in ("random-0", "random-1"):
        of = [adapted[name].before(clean), adapted[name].after(clean, 4)]
        of = [one.take(np.isin(one.patient, ill)) for one in of]
        before, after = (
            estimate(auroc, Sample(one.target, one.probability, np.zeros(1)))[0] for one in of
        )
        assert after > max(0.9, before)


def test_a_patient_is_adapted_to_alike_whoever_else_is_there(made, tmp_path, monkeypatch, personal):
    from ecgpipe import learners

    monkeypatch.setattr(learners, "AT_ONCE", {"cpu": 3, "cuda": 3})
    _, few = personalize(made, tmp_path / "few.h5")
    for name, one in personal[1].items():
        np.testing.assert_allclose(few[name].probability[4], one.probability[4], atol=1e-4)


@pytest.mark.parametrize("kind", ["gd", "lookahead", "split"])
def test_pre_finetuning_comes_before_and_changes_the_outcome(made, tmp_path, personal, kind):
    changes = {"pre_finetuning": kind, "orders": ["random"], "draws": 1, "pre_rate": 0.1}
    _, found = personalize(made, tmp_path / "p.h5", **changes)
    after = personal[1]["random-0"].probability[4]
    assert not np.allclose(found["random-0"].probability[4], after, atol=1e-3)


def test_without_steps_the_model_stays_what_it_was(made, tmp_path):
    clean, adapted = personalize(made, tmp_path / "p.h5", steps=0)
    one = adapted["chronological"]
    np.testing.assert_allclose(one.probability[4], one.before(clean).probability, atol=1e-5)


def test_a_model_for_other_labels_is_refused(made, tmp_path):
    with pytest.raises(ValueError, match=r"trained for \('VA',\), but patients are labeled"):
        personalize(made, tmp_path / "p.h5", task=TASK | {"labels": ["VF", "VT"]})


def test_windows_of_a_rhythm_that_the_task_is_without_are_left_out(made, tmp_path):
    clean, _ = personalize(made, tmp_path / "p.h5", task=TASK | {"without": ["(VF"]}, draws=1)
    assert len(clean.target) == 10 * (24 - 8) and not clean.target.any()


@pytest.mark.parametrize("path", PERSONAL, ids=lambda path: path.stem)
def test_every_recipe_that_personalizes_names_an_adapter_that_exists(path):
    recipe = settings.build(settings.Recipe, yaml.safe_load(path.read_text()), str(path))
    name, told = settings.plugin(recipe.personalize.adapter, str(path))
    settings.build(registry.load("adapters", name).Config, told, str(path))
    assert recipe.fit.crop == 2.0 and recipe.rounds == 1
