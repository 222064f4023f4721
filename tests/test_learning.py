"""Learning is real: on real recordings, labels that were shuffled teach nothing."""

import os
import shutil

import h5py
import numpy as np
import pytest
import yaml

from ecgpipe import predictions, registry, settings
from tests.workflow.conftest import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "ECGPIPE_MIRROR" not in os.environ, reason="ECGPIPE_MIRROR names no mirror of PTB-XL"
    ),
]


def part(kind, name):
    return yaml.safe_load((ROOT / "config" / kind / f"{name}.yaml").read_text())


def stage(name, **told):
    registry.load("stages", name).run(**told)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """PTB-XL from the mirror to shards, split and draw, by the stages themselves."""
    folder = tmp_path_factory.mktemp("real")
    manifests = [folder / f"resources/ptbxl/{name}.manifest.csv" for name in ("metadata", "100hz")]
    for path in manifests:
        source = path.name.split(".")[0]
        mirror = os.environ["ECGPIPE_MIRROR"]
        stage("download", dataset="ptbxl", source=source, mirror=mirror, out=path)
    told = settings.canonical(part("preparations", "100hz-10s"))
    shards = [folder / f"{k}.h5" for k in range(8)]
    for k, path in enumerate(shards):
        stage(
            "preprocess",
            settings=told,
            dataset="ptbxl",
            preparation="100hz-10s",
            shard=k,
            manifests=manifests,
            report=path.with_suffix(".json"),
            out=path,
        )
    task = part("tasks", "ptbxl-small-superdiag")
    split, draw = folder / "standard.csv", folder / "draw.csv"
    stage("split", dataset="ptbxl", split="standard", manifest=manifests[0], out=split)
    stage(
        "draw",
        settings=settings.canonical({"task": task}),
        manifests=manifests[:1],
        splits=[split],
        budget="1.0",
        seed=0,
        out=draw,
    )
    return {"folder": folder, "shards": shards, "split": split, "draw": draw, "task": task}


def shuffle(shards, folder):
    """Copy shards, giving every record the statements of another."""
    folder.mkdir()
    for path in shards:
        copy = shutil.copy2(path, folder / path.name)
        with h5py.File(copy, "r+") as file:
            values = file["statements"][()]
            file["statements"][()] = np.random.default_rng(0).permutation(values)
    return [folder / path.name for path in shards]


def train_and_score(real, shards, name):
    """Train and score on some shards; return the macro AUROC."""
    once = {"threads": 1, "processes": 1}
    folder = real["folder"] / name
    folder.mkdir()
    pretraining = part("pretraining", "ptbxl-small-random")
    told = {"pretraining": pretraining, "tasks": {}, "revision": {"pretrain": 1}}
    random, out = folder / "random.safetensors", folder / "checkpoint.safetensors"
    given = {"shards": shards, "splits": [real["split"]], **once}
    stage("pretrain", settings=settings.canonical(told), seed=0, start=[], out=random, **given)
    recipe = part("recipes", "small-scratch")
    recipe["fit"] |= {"steps": 300, "validate_every": 100}
    told = {"recipe": recipe, "task": real["task"], "revision": {"finetune": 1}}
    stage(
        "finetune",
        settings=settings.canonical(told),
        seed=0,
        draw=real["draw"],
        pretrained=random,
        teacher=None,
        out=out,
        **given,
    )
    told = {"task": real["task"], "conditions": {"clean": {}}, "revision": {"predict": 1}}
    stage(
        "predict",
        settings=settings.canonical(told),
        checkpoint=out,
        shards=shards,
        splits=[real["split"]],
        noise=[],
        threads=1,
        out=folder / "p.h5",
    )
    test = predictions.read(folder / "p.h5").of("test")
    from sklearn.metrics import roc_auc_score

    return roc_auc_score(test.target, test.probability, average="macro")


def test_true_labels_teach(real):
    assert train_and_score(real, real["shards"], "true") > 0.85


def test_shuffled_labels_teach_nothing(real):
    # shuffled in test too: against true labels even a random feature is not at chance, since a
    # network has one and patients' labels go together
    shuffled = shuffle(real["shards"], real["folder"] / "shuffled")
    score = train_and_score(real, shuffled, "control")
    assert 0.46 <= score <= 0.54, score
