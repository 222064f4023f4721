"""What tables and figures read."""

from tests.workflow.conftest import STUDY


def test_a_figure_of_attributions_reads_the_records_that_were_explained(workflow):
    task = workflow.folder / "config/tasks/synthetic-all.yaml"
    (task.parent / "elsewhere.yaml").write_text(task.read_text().replace("synthetic]", "ptbxl]", 1))
    explained = STUDY["grids"][1] | {"scored_on": ["elsewhere"], "explanation": "demo"}
    workflow.study(grids=[STUDY["grids"][0], explained], figures=["attribution"])
    told = workflow.snakemake("-n", "-p", "results/tiny/figures/attribution.pdf")
    (line,) = (line for line in told.splitlines() if "--figure attribution" in line)
    options = line.partition("--results results ")[2]
    assert options.startswith("--scores results/tiny/scores.csv --shards results/shards/ptbxl/")
    assert "synthetic" not in options and "attributions" not in options
    assert "explain" in told


def test_the_table_of_attention_waits_for_the_runs_to_be_explained(workflow):
    grids = [STUDY["grids"][0], STUDY["grids"][1] | {"explanation": "demo"}]
    workflow.study(grids=grids, tables=["attention"])
    plan = workflow.plan("--", "results/tiny/tables/attention.csv")
    assert plan["explain"] == plan["table"] == 1 and "finetune" not in plan
