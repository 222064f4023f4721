"""What reruns after a change, and what every rule must have."""

import copy
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import ROOT, STUDY

RULES = sorted((ROOT / "workflow/rules").glob("*.smk"))
INPUTS = sorted((ROOT / "workflow/inputs").glob("*.smk"))
BODIES = {
    name: body
    for path in RULES
    for name, body in re.findall(r"^rule (\w+):\n((?:    .*\n|\n)+)", path.read_text(), re.M)
}
AFTER_TRAINING = {"predict", "evaluate", "collect", "compare", "table", "figure"}


def test_a_finished_study_has_nothing_left_to_do(workflow):
    assert workflow.plan() == {}


def test_a_learning_rate_reruns_its_recipe_and_what_follows(workflow):
    workflow.edit("config/recipes/demo-self-training.yaml", "rate: 0.005", "rate: 0.02")
    plan = workflow.plan()
    assert plan["finetune"] == 4 and plan["predict"] == plan["evaluate"] == 2
    assert plan.keys() == AFTER_TRAINING | {"finetune"}


def test_a_recipe_that_adapts_to_patients_does_so_in_place_of_predicting(workflow):
    recipe = workflow.folder / "config/recipes/demo-full.yaml"
    recipe.write_text(recipe.read_text() + "personalize: {shots: [5]}\n")
    plan = workflow.plan()
    assert plan["personalize"] == plan["evaluate"] == 3
    assert plan.keys() == {"personalize", "evaluate", "collect", "compare", "table", "figure"}


ENSEMBLE = """
members: [{members}]
copies: {copies}
preparation: 100hz-10s
tasks: [synthetic-upstream]
objective: {{name: none}}
fit: {{steps: 0, validate_every: 1}}
"""


def of_ensemble(workflow, members, copies):
    """Ask for a run that starts from an ensemble, at the seed 1."""
    told = ENSEMBLE.format(members=members, copies=copies)
    (workflow.folder / "config/pretraining/both.yaml").write_text(told)
    grid = STUDY["grids"][1] | {"pretrainings": ["both"], "seeds": [1]}
    workflow.study(grids=[*STUDY["grids"], grid])


def test_an_ensemble_trains_copies_of_its_members_at_seeds_of_their_own(workflow):
    of_ensemble(workflow, "synthetic-supervised", 3)
    told = workflow.snakemake("-n", "-p")
    before = [f"results/pretraining/synthetic-supervised/standard/{seed}" for seed in (3, 4, 5)]
    assert f"--start {'/checkpoint.safetensors '.join(before)}/checkpoint.safetensors " in told
    assert workflow.plan()["pretrain"] == 4


def test_copies_that_would_be_alike_are_refused_at_once(workflow):
    member = workflow.folder / "config/pretraining/synthetic-supervised.yaml"
    member.write_text(member.read_text() + "seeds: 1\n")
    of_ensemble(workflow, "synthetic-supervised", 2)
    with pytest.raises(AssertionError, match="members of synthetic-supervised would be alike"):
        workflow.plan()


def test_adaptation_to_patients_has_clean_signals_only(workflow):
    recipe = workflow.folder / "config/recipes/demo-full.yaml"
    recipe.write_text(recipe.read_text() + "personalize: {shots: [5]}\n")
    workflow.study(grids=[STUDY["grids"][1] | {"conditions": ["clean", "limb-leads"]}])
    with pytest.raises(AssertionError, match="demo-full adapts to patients, of clean signals only"):
        workflow.plan()


def test_a_comment_reruns_nothing(workflow):
    workflow.edit("config/recipes/demo-full.yaml", "# The head", "# Well, the head")
    workflow.edit("workflow/rules/train.smk", '"python -m ecgpipe', '"python  -m ecgpipe')
    assert workflow.plan() == {}


def test_a_new_metric_reruns_no_training(workflow):
    workflow.edit(
        "workflow/rules/score.smk",
        'registry.names("metrics")',
        '["new", *registry.names("metrics")]',
    )
    plan = workflow.plan()
    assert plan["evaluate"] == 5
    assert plan.keys() == {"evaluate", "collect", "table", "figure"}


def test_a_new_task_reruns_no_pretraining(workflow):
    task = workflow.folder / "config/tasks/synthetic-all.yaml"
    (task.parent / "synthetic-more.yaml").write_text(task.read_text())
    grids = copy.deepcopy(STUDY["grids"])
    grids[0]["tasks"].append("synthetic-more")
    workflow.study(grids=grids)
    plan = workflow.plan()
    assert plan["finetune"] == 6 and "pretrain" not in plan and "preprocess" not in plan


def test_one_more_figure_is_one_job(workflow):
    workflow.study(figures=["label_efficiency", "learning_curves"])
    assert workflow.plan() == {"figure": 1}


