"""When waves are delineated."""

from tests.workflow.conftest import STUDY


def test_waves_are_delineated_where_runs_are_explained_and_nobody_marked_them(workflow):
    task = workflow.folder / "config/tasks/synthetic-all.yaml"
    (task.parent / "elsewhere.yaml").write_text(task.read_text().replace("synthetic]", "ptbxl]", 1))
    explained = STUDY["grids"][1] | {"explanation": "small"}
    workflow.study(grids=[explained])
    assert "delineate" not in workflow.plan()  # the synthetic cohort tells its waves
    workflow.study(grids=[explained | {"scored_on": ["elsewhere"]}])
    assert workflow.plan()["delineate"] == 8
    told = workflow.snakemake("-n", "-p", "results/waves/ptbxl/100hz-10s/3.h5")
    assert "delineate --shard results/shards/ptbxl/100hz-10s/3.h5" in told
