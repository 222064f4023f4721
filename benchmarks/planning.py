"""Seconds that Snakemake takes to plan a study of 1,000 runs, against those of a study of 8.

`python benchmarks/planning.py` writes both studies to a copy of the workflow and times dry runs.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
SNAKEMAKE = Path(sys.executable).with_name("snakemake")
GRID = {
    "pretrainings": ["synthetic-random", "synthetic-supervised"],
    "recipes": ["demo-full", "demo-probe", "demo-lora", "demo-self-training"],
    "tasks": ["synthetic-all"],
    "splits": ["standard"],
    "budgets": ["1.0"],
}


def plan(folder: Path, seeds: int) -> tuple[float, str]:
    """Time one dry run; return the seconds and the number of jobs."""
    study = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    study["grids"] = [GRID | {"seeds": list(range(seeds))}]
    (folder / "config/config.yaml").write_text(yaml.safe_dump(study))
    began = time.perf_counter()
    done = subprocess.run(
        [SNAKEMAKE, "-n", "--quiet", "rules", "--cores", "2"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - began
    (total,) = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("total")}
    return seconds, total


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("Snakefile", "environment.yml"):
            shutil.copy2(ROOT / part, folder)
        for part in ("workflow", "config", "profiles"):
            shutil.copytree(ROOT / part, folder / part)
        print("| runs | jobs | seconds to plan |\n|---|---|---|")
        for seeds in (1, 125):
            seconds, jobs = plan(folder, seeds)
            print(f"| {8 * seeds} | {jobs} | {seconds:.1f} |")


if __name__ == "__main__":
    main()
