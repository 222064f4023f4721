"""The whole pipeline: from recordings to tables and figures, on two cores in minutes."""

import os
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.workflow.conftest import ROOT, SNAKEMAKE, copy_workflow

FIT = {"validate_every": 20, "batch": 32, "rate": 0.01}
RECIPES = {
    "tiny-full": {
        "adapter": {"name": "full"},
        "method": {"name": "supervised"},
        "fit": FIT | {"steps": 60},
    },
    "tiny-self-training": {
        "adapter": {"name": "lora"},
        "method": {"name": "self_training"},
        "views": {"weak": [], "strong": ["noise", "lead_mask"]},
        "rounds": 2,
        "fit": FIT | {"steps": 40, "unlabeled": 16},
    },
}


def lay_out(folder: Path, dataset: str, task: dict, asked: dict[str, str]) -> None:
    """Copy the workflow and give it a tiny study: two arms, two rounds, two seeds.

    What is `asked` of its grids is more than which runs there are.
    """
    copy_workflow(folder)
    backbone = {"name": "xresnet1d", "depth": 18, "width": 16}
    parts = {
        "config/tasks/tiny.yaml": task,
        "config/pretraining/tiny-random.yaml": {
            "backbone": backbone,
            "preparation": "100hz-10s",
            "datasets": [dataset],
            "objective": {"name": "none"},
            "fit": {"steps": 0, "validate_every": 1},
        },
        "config/pretraining/tiny-supervised.yaml": {
            "start": "tiny-random",
            "preparation": "100hz-10s",
            "tasks": ["tiny"],
            "objective": {"name": "supervised"},
            "fit": FIT | {"steps": 40},
        },
    } | {f"config/recipes/{name}.yaml": recipe for name, recipe in RECIPES.items()}
    shared = {
        "tasks": ["tiny"],
        "splits": ["standard"],
        "budgets": ["0.3"],
        "seeds": [0, 1],
    } | asked
    grids = [
        {"pretrainings": ["tiny-random"], "recipes": ["tiny-full"]},
        {"pretrainings": ["tiny-supervised"], "recipes": ["tiny-self-training"]},
    ]
    study = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    study["tables"].remove("equal_budget")  # which wants several budgets
    study["tables"].remove("personal")  # which wants an arm that adapts to patients
    if "explanation" not in asked:
        study["tables"].remove("attention")
    parts["config/config.yaml"] = study | {"study": "tiny", "grids": [g | shared for g in grids]}
    for path, values in parts.items():
        (folder / path).write_text(yaml.safe_dump(values))


def run(folder: Path, *arguments: str) -> None:
    """Run Snakemake there; show its log if it fails."""
    env = os.environ | {"PATH": f"{SNAKEMAKE.parent}:{os.environ['PATH']}"}
    command = [str(SNAKEMAKE), "--cores", "2", *arguments]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]


def check(folder: Path, least: float) -> None:
    """Everything that the study names is there, and something was learned."""
    made = folder / "results/tiny"
    study = yaml.safe_load((folder / "config/config.yaml").read_text())
    for table in study["tables"]:
        assert all(
            (made / f"tables/{table}.{kind}").stat().st_size for kind in ("csv", "tex", "md")
        )
    for figure in study["figures"]:
        assert all(
            (made / f"figures/{figure}.{kind}").stat().st_size > 5000 for kind in ("pdf", "png")
        )
    scores = pd.read_csv(made / "scores.csv")
    macro = scores[(scores["metric"] == "auroc") & (scores["label"] == "macro")]
    assert len(macro) == 4 and (macro["low"] < macro["value"]).all()
    assert macro["value"].mean() > least
    comparisons = pd.read_csv(made / "comparisons.csv")
    assert len(comparisons) == 6 and comparisons["verdict"].isin(["win", "tie", "loss"]).all()


def test_the_synthetic_cohort_goes_all_the_way_and_into_a_report(tmp_path):
    lay_out(
        tmp_path,
        "synthetic",
        yaml.safe_load((ROOT / "config/tasks/synthetic-all.yaml").read_text()),
        asked={"explanation": "demo"},
    )
    run(tmp_path)
    check(tmp_path, least=0.55)
    run(tmp_path, "--report", "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "label_efficiency" in page and 'src="http' not in page


@pytest.mark.skipif(
    "ECGPIPE_MIRROR" not in os.environ, reason="ECGPIPE_MIRROR names no mirror of PTB-XL"
)
def test_real_recordings_go_all_the_way(tmp_path):
    task = yaml.safe_load((ROOT / "config/tasks/ptbxl-small-superdiag.yaml").read_text())
    lay_out(tmp_path, "ptbxl", task, asked={})
    run(tmp_path, "--config", f"mirror={os.environ['ECGPIPE_MIRROR']}")
    check(tmp_path, least=0.7)
