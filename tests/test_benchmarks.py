"""Benchmarks run, on as little as they take."""

import subprocess
import sys
from pathlib import Path

import pytest

from ecgpipe import registry

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def measured(*objectives):
    """Run a step of some objectives and read the rows of the table."""
    little = ("--device", "cpu", "--batch", "4", "--samples", "250", "--rounds", "1")
    command = [sys.executable, str(BENCHMARKS / "objectives.py"), *little, "--steps", "1"]
    command += ["--objectives", *objectives]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = [line for line in printed.splitlines() if line.startswith("|")]
    return [line.strip("| ").split(" | ") for line in lines[2:]]


def test_an_objective_stands_beside_supervised_training_of_its_backbone():
    supervised, masked = measured("masked")
    assert supervised[:2] == ["vit1d, small", "supervised"] and supervised[4] == "1.00"
    assert masked[:2] == ["vit1d, small", "masked"] and float(masked[2]) > 0


def test_meta_learning_at_once_is_measured_beside_a_loop_over_tasks():
    little = ("--device", "cpu", "--tasks", "2", "--shots", "1", "--steps", "1", "--rounds", "1")
    command = [sys.executable, str(BENCHMARKS / "meta.py"), *little, "--samples", "100"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = [line for line in printed.splitlines() if line.startswith("|")]
    rows = [line.strip("| ").split(" | ") for line in lines[2:]]
    assert [row[0] for row in rows] == ["fomaml", "maml", "anil", "reptile", "adaptation alone"]
    assert all(float(row[-1]) > 0 for row in rows)


@pytest.mark.slow
def test_every_objective_that_learns_is_measured():
    others = ("chain", "joint", "meta", "none", "supervised")
    every = [name for name in registry.names("objectives") if name not in others]
    assert {row[1] for row in measured(*every)} == {"supervised", *every}
