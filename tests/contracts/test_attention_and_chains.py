"""What tables and figures say of where models look, and of chains of pretrainings."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from ecgpipe import enrichment, registry

RANDOM, SUPERVISED = "random-xresnet1d18", "supervised-xresnet1d18"


@pytest.fixture(scope="module")
def chained(needs):
    """The supervised pretraining goes on from the other, which has learnt something too."""
    own = needs.costs["stage"] == "pretrain"
    last = own & (needs.costs["pretraining"] == SUPERVISED)
    costs = needs.costs.assign(start=np.where(last, RANDOM, None))
    costs["steps"] = costs["steps"].where(~own | last, 1000)
    return replace(needs, costs=costs)


@pytest.fixture(scope="module")
def attention(needs):
    return registry.load("tables", "attention").build(needs)


def said(drawn):
    return " ".join(text.get_text() for text in drawn.findobj(Text))


def test_an_encoder_was_shaped_by_its_own_steps_and_those_before(chained):
    points = registry.load("figures", "chain").read_points(chained)
    found = points[points["task"] == "ptbxl-rhythm"].set_index("pretraining")
    assert found["steps"].to_dict() == {RANDOM: 1000, SUPERVISED: 6000}
    assert found["before"].to_dict() == {RANDOM: None, SUPERVISED: RANDOM}
    assert set(found["end"]) == {f"{SUPERVISED} + probe"}


def test_a_stage_that_two_go_on_from_ends_its_chain_itself():
    place = ["task", "split", "scored_on", "recipe"]
    told = [("first", None), ("second", "first"), ("third", "second"), ("other", "second")]
    points = pd.DataFrame(told, columns=["pretraining", "before"])
    points = points.assign(arm=points["pretraining"].str.upper(), **dict.fromkeys(place, "same"))
    ends = registry.load("figures", "chain").ends
    assert ends(points) == ["SECOND", "SECOND", "THIRD", "OTHER"]
    elsewhere = points.assign(task=["one", "one", "one", "two"])
    assert ends(elsewhere) == ["THIRD", "THIRD", "THIRD", "OTHER"]


def test_links_that_a_search_did_not_keep_shaped_nothing(chained):
    searched = chained.costs["steps"].where(chained.costs["pretraining"] == SUPERVISED)
    costs = chained.costs.assign(kept_steps=searched / 5)
    stages = registry.load("figures", "chain").stages_of(costs)
    assert stages[SUPERVISED, "standard"] == [(SUPERVISED, 1000), (RANDOM, 1000)]


def test_a_line_joins_an_encoder_to_the_one_it_goes_on_from(chained):
    panel = registry.load("figures", "chain").draw(chained).axes[0]
    joined = [line for line in panel.lines if len(line.get_xdata()) == 2]
    own = chained.scores.query("task == 'ptbxl-superdiag' and budget == '1.0' and label == 'macro'")
    own = own.query("recipe == 'probe' and metric == 'auroc' and condition == 'clean'")
    means = own.groupby("pretraining")["value"].mean()
    drawn = [line.get_xydata() for line in joined if list(line.get_xdata()) == [1000, 6000]]
    np.testing.assert_allclose(drawn[0][:, 1], means[[RANDOM, SUPERVISED]])


def test_a_link_stands_at_the_steps_of_the_chain_it_would_have_made(needs):
    links = registry.load("figures", "chain").read_links(needs.histories)
    own = links[links["seed"] == 0].set_index(["place", "pretext"])["steps"]
    first = dict.fromkeys([(1, "transforms"), (1, "location"), (1, "masked")], 500)
    second = dict.fromkeys([(2, "transforms"), (2, "location")], 1000)
    assert own.to_dict() == {(0, "start"): 0} | first | second


def test_points_at_the_same_steps_stand_side_by_side():
    across = registry.load("figures", "chain").set_apart(pd.Series([1000.0, 500.0, 1000.0]))
    assert across[0] < 1000 < across[2] and across[1] == 500
    assert across[0] + across[2] == pytest.approx(2000)
    many = registry.load("figures", "chain").set_apart(pd.Series([600.0] * 8 + [1000.0]))
    assert many.is_unique and (many[:8] - 600).abs().max() < 31


def test_without_a_frozen_encoder_searches_are_shown_alone(needs):
    unfrozen = replace(needs, costs=needs.costs.drop(columns="encoding_seconds"))
    drawn = registry.load("figures", "chain").draw(unfrozen)
    titles = [panel.get_title(loc="left") for panel in drawn.axes]
    assert titles == [f"search for {SUPERVISED}, seed {seed}" for seed in (0, 1, 2)]


def test_a_study_without_a_chain_says_so(needs):
    plain = replace(needs, histories=needs.histories.drop(columns="pretext"))
    drawn = registry.load("figures", "chain").draw(plain)
    assert "no pretraining goes on from another" in said(drawn)


def test_a_chain_costs_what_all_its_stages_cost(chained):
    table = registry.load("tables", "cost").build(chained)
    whole = table.set_index(["arm", "task", "budget"])
    spent = whole["seconds_from_start"] - whole["seconds"]
    assert spent[SUPERVISED, "", ""] == 900 and spent[RANDOM, "", ""] == 0
    assert spent[f"{SUPERVISED} + probe", "ptbxl-rhythm", "1.0"] == pytest.approx(1800)


def test_a_score_stands_above_what_pretraining_and_finetuning_take_together(chained):
    found = registry.load("figures", "cost_score").costs_of_arms(chained.costs)
    steps = found["pretraining"].map({RANDOM: 1000, SUPERVISED: 6000})
    np.testing.assert_allclose(found["total"] - found["minutes"], 0.17 * steps / 60)


def test_what_is_lost_elsewhere_is_of_the_labels_of_both_tasks(needs):
    lost = registry.load("tables", "attention").lost_elsewhere
    about = {"pretraining": "p", "recipe": "r", "task": "a", "split": "s", "budget": "1.0"}
    about |= {"seed": 0}
    told = [("a", "X", 0.9), ("a", "Y", 0.8), ("a", "macro", 0.85), ("b", "X", 0.7)]
    told += [("b", "macro", 0.7), ("c", "X", 0.8), ("c", "Y", 0.8), ("c", "macro", 0.8)]
    lines = [about | {"scored_on": on, "label": of, "value": value} for on, of, value in told]
    assert lost(pd.DataFrame(lines))["value"].to_list() == pytest.approx([(0.2 + 0.05) / 2])


def test_what_is_lost_under_noise_leaves_other_disturbances_out(needs, attention):
    noisy = needs.scores["condition"].str.contains("white|muscle")
    own = needs.scores[noisy & (needs.scores["task"] == "ptbxl-superdiag")]
    expected = -own[own["budget"] == "1.0"].groupby(["pretraining", "recipe"])["change"].mean()
    lines = attention[attention["measure"] == "noise"]
    arms = [tuple(arm.split(" + ")) for arm in lines["arm"]]
    assert lines["value"].to_list() == pytest.approx(expected[arms].to_list())


def test_only_regions_declared_for_a_label_are_expected(attention):
    told = attention[attention["measure"] == "enrichment"]
    yes = told[told["expected"] == "yes"].groupby("label")["region"].agg(set)
    assert yes["CD"] == {"QRS", "expected"} and yes["STTC"] == {"ST", "T", "expected"}
    assert yes["all"] == {"expected"}


def test_every_arm_is_held_against_the_first_that_was_explained(attention):
    told = attention[(attention["measure"] == "enrichment") & (attention["among"] == "all")]
    own = told[(told["label"] == "MI") & (told["region"] == "QRS")]
    means = own.pivot(index="attribution", columns="arm", values="value")
    differences = own.pivot(index="attribution", columns="arm", values="difference")
    first = f"{RANDOM} + probe"
    others = means.drop(columns=first)
    assert differences[first].isna().all()
    np.testing.assert_allclose(differences[others.columns], others.sub(means[first], axis=0))


def test_the_most_frequent_labels_have_a_panel_each(needs):
    drawn = registry.load("figures", "attention").draw(needs)
    titles = [panel.get_title(loc="left").split(",")[0] for panel in drawn.axes]
    assert titles == ["expected regions", "CD", "MI", "STTC"]


def test_the_first_arm_and_the_best_of_the_others_are_pictured(needs):
    plugin = registry.load("figures", "attribution")
    chosen = plugin.choose_arms(needs, list(needs.attributions))
    assert [run.arm for run, _ in chosen] == [f"{RANDOM} + probe", f"{SUPERVISED} + self_training"]
    assert {run.seed for run, _ in chosen} == {0}


def test_the_pictured_record_is_the_one_whose_label_both_are_surest_of(needs):
    plugin = registry.load("figures", "attribution")
    paths = [path for _, path in needs.attributions[:2]]
    example = plugin.choose_example(paths)
    lines = pd.concat([enrichment.read(path) for path in paths])
    sure = lines.groupby(["label", "record"])["probability"].mean()
    kept = [key[:2] for key in plugin.index_examples(paths[0])]
    assert len(kept) > 1 and sure[example[:2]] == sure[kept].max() > sure[kept].min()
    with pytest.raises(ValueError, match=f"{example.record} of other:030 is not in the --shards"):
        plugin.find(example._replace(patient="other:030"), needs.shards)


def test_without_an_explanation_there_is_nothing_to_picture(needs):
    for name in ("attention", "attribution"):
        drawn = registry.load("figures", name).draw(replace(needs, attributions=()))
        assert "no grid of the study names an explanation" in said(drawn)
