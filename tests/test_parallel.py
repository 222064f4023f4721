"""Two processes with one global batch do what one does."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

SCRIPT = Path(__file__).parent / "parallel_fit.py"


def test_two_processes_equal_one_with_the_same_global_batch(tmp_path):
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPT.parent.parent)}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for name, launcher in (("one", []), ("two", torchrun)):
        command = [sys.executable, *launcher, str(SCRIPT), str(tmp_path / name)]
        subprocess.run(command, check=True, env=env, capture_output=True)
    one, two = load_file(tmp_path / "one"), load_file(tmp_path / "two")
    moved = max((one[name] - one[f"before/{name}"]).abs().max() for name in one if "/" not in name)
    apart = max((one[name] - two[name]).abs().max() for name in one)
    assert moved > 0.01 and apart < 1e-7, (moved, apart)


def test_a_shared_norm_equals_the_frameworks_where_there_is_one_process():
    from ecgpipe.parallel import SharedBatchNorm

    plain, values = torch.nn.BatchNorm2d(3), torch.randn(4, 3, 1, 7)
    shared = SharedBatchNorm(3).eval()
    assert torch.allclose(plain.eval()(values), shared(values))
