"""Every file in ecgpipe/figures keeps these promises."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy.spatial.distance import cdist
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, roc_auc_score

from ecgpipe import registry, render
from ecgpipe.settings import Condition

PROBE = "supervised-xresnet1d18 + probe"


@pytest.fixture(params=registry.names("figures"), scope="module")
def plugin(request):
    return registry.load("figures", request.param)


@pytest.fixture(scope="module")
def drawn(plugin, needs):
    return plugin.draw(needs)


def test_it_names_only_what_a_study_has(plugin):
    assert set(plugin.NEEDS) <= set(render.SOURCES)
    assert plugin.__doc__


def test_it_draws_panels_whose_axes_have_labels_or_no_ticks(drawn):
    assert isinstance(drawn, Figure)
    assert drawn.axes
    assert any(panel.get_xlabel() for panel in drawn.axes)
    assert any(panel.get_ylabel() or not panel.yaxis.get_visible() for panel in drawn.axes)


def test_no_text_is_too_small_to_read(drawn):
    texts = [text for text in drawn.findobj(Text) if text.get_text() and text.get_visible()]
    assert min(text.get_fontsize() for text in texts) >= 6


def test_nothing_leaves_the_page(drawn):
    drawn.draw_without_rendering()
    box = drawn.get_tightbbox()
    assert min(box.x0, box.y0) > -0.03  # inches
    assert box.x1 < drawn.get_figwidth() + 0.03
    assert box.y1 < drawn.get_figheight() + 0.03


def test_drawn_and_saved_twice_it_gives_the_same_bytes(plugin, drawn, needs, tmp_path):
    for suffix in (".pdf", ".png"):
        drawn.savefig(tmp_path / f"once{suffix}")
        plugin.draw(needs).savefig(tmp_path / f"twice{suffix}")
        once, twice = (tmp_path / f"{name}{suffix}" for name in ("once", "twice"))
        assert once.read_bytes() == twice.read_bytes()


def test_the_stage_writes_pdf_with_embedded_fonts_and_png(needs, tmp_path):
    from ecgpipe.settings import canonical
    from ecgpipe.stages import figure as stage

    needs.scores.to_csv(tmp_path / "scores.csv", index=False)
    none = dict.fromkeys(("comparisons", "costs", "histories"))
    stage.run(
        figure="label_efficiency",
        settings=canonical({"study": asdict(needs.study)}),
        results=tmp_path,
        scores=tmp_path / "scores.csv",
        shards=[],
        out=tmp_path / "figures" / "label_efficiency.pdf",
        **none,
    )
    files = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert files == ["label_efficiency.pdf", "label_efficiency.png"]
    pdf = (tmp_path / "figures" / "label_efficiency.pdf").read_bytes()
    assert b"/CIDFontType2" in pdf and b"/Type3" not in pdf


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(0)
    probability = rng.random((400, 1))
    return rng.random((400, 1)) < probability**2, probability


def test_reliability_bins_are_those_of_scikit_learn(pairs):
    present, said = calibration_curve(pairs[0].ravel(), pairs[1].ravel(), n_bins=10)
    ours = registry.load("figures", "reliability").bin_pairs(*pairs)
    np.testing.assert_allclose(ours[:2], [said, present])


def test_the_curves_hold_the_areas_of_scikit_learn(pairs):
    plugin, (target, probability) = registry.load("figures", "roc_pr"), (p.ravel() for p in pairs)
    roc, precision = (
        plugin.roc_along(target, probability),
        plugin.precision_along(target, probability),
    )
    assert np.trapezoid(roc, plugin.ALONG) == pytest.approx(
        roc_auc_score(target, probability), abs=5e-3
    )
    area = average_precision_score(target, probability)
    assert precision[1:].mean() == pytest.approx(area, abs=5e-3)


def test_a_bar_joins_only_arms_that_are_all_alike():
    plugin = registry.load("figures", "critical_difference")
    same = np.eye(4, dtype=bool)
    same[:2, :2] = same[1:3, 1:3] = True  # 0 = 1, 1 = 2, but 0 differs from 2
    assert plugin.cliques(same) == [(0, 1), (1, 2)]


def test_arms_that_always_differ_are_parted_and_equal_ones_are_not():
    plugin = registry.load("figures", "critical_difference")
    scores = np.random.default_rng(0).random((12, 3)) + [0, 0, 2]
    scores[:, 1] = scores[:, 0]
    expected = [[True, True, False], [True, True, False], [False, False, True]]
    np.testing.assert_array_equal(plugin.indistinct(scores), expected)


def test_a_win_seen_from_the_other_arm_is_a_loss(needs):
    both = registry.load("figures", "comparison_matrix").both_ways(needs.comparisons)
    assert len(both) == 2 * len(needs.comparisons)
    assert both["difference"].sum() == pytest.approx(0)
    assert (both["verdict"] == "win").sum() == (both["verdict"] == "loss").sum()


def test_arms_of_different_tasks_have_matrices_of_their_own(needs):
    arms = list(dict.fromkeys(needs.comparisons["arm_a"]))
    pairs = pd.DataFrame({"arm_a": ["d", "a", "e"], "arm_b": ["e", "b", "c"]})
    part = registry.load("figures", "comparison_matrix").part
    assert part(list("abcde"), pairs) == [["a", "b"], ["c", "d", "e"]]
    assert len(part(arms, needs.comparisons.query("arm_b in @arms"))) == 1


def test_arms_that_share_too_few_blocks_with_the_others_are_not_ranked():
    blocks = pd.DataFrame(np.ones((4, 4)), columns=list("abcd"))
    blocks.loc[2:, "c"] = blocks.loc[1:, "d"] = np.nan
    complete = registry.load("figures", "critical_difference").complete
    assert complete(blocks).shape == (4, 2)
    blocks.loc[2, "c"] = 1.0
    assert list(complete(blocks)) == ["a", "b", "c"] and len(complete(blocks)) == 3


def test_too_few_arms_are_said_and_not_drawn(needs):
    few = needs.scores[needs.scores["recipe"] == "probe"]
    drawn = registry.load("figures", "critical_difference").draw(replace(needs, scores=few))
    assert any("2 arms" in text.get_text() for text in drawn.findobj(Text))


def test_a_noise_of_several_ratios_is_a_curve_and_any_other_condition_a_change(needs):
    blocks = registry.load("figures", "robustness").read_blocks(needs)
    assert list(blocks) == ["ptbxl-superdiag", "ptbxl-rhythm"]  # clean alone is no block
    block = blocks["ptbxl-superdiag"]
    assert {noise: set(lines["snr"]) for noise, lines in block.curves.items()} == {
        "white": {np.inf, 24, 12, 6, 0, -6},
        "nstdb/ma": {np.inf, 12, 6, 0},
    }
    assert set(block.changes["condition"]) == {"limb-leads", "half"}


def test_a_figure_is_saved_without_dates_whatever_its_name(tmp_path):
    from ecgpipe.figures import _style

    _style.Sheet().savefig(tmp_path / "some.pdf.part", format="pdf")
    assert b"CreationDate" not in (tmp_path / "some.pdf.part").read_bytes()


def test_arms_that_were_not_disturbed_are_left_out_of_robustness(needs):
    noisy = needs.scores["condition"] != "clean"
    fewer = needs.scores[~(noisy & (needs.scores["recipe"] != "probe"))]
    blocks = registry.load("figures", "robustness").read_blocks(replace(needs, scores=fewer))
    assert all(arm.endswith(" + probe") for block in blocks.values() for arm in block.arms())
    lines = next(iter(blocks["ptbxl-superdiag"].curves.values()))
    assert np.inf in set(lines["snr"]) and set(lines["arm"]) == blocks["ptbxl-superdiag"].arms()


def test_a_reference_that_learnt_nothing_squeezes_no_comparison():
    place = {"task": "t", "split": "s", "scored_on": "t", "budget": "1.0", "seed": 0}
    arms = [
        ("random + probe", True, 0.51),
        ("random + full", True, 0.8),
        ("clr + probe", False, 0.5),
    ]
    scores = pd.DataFrame([{**place, "arm": a, "reference": r, "value": v} for a, r, v in arms])
    left = registry.load("figures", "objective_comparison").without_nulls(scores)
    assert list(left["arm"]) == ["random + full", "clr + probe"]


def test_noise_beside_another_disturbance_is_no_point_of_a_curve():
    noises_of = registry.load("figures", "robustness").noises_of
    told = {f"{snr}": Condition(noise="white", snr=snr) for snr in (0.0, 6.0, 12.0)}
    told |= {"both": Condition(noise="white", snr=3.0, gain=2.0), "one": Condition("muscle", 6.0)}
    assert noises_of(told, set(told) - {"6.0"}) == {"white": {"0.0": 0.0, "12.0": 12.0}}


def test_a_change_is_the_mean_over_seeds_at_the_largest_budget(needs):
    block = registry.load("figures", "robustness").read_blocks(needs)["ptbxl-superdiag"]
    drawn = block.changes.set_index(["arm", "condition"]).loc[(PROBE, "half")]
    own = needs.scores.query("task == 'ptbxl-superdiag' and budget == '1.0'")
    own = own.query("condition == 'half' and recipe == 'probe'")
    own = own[own["pretraining"].str.startswith("supervised")]
    expected = own[["change", "change_low", "change_high"]].mean()
    assert list(drawn[["mean", "low", "high"]]) == pytest.approx(list(expected))


def test_only_a_task_whose_models_were_scored_elsewhere_is_shown(needs):
    plugin = registry.load("figures", "external_validation")
    (panel,) = plugin.draw(needs).axes
    places = [tick.get_text().split("\n")[0] for tick in panel.get_yticklabels()]
    assert places == ["ptbxl-rhythm", "georgia-rhythm"]
    own = needs.scores[needs.scores["task"] == needs.scores["scored_on"]]
    assert "besides its own" in said(plugin.draw(replace(needs, scores=own)))


def test_pretrainings_are_ranked_by_their_best_recipe():
    rank = registry.load("figures", "objective_comparison").rank
    lines = [("a", "linear", 0.5), ("a", "full", 0.9), ("b", "linear", 0.8), ("b", "full", 0.8)]
    scores = pd.DataFrame(lines, columns=["pretraining", "arm", "value"])
    assert rank(scores) == ["a", "b"]


def test_lines_stand_where_networks_not_pretrained_score(needs):
    panel = registry.load("figures", "objective_comparison").draw(needs).axes[1]  # 100 %
    drawn = [line.get_xdata()[0] for line in panel.lines if line.get_linestyle() == "--"]
    own = needs.scores.query("task == 'ptbxl-superdiag' and budget == '1.0' and label == 'macro'")
    own = own.query("metric == 'auroc' and condition == 'clean'")
    own = own[own["pretraining"].str.startswith("random")]
    random = own.groupby("recipe")["value"].mean()
    assert sorted(drawn) == pytest.approx(sorted(random))


def test_a_study_without_pretraining_has_no_objectives_to_compare(needs):
    plugin = registry.load("figures", "objective_comparison")
    random = needs.scores[needs.scores["pretraining"].str.startswith("random")]
    assert "no arm was pretrained" in said(plugin.draw(replace(needs, scores=random)))


def test_the_front_holds_what_nothing_as_cheap_outscores():
    lines = [
        ("cheap", 1, 0.7),
        ("dear", 9, 0.9),
        ("worse", 3, 0.6),
        ("same", 9, 0.8),
        ("mid", 2, 0.8),
    ]
    points = pd.DataFrame(lines, columns=["arm", "minutes", "mean"])
    best = registry.load("figures", "cost_score").front(points, "minutes")
    assert list(best["arm"]) == ["cheap", "mid", "dear"]


def test_rounds_cost_time_together_and_memory_at_most(needs):
    costs = needs.costs[needs.costs["recipe"] == "self_training"]
    found = registry.load("figures", "cost_score").costs_of_arms(costs)
    by_run = costs.groupby(["task", "budget", "seed"])["seconds"].sum()
    expected = by_run.groupby(["task", "budget"]).mean() / 60
    assert list(found["minutes"]) == pytest.approx(list(expected))
    assert list(found["gigabytes"]) == pytest.approx([1.2] * len(found))


def test_arms_of_the_same_cost_stand_side_by_side():
    cost = pd.Series([5.0, 5.0, 50.0])
    across = registry.load("figures", "cost_score").set_apart(cost, 1.0, 100.0)
    assert across[0] < 5 < across[1] and across[2] == pytest.approx(50)
    assert across[0] * across[1] == pytest.approx(25)


def test_many_arms_of_the_same_cost_stay_near_it():
    across = registry.load("figures", "cost_score").set_apart(pd.Series([10.0] * 40), 1.0, 100.0)
    assert across.is_unique and across.min() > 10 / 100**0.031 and across.max() < 10 * 100**0.031


def test_arms_at_chance_have_no_cost_worth_weighing(needs):
    plugin = registry.load("figures", "cost_score")
    lost = needs.scores["recipe"] == "scratch"
    values = needs.scores["value"].mask(lost & (needs.scores["metric"] == "auroc"), 0.5)
    before, after = (
        {text for text in said(plugin.draw(told)).split() if text == "scratch"}
        for told in (needs, replace(needs, scores=needs.scores.assign(value=values)))
    )
    assert before and not after


def test_one_arm_alone_has_no_cost_to_be_weighed(needs):
    few = needs.scores[needs.scores["recipe"] == "scratch"]
    drawn = registry.load("figures", "cost_score").draw(replace(needs, scores=few))
    assert "nothing to compare" in said(drawn)


def test_a_task_without_a_step_of_finetuning_has_no_curve(needs):
    plugin, told = registry.load("figures", "learning_curves"), needs.histories
    kept = plugin.draw(replace(needs, histories=told[told["task"] == "ptbxl-rhythm"]))
    titles = {panel.get_title(loc="left") for panel in kept.axes}
    assert titles == {"ptbxl-rhythm, 100 %", ""}
    none = replace(needs, histories=told[told["stage"] == "pretrain"])
    assert "no arm was finetuned step by step" in said(plugin.draw(none))


def test_what_took_no_step_of_finetuning_has_no_cost_to_be_weighed(needs):
    frozen = needs.costs["recipe"] == "probe"
    costs = needs.costs.assign(steps=needs.costs["steps"].where(frozen, 0))
    found = registry.load("figures", "cost_score").costs_of_arms(costs)
    assert set(found["arm"]) == {"random-xresnet1d18 + probe", PROBE}


def test_neighbours_alike_are_counted_as_by_hand(rng):
    label = np.repeat([0, 1, 2], 20)
    places = rng.normal(size=(60, 2)) + label[:, None]
    distances = cdist(places, places) + 1e9 * np.eye(60)
    alike = label[distances.argsort(axis=1)[:, :10]] == label[:, None]
    share = registry.load("figures", "embedding").share_alike(places, label)
    assert share == pytest.approx(alike.mean())  # labels are equally common


def test_an_encoder_that_says_the_same_of_every_record_has_no_components():
    reduced = registry.load("figures", "embedding").reduce(np.full((60, 8), 3.0, np.float32))
    assert not reduced.any()


def test_without_a_frozen_encoder_there_is_no_map(needs):
    kept = tuple(pair for pair in needs.predictions if pair[0].recipe != "probe")
    drawn = registry.load("figures", "embedding").draw(replace(needs, predictions=kept))
    assert "no frozen encoder" in said(drawn)


def test_a_gain_is_the_difference_from_scratch_of_the_same_backbone(needs):
    panel = registry.load("figures", "gain").draw(needs).axes[1]  # superdiag, self-training
    (drawn,) = (line for line in panel.lines if line.get_marker() not in ("None", None))
    own = needs.comparisons.query("task == 'ptbxl-superdiag' and metric == 'auroc'")
    arms = own[["arm_a", "arm_b"]].agg(" ".join, axis=1)
    own = own[arms.str.contains("scratch") & arms.str.contains("self_training")]
    assert list(drawn.get_xdata()) == [0.05, 1.0]
    np.testing.assert_allclose(drawn.get_ydata(), -own.sort_values("budget")["difference"])


def test_without_several_budgets_there_is_no_gain_to_follow(needs):
    few = needs.comparisons[needs.comparisons["budget"] == "1.0"]
    drawn = registry.load("figures", "gain").draw(replace(needs, comparisons=few))
    assert "several budgets" in said(drawn)


def test_where_pretraining_pays_both_totals_are_the_same(needs):
    panel = registry.load("figures", "break_even").draw(needs).axes[0]
    scratch, *others = (line for line in panel.lines if line.get_marker() == "None")
    marks = [line for line in panel.lines if line.get_marker() == "o"]
    assert marks and len(others) >= len(marks)
    for mark in marks:
        (tasks,), (spent,) = mark.get_data()
        assert np.interp(tasks, *scratch.get_data()) == pytest.approx(spent, rel=1e-3)


def test_without_an_arm_from_scratch_nothing_breaks_even(needs):
    costs = needs.costs[needs.costs["recipe"] != "scratch"]
    drawn = registry.load("figures", "break_even").draw(replace(needs, costs=costs))
    assert "from scratch" in said(drawn)


def said(drawn):
    return " ".join(text.get_text() for text in drawn.findobj(Text))
