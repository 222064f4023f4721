"""Every file in ecgpipe/tables keeps these promises."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from ecgpipe import registry, render
from ecgpipe.stages import table as stage


@pytest.fixture(params=registry.names("tables"))
def plugin(request):
    return registry.load("tables", request.param)


def test_it_names_only_what_a_study_has(plugin):
    assert set(plugin.NEEDS) <= set(render.SOURCES)
    assert plugin.__doc__


def test_it_builds_numbers_for_every_arm(plugin, needs):
    table = plugin.build(needs)
    assert isinstance(table, pd.DataFrame)
    assert set(render.arm_labels(needs.study)) <= set(table["arm"])
    assert not table.duplicated().any()


def test_it_needs_nothing_else(plugin, needs):
    held = {"predictions": "predictions", "records": "shards"}
    kept = {held.get(name, name): getattr(needs, held.get(name, name)) for name in plugin.NEEDS}
    pd.testing.assert_frame_equal(
        plugin.build(render.Needs(needs.study, **kept)), plugin.build(needs)
    )


def test_its_layout_is_text_that_markdown_and_latex_can_hold(plugin, needs):
    shown = plugin.layout(plugin.build(needs))
    assert shown.map(lambda cell: isinstance(cell, str)).all().all()
    assert "nan" not in stage.markdown(shown)
    assert len(stage.markdown(shown).splitlines()) == len(shown) + 2
    for line in stage.latex(shown).splitlines():
        assert not line.endswith(r"\\") or line.count(" & ") == shown.shape[1] - 1


def test_the_order_of_the_collected_lines_does_not_matter(plugin, needs):
    mixed = {
        name: getattr(needs, name).sample(frac=1, random_state=0)
        for name in plugin.NEEDS
        if name in render.COLLECTED
    }
    pd.testing.assert_frame_equal(plugin.build(replace(needs, **mixed)), plugin.build(needs))


def test_the_best_arm_of_the_main_table_is_the_one_with_the_highest_mean(needs):
    table = registry.load("tables", "main").build(needs)
    for _, lines in table.groupby(["task", "budget"]):
        assert lines.loc[lines["mean"].idxmax(), "best"]


def test_the_cost_of_pretraining_stands_beside_that_of_finetuning(needs):
    plugin = registry.load("tables", "cost")
    table = plugin.build(needs)
    own = table[table["stage"] == "pretrain"]
    assert list(own["name"]) == ["random-xresnet1d18", "supervised-xresnet1d18"]
    assert set(own["seeds"]) == {3} and set(plugin.layout(own)["Task"]) == {"pretraining"}


def test_the_stage_writes_three_forms(needs, tmp_path):
    from ecgpipe.settings import canonical

    needs.scores.to_csv(tmp_path / "scores.csv", index=False)
    none = dict.fromkeys(("comparisons", "costs", "histories"))
    stage.run(
        table="main",
        settings=canonical({"study": asdict(needs.study)}),
        results=tmp_path,
        scores=tmp_path / "scores.csv",
        out=tmp_path / "tables" / "main.csv",
        **none,
    )
    assert sorted(p.name for p in (tmp_path / "tables").iterdir()) == [
        "main.csv",
        "main.md",
        "main.tex",
    ]
    assert r"\textbf{0." in (tmp_path / "tables" / "main.tex").read_text()


def reach(scores, target):
    budgets = np.array([0.01, 0.1, 1.0])
    return registry.load("tables", "equal_budget").reach(budgets, np.array(scores), target)


def test_between_two_budgets_a_score_grows_with_the_logarithm():
    assert reach([0.7, 0.8, 0.9], 0.85) == pytest.approx(np.sqrt(0.1))
    assert reach([0.7, 0.8, 0.9], 0.8) == 0.1
    assert reach([0.7, np.nan, 0.9], 0.8) == pytest.approx(0.1)  # a budget that was not run


def test_the_first_budget_that_is_enough_counts():
    assert reach([0.9, 0.8, 0.95], 0.85) == 0.01
    assert reach([0.7, 0.9, 0.8], 0.85) < 0.1
    assert reach([0.7, 0.8, 0.9], 0.95) == np.inf


def test_equal_budgets_are_those_of_the_seeds(needs):
    plugin = registry.load("tables", "equal_budget")
    table = plugin.build(needs)
    line = table[table["task"] == "ptbxl-superdiag"].set_index("name").loc["supervised + probe"]
    assert line["needed_low"] < line["needed"] < line["needed_high"] and line["seeds"] == 3
    shown = plugin.layout(table).set_index(["Task", "Arm"])["As good with"]
    assert shown["ptbxl-superdiag", "random + probe"] == "not reached"
    assert shown["ptbxl-superdiag", "random + scratch"] == "100 %"
    assert shown["ptbxl-superdiag", "supervised + self-training"] == "≤ 5 %"
    assert stage.escape("≤ 5 %") == r"$\leq$ 5 \%"


def test_without_an_arm_from_scratch_there_is_nothing_to_equal(needs):
    costs = needs.costs[needs.costs["recipe"] != "scratch"]
    with pytest.raises(ValueError, match="trains a whole network from scratch"):
        registry.load("tables", "equal_budget").build(replace(needs, costs=costs))


def test_a_difference_is_as_good_only_if_its_interval_lies_within_the_margin():
    judge = registry.load("tables", "transfer").judge
    assert judge(-0.004, 0.009) == judge(0.001, 0.009) == "as good"
    assert judge(0.001, 0.02) == "better" and judge(-0.02, -0.001) == "worse"
    assert judge(-0.004, 0.02) == "undecided"


def test_transfer_is_held_against_scratch_at_the_same_place(needs):
    table = registry.load("tables", "transfer").build(needs)
    scores = needs.scores.query("metric == 'auroc' and label == 'macro' and condition == 'clean'")
    scratch = scores[scores["recipe"] == "scratch"].groupby(["task", "budget"])["value"].mean()
    for line in table.itertuples():
        assert line.scratch == pytest.approx(scratch[line.task, line.budget])
    assert set(table["reference"]) == {"random-xresnet1d18 + scratch"}
    assert set(table.loc[table["arm"] == table["reference"], "verdict"]) == {"reference"}


def test_transfer_without_an_arm_from_scratch_is_refused(needs):
    costs = needs.costs[needs.costs["recipe"] != "scratch"]
    with pytest.raises(ValueError, match="transfer: no arm trains a whole network"):
        registry.load("tables", "transfer").build(replace(needs, costs=costs))
