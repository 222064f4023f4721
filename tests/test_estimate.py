"""The stage that foretells transfer, on made-up records and a network pretrained on them."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from ecgpipe import model, records, registry
from ecgpipe.cohort import read_task
from ecgpipe.melep import melep
from ecgpipe.settings import Task, build
from tests.conftest import FIT


@pytest.fixture
def results(stages, tmp_path):
    """A pretraining with labels, and the files of a study, where the workflow puts them."""
    made = stages.made
    checkpoint = tmp_path / "pretraining/labels/standard/0/checkpoint.safetensors"
    places = {f"shards/made/ready/{path.name}": path for path in made["shards"]}
    places |= {"splits/made/standard.csv": made["splits"][0]}
    places |= {f"draws/task/standard/1.0/{seed}.csv": made["draw"] for seed in (0, 1)}
    for place, path in places.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(path.read_bytes())
    checkpoint.parent.mkdir(parents=True)
    objective = {"name": "supervised"}
    told = {"datasets": None, "tasks": ["t"], "objective": objective, "fit": FIT}
    stages.pretrain(checkpoint.relative_to(made["folder"]), **told)
    return tmp_path


def told(made):
    grid = {"pretrainings": ["labels", "random"], "recipes": ["full", "probe"], "tasks": ["task"]}
    grid |= {"splits": ["standard"], "budgets": ["1.0"], "seeds": [0, 1]}
    return json.dumps(
        {
            "study": {"study": "small", "grids": [grid]},
            "tasks": {"task": made["task"]},
            "preparations": {"labels": "ready"},
            "shards": {"made": 2},
            "shared": ["labels"],
        }
    )


def test_every_start_with_labels_is_estimated_once_from_its_draw(results, stages):
    out = results / "small/estimates.csv"
    out.parent.mkdir()
    registry.load("stages", "estimate").run(
        settings=told(stages.made), results=results, threads=1, out=out
    )
    found = pd.read_csv(out)
    assert found["pretraining"].tolist() == ["labels", "labels"] and list(found["seed"]) == [0, 1]
    records, score = expected(results, stages.made)
    assert set(found["records"]) == {records}  # of those drawn, the task takes some
    assert found["melep"].tolist() == pytest.approx([score] * 2, rel=1e-4)


@torch.no_grad()
def expected(results, made):
    """Score the network by hand: two crops of two seconds side by side."""
    network, _ = model.load(results / "pretraining/labels/standard/0/checkpoint.safetensors")
    rows = read_task(build(Task, made["task"], "test"), made["shards"], made["splits"])
    listed = set(pd.read_csv(made["draw"], dtype=str)["record"])
    own = rows.table["record"].isin(listed).to_numpy()
    signals = [
        records.read_signals(made["shards"][s])[r] for s, r in rows.table[["shard", "row"]].values
    ]
    signal = torch.from_numpy(np.stack(signals)[own]).float() / 1000
    halves = [network.eval()(part).sigmoid() for part in signal.split(100, dim=2)]
    return own.sum(), melep(torch.stack(halves).mean(dim=0).numpy(), rows.target[own])
