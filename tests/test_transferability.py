"""Whether transfer can be told beforehand, what it is worth at equal cost, and to which network."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from ecgpipe import predictions, registry, scores, studies, transfer
from ecgpipe.predictions import Predictions
from ecgpipe.render import Needs
from ecgpipe.studies import Grid, Study

AT = {"task": "rhythm", "split": "standard", "budget": "1.0"}
ABOUT = {**AT, "scored_on": "rhythm", "condition": "clean", "metric": "auroc", "label": "macro"}
SIZES = {"random-net": 100, "cpc-net": 100, "random-gru": 70, "cpc-gru": 70}
STEPS = {"full": 10, "long": 60, "probe": 10}
PRETRAINED = 50  # steps
FLOPS = 7.0  # a step
RUNS = [("random", "full"), ("random", "long"), ("random", "probe"), ("cpc", "full")]
RUNS += [("cpc", "probe")]


@pytest.fixture
def study():
    """Scratch, scratch for longer, and a probe of two networks, untrained and pretrained."""
    place = {f"{name}s": (value,) for name, value in AT.items()} | {"seeds": (0, 1)}
    untrained = Grid(("random-net", "random-gru"), ("full", "long", "probe"), **place)
    return Study("made-up", (untrained, Grid(("cpc-net", "cpc-gru"), ("full", "probe"), **place)))


@pytest.fixture
def costs(study):
    lines = []
    for name in SIZES:
        own = {"stage": "pretrain", "pretraining": name, "split": "standard", "seed": 0}
        steps = PRETRAINED if name.startswith("cpc") else 0
        own |= {"steps": steps, "seconds_per_step": 0.5, "flops_per_step": FLOPS}
        lines.append(own)
    for run in studies.runs(study):
        whole = run.recipe != "probe"
        size = SIZES[run.pretraining]
        own = {"stage": "finetune", "parameters": size, "trainable": size if whole else 5}
        own |= {"encoding_seconds": np.nan if whole else 2.0, "round": 1, "trials": 2}
        own |= {"encoding_flops": np.nan if whole else 30.0}
        lines.append({**vars(run), **own})
    return pd.DataFrame(lines)


@pytest.fixture
def histories(study):
    lines = []
    for run in studies.runs(study):
        for step in range(5, STEPS[run.recipe] + 1, 5):
            score = 0.6 + 0.01 * run.seed + 0.002 * step
            price = FLOPS if run.recipe != "probe" else 1.0
            own = {"step": step, "seconds": 0.5 * step, "flops": price * step}
            lines.append(
                {**vars(run), "stage": "finetune", "round": 1, **own, "valid_auroc": score}
            )
    return pd.DataFrame(lines)


@pytest.fixture
def needs(study, costs, histories):
    lines, compared = [], []
    runs = studies.runs(study)
    for at, run in enumerate(runs):
        about = {**ABOUT, "pretraining": run.pretraining, "recipe": run.recipe, "seed": run.seed}
        value = 0.7 + 0.01 * at
        lines.append({**about, "value": value, "low": value, "high": value, "n": 2, "absent": 0})
    arms = list(dict.fromkeys(run.arm for run in runs))
    for i, a in enumerate(arms):
        for b in arms[i + 1 :]:
            compared.append(
                {**ABOUT, "arm_a": a, "arm_b": b, "difference": 0.1, "low": 0.02, "high": 0.2}
            )
    estimates = [
        {**AT, "pretraining": run.pretraining, "seed": run.seed, "melep": 0.5 + 0.1 * run.seed}
        for run in runs
        if run.pretraining.startswith("cpc") and run.recipe == "full"
    ]
    scored = pd.DataFrame(lines).assign(shots=np.nan, draw=np.nan)
    comparisons, foretold = pd.DataFrame(compared), pd.DataFrame(estimates)
    return Needs(study, scored, comparisons, costs, histories, foretold)


def test_scratch_by_the_same_recipe_comes_before_the_first_of_the_study(study, costs):
    grids = (study.grids[0], replace(study.grids[1], recipes=("long", "full")))
    found = transfer.pair(replace(study, grids=grids), costs)
    references = found.set_index("arm")["reference"]
    assert references["cpc-net + long"] == "random-net + long"
    assert references["cpc-net + full"] == references["random-net + long"] == "random-net + full"


def test_upstreams_are_named_by_what_their_untrained_network_lacks(study, costs):
    names = transfer.name_upstreams(transfer.pair(study, costs))
    assert names == {
        "random-net": "untrained",
        "random-gru": "untrained",
        "cpc-net": "cpc",
        "cpc-gru": "cpc",
    }


def test_a_total_counts_every_trial_and_the_pretraining_once(costs, histories):
    spent = registry.load("tables", "equal_cost").add_up(histories, costs)
    found = spent.set_index("arm")["flops"]
    assert found["random-net + full"] == 2 * 10 * FLOPS
    assert found["cpc-net + full"] == PRETRAINED * FLOPS + 2 * 10 * FLOPS
    assert found["random-net + probe"] == 30 + 2 * 10  # tokens once


def test_the_rival_is_the_dearest_from_scratch_that_costs_no_more(needs):
    table = registry.load("tables", "equal_cost").build(needs).set_index("arm")
    assert table.loc["cpc-net + full", "reference"] == "random-net + full"  # 490 of 840 operations
    longer = needs.costs.replace({"steps": {PRETRAINED: 100}})
    table = registry.load("tables", "equal_cost").build(replace(needs, costs=longer))
    line = table.set_index("arm").loc["cpc-net + full"]
    assert line["reference"] == "random-net + long" and line["flops"] == line["reference_flops"]


def test_what_is_cheaper_than_any_scratch_has_no_rival(needs):
    plugin = registry.load("tables", "equal_cost")
    shown = plugin.layout(plugin.build(needs)).set_index("Arm")
    assert shown.loc["random-net + probe", "From scratch"] == "none as cheap"
    assert shown.loc["random-net + long", "Verdict"] == "reference"


def test_estimates_are_correlated_with_what_came_of_the_same_runs(needs):
    table = registry.load("tables", "transferability").build(needs).set_index("arm")
    line = table.loc["cpc-net + full"]
    scored = needs.scores.assign(arm=needs.scores["pretraining"] + " + " + needs.scores["recipe"])
    value = scored.set_index(["arm", "seed"])["value"]
    runs = [(name, seed) for name in ("cpc-net", "cpc-gru") for seed in (0, 1)]
    after = [value[f"{name} + full", seed] for name, seed in runs]
    expected = spearmanr([-0.5 - 0.1 * seed for _, seed in runs], after).statistic
    assert line["runs"] == 4 and line["melep_score"] == pytest.approx(expected)
    assert line["melep"] == pytest.approx(0.55) and line["probe"] == pytest.approx(0.625)


def test_what_is_not_finetuned_or_has_no_labels_foretells_nothing(needs):
    table = registry.load("tables", "transferability").build(needs).set_index("arm")
    assert np.isnan(
        table.loc["random-net + full", ["melep", "melep_score", "runs"]].astype(float)
    ).all()
    assert np.isnan(table.loc["cpc-net + probe", ["melep_score", "probe_gain"]].astype(float)).all()


def test_without_a_frozen_arm_there_is_no_probe_to_foretell_by(needs):
    costs = needs.costs.assign(encoding_seconds=np.nan)
    table = registry.load("tables", "transferability").build(replace(needs, costs=costs))
    assert table["probe"].isna().all()
    assert table.set_index("arm")["melep_score"].notna()["cpc-net + full"]


def test_two_runs_have_no_order_to_be_foretold():
    correlation = registry.load("tables", "transferability").rank_correlation
    assert np.isnan(correlation(pd.Series([1.0, 2.0]), pd.Series([1.0, 2.0])))
    assert np.isnan(correlation(pd.Series([1.0, 1.0, 1.0]), pd.Series([1.0, 2.0, 3.0])))
    assert correlation(pd.Series([1.0, 2.0, 9.0]), pd.Series([1.0, 4.0, 5.0])) == pytest.approx(1)


def made_predictions(skill):
    """Records whose one label shows the better the higher the skill."""
    rng = np.random.default_rng(3)
    target = rng.random((120, 1)) < 0.4
    logit = skill * target + rng.normal(size=target.shape)
    names = np.array([f"{i:03d}" for i in range(120)])
    part = np.repeat(["valid", "test"], 60)
    return Predictions(("A",), names, names, np.zeros(120), part, target, 1 / (1 + np.exp(-logit)))


def test_the_gap_of_two_gains_is_bounded_on_the_same_resamples(needs, tmp_path):
    skill = {"random-net": 0.5, "cpc-net": 2.0, "random-gru": 0.4, "cpc-gru": 0.9}
    paths = []
    for run in studies.runs(needs.study):
        paths.append((run, tmp_path / f"{run.pretraining}-{run.recipe}-{run.seed}.h5"))
        predictions.write(paths[-1][1], {"clean": made_predictions(skill[run.pretraining])}, {})
    told = Needs(needs.study, costs=needs.costs, predictions=tuple(paths))
    line = registry.load("tables", "gains").build(told).set_index("arm").loc["cpc-gru + full"]
    auroc, macro = registry.load("metrics", "auroc"), {}
    for name, own in skill.items():
        test = made_predictions(own).of("test")
        sample = scores.Sample(test.target, test.probability, np.zeros(1))
        weight = scores.resample_patients(test.patient)
        weight = np.concatenate([np.ones((1, len(test.record))), weight])
        macro[name] = scores.replicate(auroc, sample, weight)[:, 0]
    gaps = macro["cpc-gru"] - macro["random-gru"] - (macro["cpc-net"] - macro["random-net"])
    low, high = np.quantile(gaps[1:], [0.025, 0.975])
    assert list(line[["difference", "low", "high"]]) == pytest.approx([gaps[0], low, high])
    assert line["first_arm"] == "cpc-net + full" and line["verdict"] == "worse"
