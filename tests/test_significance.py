"""The table of significance: arms against the first, over patients and over seeds."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from ecgpipe import registry
from ecgpipe.render import Needs
from ecgpipe.studies import Grid, Study

RECIPES = ("ours", "copy", "worse", "noisy")
SEEDS = tuple(range(6))
AUROC = {  # of each recipe, seed by seed
    "ours": [0.90, 0.91, 0.89, 0.92, 0.90, 0.91],
    "copy": [0.90, 0.91, 0.89, 0.92, 0.90, 0.91],
    "worse": [0.88, 0.88, 0.87, 0.89, 0.89, 0.88],
    "noisy": [0.93, 0.85, 0.91, 0.87, 0.94, 0.88],
}
PLACE = {"task": "a", "split": "standard", "scored_on": "a", "budget": "0.05"}


@pytest.fixture
def plugin():
    return registry.load("tables", "significance")


def needs(seeds=SEEDS, recipes=RECIPES):
    study = Study("s", (Grid(("p",), recipes, ("a",), ("standard",), ("0.05",), seeds),))
    clean = {"condition": "clean", "metric": "auroc"}
    about = {**PLACE, **clean, "pretraining": "p", "label": "macro", "shots": np.nan}
    lines = [
        about | {"recipe": recipe, "seed": seed, "value": AUROC[recipe][seed]}
        for recipe in recipes
        for seed in seeds
    ]
    compared = [
        {**PLACE, **clean, "arm_a": "p + ours", "arm_b": f"p + {recipe}"}
        | {"low": 0.01, "high": 0.03, "p": 0.001 if recipe == "worse" else 0.04}
        for recipe in recipes[1:]
    ]
    return Needs(study, scores=pd.DataFrame(lines), comparisons=pd.DataFrame(compared))


def built(plugin, **some):
    return plugin.build(needs(**some)).set_index("name")


def test_every_arm_is_held_against_the_first_of_the_study(plugin):
    table = built(plugin)
    assert list(table.index) == list(RECIPES) and set(table["reference"]) == {"p + ours"}
    expected = np.mean(AUROC["worse"]) - np.mean(AUROC["ours"])
    assert table.loc["worse", "difference"] == pytest.approx(expected)
    assert table.loc["ours", ["difference", "p_t", "p_fdr", "low"]].isna().all()


def test_the_interval_is_turned_with_the_difference(plugin):
    line = built(plugin).loc["worse"]
    assert (line["low"], line["high"], line["p"]) == (-0.03, -0.01, 0.001)


def test_the_bootstrap_is_corrected_among_the_other_arms(plugin):
    found = built(plugin)["p_holm"]
    assert found[["copy", "worse", "noisy"]].tolist() == pytest.approx([0.08, 0.003, 0.08])


def test_seeds_are_paired_in_a_two_sided_t_test(plugin):
    table = built(plugin)
    for recipe in ("worse", "noisy"):
        expected = ttest_rel(AUROC[recipe], AUROC["ours"]).pvalue
        assert table.loc[recipe, "p_t"] == pytest.approx(expected)


def test_an_arm_that_always_scores_the_same_does_not_differ(plugin):
    assert built(plugin).loc["copy", "p_t"] == 1


def test_false_discoveries_are_counted_among_the_other_arms(plugin):
    """Benjamini and Hochberg: the i-th smallest of m is multiplied by m / i, from above."""
    others = built(plugin).drop("ours").sort_values("p_t")
    smallest, middle, largest = others["p_t"]
    middle = min(3 / 2 * middle, largest)
    assert others["p_fdr"].tolist() == pytest.approx([min(3 * smallest, middle), middle, largest])


def test_too_few_seeds_are_said_instead_of_tested(plugin):
    table = plugin.build(needs(seeds=(0, 1)))
    assert table["p_fdr"].isna().all()
    assert plugin.layout(table)["p, seeds"].tolist() == ["–", *["needs 3 seeds"] * 3]


def test_only_p_values_up_to_five_percent_are_bold(plugin):
    shown = plugin.layout(plugin.build(needs())).set_index("Arm")
    assert shown.loc["worse", "p, patients"] == "**0.003**"
    assert shown.loc["worse", "p, seeds"].startswith("**0.00")
    assert "*" not in shown.loc["noisy", "p, seeds"]


def test_a_single_arm_is_refused(plugin):
    with pytest.raises(ValueError, match="two arms"):
        plugin.build(needs(recipes=("ours",)))