def test_what_a_study_scores_on_is_looked_at_for_leaks_and_predicted_on_its_own_task(workflow):
    task = workflow.folder / "config/tasks/synthetic-all.yaml"
    (task.parent / "elsewhere.yaml").write_text(task.read_text().replace("synthetic]", "ptbxl]", 1))
    workflow.study(grids=[STUDY["grids"][1] | {"scored_on": ["elsewhere"]}])
    plan = workflow.plan()
    assert plan["audit"] == 1 and plan["preprocess"] == 8 and plan["predict"] == 1


def test_clean_is_predicted_whatever_conditions_are_asked(workflow):
    workflow.study(grids=[STUDY["grids"][1] | {"conditions": ["limb-leads"]}])
    told = workflow.snakemake("-n", "-p")
    assert '"conditions":{"clean":{},"limb-leads":' in told


def test_one_more_round_adds_that_round_alone(workflow):
    workflow.edit("config/recipes/demo-self-training.yaml", "rounds: 2", "rounds: 3")
    plan = workflow.plan()
    assert plan["finetune"] == 2 and plan["predict"] == 2


def test_one_more_seed_adds_its_own_runs(workflow):
    grids = copy.deepcopy(STUDY["grids"])
    grids[1]["seeds"] = [0, 1]
    workflow.study(grids=grids)
    plan = workflow.plan()
    assert plan["finetune"] == 1 and plan["pretrain"] == 1 and plan["evaluate"] == 1


def test_a_condition_predicts_again_without_training(workflow):
    grids = copy.deepcopy(STUDY["grids"])
    grids[1]["conditions"] = ["clean", "limb-leads"]
    workflow.study(grids=grids)
    plan = workflow.plan()
    assert plan["predict"] == 1 and "finetune" not in plan


def test_a_raised_revision_reruns_its_stage_and_what_follows(workflow):
    workflow.edit("workflow/inputs/common.smk", '"finetune": ', '"finetune": 90 + ')
    plan = workflow.plan()
    assert plan["finetune"] == 7 and "pretrain" not in plan


def test_another_mirror_reruns_nothing(workflow):
    assert workflow.plan("--config", "mirror=/elsewhere") == {}


def test_a_changed_table_of_own_recordings_is_read_again(workflow):
    table = workflow.folder / "resources/wfdb_folder/labels.csv"
    table.parent.mkdir()
    table.write_text("record,patient,labels\nx,7,A\n")
    task = "datasets: [wfdb_folder]\nvocabulary: plain\nlabels: [A]\n"
    (workflow.folder / "config/tasks/mine.yaml").write_text(task)
    workflow.study(grids=[STUDY["grids"][1] | {"tasks": ["mine"]}])
    workflow.snakemake()
    assert workflow.plan() == {}
    table.write_text("record,patient,labels\nx,7,A\ny,8,A\n")
    plan = workflow.plan()
    assert plan["download"] == 2 and plan["split"] == 1 and "pretrain" not in plan


def test_a_misspelt_key_of_a_study_is_refused(workflow):
    with pytest.raises(AssertionError, match="additional|Additional"):
        workflow.plan("--config", "sead=3")


def test_a_missing_part_is_answered_with_those_there_are(workflow):
    workflow.study(
        figures=["label_efficiency"], grids=[STUDY["grids"][0] | {"recipes": ["demo-ful"]}]
    )
    with pytest.raises(AssertionError, match=r"demo-ful.yaml does not exist.*demo-full"):
        workflow.plan()


def test_lint_finds_nothing():
    done = subprocess.run(
        [Path(sys.executable).with_name("snakemake"), "--lint"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", BODIES)
def test_a_rule_has_its_log_and_benchmark_where_its_name_says(name):
    body = BODIES[name]
    log = re.search(r'log:\s+"([^"]+)\.log"', body)
    benchmark = re.search(r'benchmark:\s+"([^"]+)\.tsv"', body)
    assert log and benchmark and log[1] == benchmark[1] and log[1].startswith(f"logs/{name}/")
    outputs = re.search(r"output:\n((?:        .*\n)+)", body)[1]
    wildcards = list(dict.fromkeys(re.findall(r"{(\w+)}", outputs)))
    assert re.findall(r"{(\w+)}", log[1]) == wildcards


@pytest.mark.parametrize("name", BODIES)
def test_a_rule_calls_the_stage_of_its_name(name):
    assert f"python -m ecgpipe {name} " in BODIES[name] and "&> {log}" in BODIES[name]
    assert "conda:" in BODIES[name] and f'REVISION["{name}"]' in BODIES[name] + "".join(
        path.read_text() for path in INPUTS
    )


def test_rules_and_stages_are_the_same_words():
    stages = {path.stem for path in (ROOT / "ecgpipe/stages").glob("[!_]*.py")}
    assert stages == set(BODIES)


def test_what_a_run_learns_from_is_not_external_to_it(workflow):
    task = workflow.folder / "config/tasks/synthetic-all.yaml"
    (task.parent / "elsewhere.yaml").write_text(task.read_text() + "external: true\n")
    workflow.study(grids=[STUDY["grids"][1] | {"scored_on": ["elsewhere"]}])
    with pytest.raises(AssertionError, match="elsewhere is external, but .* learns from synthetic"):
        workflow.plan()
