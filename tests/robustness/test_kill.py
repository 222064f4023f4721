"""Training that is killed at any moment goes on where it was, and ends with the same bytes."""

import random
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import FIT, pretraining_of, recipe_of

ROOT = Path(__file__).parent.parent.parent
# keeps its state after every validation, so that each kill finds another one
RUN = "import sys; from ecgpipe import cli, fit; fit.SAVE_SECONDS = 0; cli.main(sys.argv[1:])"
LONG = FIT | {"steps": 240, "validate_every": 8, "ema": 0.9}


CHAINED = [
    {"name": "simclr", "views": ["noise"], "hidden": 16},
    {"name": "byol", "views": ["noise"], "hidden": 16, "fit": {"steps": 40}},
]


def newest(state):
    """When anything was last kept for resuming."""
    with suppress(FileNotFoundError):  # the job may be done, and tidy up
        return max((path.stat().st_mtime_ns for path in state.rglob("*.safetensors")), default=0)
    return 0


def kill_again_and_again(command, out):
    """Run a command until its output is there; kill it within its stride each time it got on."""
    kills, dice = 0, random.Random(0)
    while not out.exists() and kills < 40:
        job = subprocess.Popen([str(part) for part in command], cwd=ROOT, stderr=subprocess.DEVNULL)
        before = newest(out.with_suffix(".state"))
        while job.poll() is None:
            if newest(out.with_suffix(".state")) not in (0, before):
                time.sleep(0.3 * dice.random())
                job.kill()
                kills += 1
                break
            time.sleep(0.01)
        job.wait()
    assert kills >= 3, "the run ended before it could be killed"


def files_beside(path):
    return sorted(file.name for file in path.parent.iterdir())


@pytest.mark.slow
def test_a_finetuning_killed_again_and_again_equals_an_undisturbed_one(stages):
    made = stages.made
    pretrained = stages.pretrain("random.safetensors")
    whole = stages.finetune("whole/checkpoint.safetensors", pretrained, fit=LONG)
    out = made["folder"] / "killed/checkpoint.safetensors"
    out.parent.mkdir()
    command = [sys.executable, "-c", RUN, "finetune"]
    command += ["--settings", recipe_of(made, fit=LONG), "--seed", "0", "--pretrained", pretrained]
    command += ["--shards", *made["shards"], "--splits", *made["splits"], "--draw", made["draw"]]
    kill_again_and_again([*command, "--out", out], out)
    one, other = load_file(whole), load_file(out)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert files_beside(out) == files_beside(whole)


@pytest.mark.slow
def test_a_chain_killed_again_and_again_equals_an_undisturbed_one(stages):
    made = stages.made
    told = {"objective": {"name": "chain", "pretexts": CHAINED, "standard_errors": 0.0}}
    told |= {"datasets": None, "tasks": ["t"]}
    told["fit"] = FIT | {"steps": 60, "validate_every": 10, "batch": 8}
    whole, out = (made["folder"] / name / "checkpoint.safetensors" for name in ("whole", "killed"))
    for path in (whole, out):
        path.parent.mkdir()
    stages.pretrain(whole, **told)
    command = [sys.executable, "-c", RUN, "pretrain", "--settings", pretraining_of(made, **told)]
    command += ["--seed", "0", "--shards", *made["shards"], "--splits", *made["splits"]]
    kill_again_and_again([*command, "--out", out], out)
    one, other = load_file(whole), load_file(out)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert files_beside(out) == files_beside(whole)
    tables = [pd.read_csv(path.with_name("history.csv")) for path in (whole, out)]
    pd.testing.assert_frame_equal(*(table.drop(columns="seconds") for table in tables))
