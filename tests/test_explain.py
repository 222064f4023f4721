"""The stage that explains where models look, on made-up records with made-up waves."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from ecgpipe import examples, hdf5, inference, model, records, registry
from ecgpipe.cohort import read_task
from ecgpipe.heads import HeadConfig
from ecgpipe.regions import REGIONS
from ecgpipe.settings import Task, build
from tests.conftest import BACKBONE, LABELS, lay_out_records

NULLS = {"", "shifted", "random"}
WAVES = ((0, 5, 7, 10), (1, 14, 16, 19), (2, 28, 32, 37))  # kind, onset, peak, offset of a second


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Shards, split and task, files of waves beside, and two arms' checkpoints."""
    made = SimpleNamespace(**lay_out_records(tmp_path_factory.mktemp("made")))
    made.waves = [made.folder / f"waves-{path.name}" for path in made.shards]
    for shard, path in zip(made.shards, made.waves, strict=True):
        every = [
            (row, kind, -1, *(50 * second + sample for sample in samples))
            for row in range(len(records.read_table([shard])))
            for second in range(4)
            for kind, *samples in WAVES
        ]
        with hdf5.written(path) as file:
            file["waves"] = np.array(every, np.int32)
    made.arms = [save(made.folder / f"arm-{seed}.safetensors", seed) for seed in (0, 1)]
    return made


def save(path, seed, fs=50, labels=LABELS):
    """Write the checkpoint of a network as it was initialised."""
    torch.manual_seed(seed)
    backbone = model.build_backbone(BACKBONE, 3, "tests")
    recipe = {"fit": {"crop": 2.0}, "adapter": {"name": "full"}}
    told = {"backbone": BACKBONE, "leads": ["I", "II", "V1"], "fs": fs, "recipe": recipe}
    told |= {"seed": seed, "revision": {"finetune": 1}, "datasets": {"made": "s"}}
    model.save(path, model.Classifier(backbone, labels, HeadConfig()), told)
    return path


def explain(made, checkpoint, out, **changes):
    told = {"attributions": [{"name": "gradient_input"}, {"name": "occlusion", "seconds": 0.2}]}
    told |= {"records": 12, "examples": 1, **changes}
    told = {"task": made.task, "explanation": told, "revision": {"explain": 1}}
    given = {name: getattr(made, name) for name in ("shards", "splits", "waves")}
    registry.load("stages", "explain").run(
        settings=json.dumps(told), checkpoint=checkpoint, threads=1, out=out, **given
    )
    return pd.read_csv(out, keep_default_na=False, na_values={"drop": "", "mass": "", "area": ""})


@pytest.fixture(scope="module")
def explained(made):
    return [explain(made, path, path.with_suffix(".csv")) for path in made.arms]


def test_a_line_is_a_question_an_attribution_a_null_and_a_region(explained):
    table = explained[0]
    lines = table.groupby(["record", "label", "attribution", "null"])["region"].apply(tuple)
    assert set(lines) == {REGIONS}
    asked = lines.reset_index().groupby(["record", "label"])[["attribution", "null"]]
    every = {(name, null) for name in ("gradient_input", "occlusion") for null in NULLS}
    found = asked.apply(lambda each: set(zip(each["attribution"], each["null"], strict=True)))
    assert all(each == every | {("removal", "")} for each in found)


def test_only_records_of_test_are_explained_and_labels_they_carry_that_have_a_region(
    explained, made
):
    rows = read_task(build(Task, made.task, "test"), made.shards, made.splits)
    carried = {
        (f"{record}", f"made:{patient}", label)
        for record, patient, target, part in zip(
            rows.table["record"], rows.table["patient"], rows.target, rows.part, strict=True
        )
        for label, positive in zip(rows.labels, target, strict=True)
        if part == "test" and positive and label != "NORM"
    }
    names = explained[0][["record", "patient", "label"]].drop_duplicates()
    asked = {(f"{int(r):03d}", p, label) for r, p, label in names.itertuples(index=False)}
    assert asked <= carried and names["record"].nunique() == 12
    assert set(names["label"]) == {"AFIB", "RBBB"}


