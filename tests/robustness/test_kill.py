"""Training that is killed at any moment goes on where it was, and ends with the same bytes."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import FIT, recipe_of

ROOT = Path(__file__).parent.parent.parent
# keeps its state after every validation, so that each kill finds another one
RUN = "import sys; from ecgpipe import cli, fit; fit.SAVE_SECONDS = 0; cli.main(sys.argv[1:])"
LONG = FIT | {"steps": 240, "validate_every": 8, "ema": 0.9}


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
    command += ["--out", out]
    kills, dice = 0, random.Random(0)
    while not out.exists() and kills < 40:
        job = subprocess.Popen([str(part) for part in command], cwd=ROOT, stderr=subprocess.DEVNULL)
        state = out.with_suffix(".state") / "rate-0.01" / "state.safetensors"
        before = state.stat().st_mtime_ns if state.exists() else 0
        while job.poll() is None:  # let it get one state further, then kill it within its stride
            if state.exists() and state.stat().st_mtime_ns != before:
                time.sleep(0.3 * dice.random())
                job.kill()
                kills += 1
                break
            time.sleep(0.01)
        job.wait()
    one, other = load_file(whole), load_file(out)
    assert kills >= 3, "the run ended before it could be killed"
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert sorted(p.name for p in out.parent.iterdir()) == sorted(
        p.name for p in whole.parent.iterdir()
    )
