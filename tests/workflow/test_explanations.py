"""When models are explained."""

import copy

import pytest

from tests.workflow.conftest import STUDY

ASKED = [STUDY["grids"][0], STUDY["grids"][1] | {"explanation": "demo"}]


def test_the_runs_of_a_grid_that_names_an_explanation_are_explained(workflow):
    workflow.study(grids=ASKED)
    plan = workflow.plan()
    assert plan["explain"] == 1 and "finetune" not in plan and "predict" not in plan
    told = workflow.snakemake("-n", "-p")
    assert '"explanation":{"attributions":[{"name":"integrated_gradients","steps":8}' in told
    assert "round-1/checkpoint.safetensors" in told


def test_what_is_explained_is_not_explained_again(workflow):
    workflow.study(grids=ASKED)
    workflow.snakemake()
    assert workflow.plan() == {}
    workflow.edit("config/explanations/demo.yaml", "records: 100", "records: 99")
    assert workflow.plan() == {"explain": 1}


def test_a_grid_without_an_explanation_is_told_as_before_there_were_any(workflow):
    told = workflow.snakemake("-n", "-p", "-f", "results/tiny/scores.csv")
    assert "explanation" not in told


def test_a_dataset_without_marked_waves_is_delineated_first(workflow):
    task = workflow.folder / "config/tasks/synthetic-all.yaml"
    (task.parent / "elsewhere.yaml").write_text(task.read_text().replace("synthetic]", "ptbxl]", 1))
    workflow.study(grids=[ASKED[1] | {"scored_on": ["elsewhere"]}])
    plan = workflow.plan()
    assert plan["explain"] == 1 and plan["delineate"] == 8
    told = workflow.snakemake("-n", "-p")
    assert "--waves results/waves/ptbxl/100hz-10s/0.h5" in told


def test_true_waves_are_read_from_the_shards(workflow):
    workflow.study(grids=ASKED)
    told = workflow.snakemake("-n", "-p")
    assert "--waves results/shards/synthetic/100hz-10s/0.h5" in told


@pytest.mark.parametrize(
    ("explanation", "wrong"),
    [
        ("smal", r"smal.yaml does not exist; config/explanations has: demo, .*small"),
        ("odd", r"saliency; there are: grad_cam"),
    ],
)
def test_an_explanation_is_looked_up_when_snakemake_starts(workflow, explanation, wrong):
    odd = workflow.folder / "config/explanations/odd.yaml"
    odd.write_text("attributions: [{name: saliency}]\n")
    workflow.study(grids=[STUDY["grids"][0] | {"explanation": explanation}])
    with pytest.raises(AssertionError, match=wrong):
        workflow.plan()


def test_two_explanations_of_one_run_are_refused(workflow):
    grids = copy.deepcopy(ASKED)
    workflow.study(grids=[*grids, grids[1] | {"explanation": "small"}])
    with pytest.raises(AssertionError, match="with the explanations demo, small"):
        workflow.plan()