def test_every_arm_is_asked_the_same(explained):
    first, second = (table[["record", "label", "region", "area"]] for table in explained)
    assert first.equals(second)
    assert not np.allclose(explained[0]["mass"], explained[1]["mass"], equal_nan=True)


def test_areas_are_those_of_the_waves_and_gaps(explained):
    area = explained[0].groupby("region")["area"].agg(["min", "max"])
    known = 3 * 50 + 38 - 5  # from the first P to the last T
    samples = {"P": 4 * 6, "PR": 4 * 3, "QRS": 4 * 6, "ST": 4 * 8, "T": 4 * 10, "TP": 3 * 17}
    for region in REGIONS:
        share = samples.get(region, 0) / known
        assert area.loc[region].tolist() == pytest.approx([share] * 2, abs=1e-5)


def test_shifted_regions_change_the_mass_alone_and_random_weights_too(explained):
    table = explained[0][explained[0]["attribution"] == "occlusion"]
    mass = {null: lines["mass"].to_numpy() for null, lines in table.groupby("null")}
    assert mass.keys() == NULLS
    sums = [np.nansum(each.reshape(-1, len(REGIONS)), axis=1) for each in mass.values()]
    np.testing.assert_allclose(sums, 1, atol=1e-4)
    for null in ("shifted", "random"):
        assert np.nanmean(np.abs(mass[""] - mass[null])) > 0.01


def test_a_region_that_is_taken_out_tells_area_and_drop_alone(explained):
    table = explained[0]
    removal = table["attribution"] == "removal"
    there = table["area"] > 0
    assert (table["drop"].notna() == (removal & there)).all()
    assert table.loc[removal, "mass"].isna().all()


def test_the_probability_is_that_of_predict(explained, made):
    network, _ = model.load(made.arms[0])
    rows = read_task(build(Task, made.task, "test"), made.shards, made.splits)
    test = rows.part == "test"
    cohort = rows.load(test, torch.device("cpu"), "test")
    said = inference.probabilities(network, cohort, 2.0, 1.0).numpy()
    frame = pd.DataFrame(said, rows.table["record"][test].astype(int), network.labels)
    asked = explained[0].drop_duplicates(["record", "label"])
    known = [frame.loc[r, label] for r, label in zip(asked["record"], asked["label"], strict=True)]
    np.testing.assert_allclose(asked["probability"], known, rtol=1e-4)


def test_examples_lie_beside_one_of_each_label_and_attribution(explained, made):
    found = examples.read(made.arms[0].with_suffix(".h5"))
    pairs = list(zip(found.label, found.attribution, strict=True))
    names = ("gradient_input", "occlusion")
    assert sorted(pairs) == [(label, name) for label in ("AFIB", "RBBB") for name in names]
    table = records.read_table(made.shards).set_index(["shard", "row"])["record"]
    places = zip(found.shard, found.row, strict=True)
    assert [table[place] for place in places] == found.record.tolist()
    assert found.relevance.shape == found.region.shape == (4, 3, 200)


def test_the_same_again_is_the_same_file(made, explained, tmp_path):
    out = tmp_path / "again.csv"
    explain(made, made.arms[0], out)
    assert out.read_bytes() == made.arms[0].with_suffix(".csv").read_bytes()


def test_another_montage_is_refused(made, tmp_path):
    checkpoint = save(tmp_path / "fast.safetensors", 0, fs=100)
    with pytest.raises(ValueError, match="trained on I, II, V1 at 100 Hz; the shards hold"):
        explain(made, checkpoint, tmp_path / "fast.csv")


def test_a_network_without_any_of_these_labels_is_refused(made, tmp_path):
    checkpoint = save(tmp_path / "other.safetensors", 0, labels=("NORM", "X"))
    with pytest.raises(ValueError, match="nothing to explain"):
        explain(made, checkpoint, tmp_path / "other.csv")
