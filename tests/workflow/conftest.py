"""A copy of the workflow whose stages only make empty files, run once: what reruns is its plan."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
SNAKEMAKE = Path(sys.executable).with_name("snakemake")

# Makes every file that a stage is told to make, and those that lie beside.
STAND_IN = """#!/bin/sh
stage=$3
while [ $# -gt 0 ]; do
  case "$1" in
    --out|--report|--datasets|--costs|--histories)
      mkdir -p "$(dirname "$2")"; echo x > "$2"; out=$2 ;;
  esac
  shift
done
case "$stage" in
  pretrain|finetune)
    for name in history.csv cost.json adapter.safetensors; do echo x > "${out%/*}/$name"; done ;;
  explain) echo x > "${out%.csv}.h5" ;;
  table) echo x > "${out%.csv}.tex"; echo x > "${out%.csv}.md" ;;
  figure) echo x > "${out%.pdf}.png" ;;
  describe) echo x > "${out%.html}.json"; echo x > "${out%/*}/records.png" ;;
esac
"""

STUDY = {
    "study": "tiny",
    "grids": [
        {
            "pretrainings": ["synthetic-random"],
            "recipes": ["demo-full", "demo-self-training"],
            "tasks": ["synthetic-all"],
            "splits": ["standard"],
            "budgets": ["0.1", "1.0"],
            "seeds": [0],
        },
        {
            "pretrainings": ["synthetic-supervised"],
            "recipes": ["demo-full"],
            "tasks": ["synthetic-all"],
            "splits": ["standard"],
            "budgets": ["1.0"],
            "seeds": [0],
        },
    ],
    "tables": ["main"],
    "figures": ["label_efficiency"],
}


class Workflow:
    """A folder with the workflow, and what Snakemake says of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def snakemake(self, *arguments: str) -> str:
        """Run Snakemake; return everything it printed."""
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        command = [str(SNAKEMAKE), "--cores", "2", *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            capture_output=True,
            text=True,
            env=os.environ | {"PATH": path},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def plan(self, *arguments: str) -> dict[str, int]:
        """Count the jobs that would run, by rule."""
        lines = self.snakemake("-n", "--quiet", "rules", *arguments).splitlines()
        rows = [line.split() for line in lines]
        counts = {r[0]: int(r[1]) for r in rows if len(r) == 2 and r[1].isdigit()}
        return {rule: n for rule, n in counts.items() if rule not in ("total", "all")}

    def edit(self, path: str, old: str, new: str) -> None:
        """Change a text file of the workflow."""
        file = self.folder / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def study(self, **changes: object) -> None:
        """Write the study, with changes."""
        (self.folder / "config/config.yaml").write_text(yaml.safe_dump(STUDY | changes))


def copy_workflow(folder: Path) -> None:
    """Copy everything that Snakemake reads."""
    for name in ("Snakefile", "environment.yml"):
        shutil.copy2(ROOT / name, folder)
    for name in ("workflow", "config", "profiles"):
        shutil.copytree(ROOT / name, folder / name)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The tiny study, finished."""
    folder = tmp_path_factory.mktemp("finished")
    copy_workflow(folder)
    (folder / "bin").mkdir()
    (folder / "bin/python").write_text(STAND_IN)
    (folder / "bin/python").chmod(0o755)
    workflow = Workflow(folder)
    workflow.study()
    workflow.snakemake()
    return workflow


@pytest.fixture
def workflow(finished, tmp_path):
    """A copy of the finished study, to be changed."""
    shutil.copytree(finished.folder, tmp_path / "copy")
    return Workflow(tmp_path / "copy")
