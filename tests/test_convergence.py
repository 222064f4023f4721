"""What histories and costs say of learning: steps, areas, operations, break-even."""

import math

import numpy as np
import pandas as pd
import pytest

from ecgpipe import convergence

OWN = {"pretraining": "net", "recipe": "full", "task": "rhythm", "split": "standard"}
OWN |= {"budget": "1.0", "seed": 0, "stage": "finetune"}
FLOPS = 2100.0  # of a step


def history(scores, flops=FLOPS, every=10, **about):
    """One line a validation, `every` steps of half a second apart."""
    lines = [
        {**OWN, "round": 1, "step": step, "seconds": 0.5 * step, "flops": flops * step}
        | {"valid_auroc": score, **about}
        for step, score in zip(range(every, 1000, every), scores, strict=False)
    ]
    return pd.DataFrame(lines)


def cost(**about):
    return pd.DataFrame([{**OWN, "round": 1, **about}])


def curve(scores, **about):
    return convergence.curves(history(scores, **about), cost(**about))


def test_encoding_behind_a_frozen_backbone_comes_before_the_first_step():
    price = cost(encoding_seconds=4.0, encoding_flops=1e6)
    found = convergence.curves(history([0.6, 0.7]), price)
    assert list(found["flops"]) == [1e6 + 10 * FLOPS, 1e6 + 20 * FLOPS]
    assert list(found["seconds"]) == [9, 14]


def test_rounds_are_laid_end_to_end():
    histories = pd.concat([history([0.6, 0.7]), history([0.8, 0.9], flops=300.0, round=2)])
    costs = pd.concat([cost(), cost(round=2, encoding_seconds=1.0)])
    found = convergence.curves(histories, costs)
    assert list(found["step"]) == [10, 20, 30, 40]
    assert list(found["seconds"]) == [5, 10, 16, 21]
    assert list(found["flops"]) == [21e3, 42e3, 45e3, 48e3]


def test_shares_of_a_score_are_counted_above_chance():
    assert convergence.share_of(0.9, 0.95) == pytest.approx(0.88)
    best = 0.90083342
    assert convergence.share_of(best, 1.0) == best  # to the last bit: scratch reaches its own


def test_the_first_validation_that_shows_a_score_counts():
    found = convergence.cost_to_reach(curve([0.6, 0.8, 0.7, 0.9]), 0.75)
    assert found["step"] == 20 and found["seconds"] == 10
    assert np.isinf(convergence.cost_to_reach(curve([0.6, 0.8]), 0.81)).all()


def test_the_area_of_a_straight_line_is_its_middle():
    step, score = np.array([0.0, 50.0, 100.0]), np.array([0.5, 0.7, 0.9])
    assert convergence.area(step, score, until=100.0) == pytest.approx(0.7)
    assert convergence.area(step, score, until=50.0) == pytest.approx(0.6)
    assert convergence.area(step[1:], score[1:], until=200.0) == pytest.approx(
        (50 * 0.7 + 50 * 0.8 + 100 * 0.9) / 200
    )


def test_an_arm_is_measured_against_scratch_of_the_same_seed():
    scratch = curve([0.6, 0.8, 0.9, 0.89])
    found = convergence.measure(curve([0.85, 0.89, 0.91]), scratch)
    assert (found["steps_95"], found["steps_100"]) == (20, 30)
    assert found["flops"] == 30 * FLOPS
    assert found["area"] == pytest.approx((10 * 0.85 + 10 * 0.87 + 10 * 0.9 + 10 * 0.91) / 40)


def test_medians_are_over_the_seeds_that_both_have():
    def seeds(*scores):
        return pd.concat([curve(own, seed=seed) for seed, own in enumerate(scores)])

    scratch = seeds([0.6, 0.8, 0.9], [0.7, 0.9, 0.9])
    found = convergence.measure_seeds(seeds([0.9], [0.6, 0.7], [0.9]), scratch)
    assert found["seeds"] == 2 and found["reached_100"] == 1
    assert found["steps_100"] == math.inf  # the middle of 10 and never
    assert found["scratch_seconds"] == pytest.approx(12.5)


def test_arms_without_a_common_seed_have_no_numbers():
    found = convergence.measure_seeds(curve([0.9], seed=1), curve([0.9], seed=0))
    assert found["seeds"] == 0 and math.isnan(found["steps_100"])


def test_pretraining_pays_once_what_is_saved_makes_up_for_it():
    assert convergence.break_even(100.0, scratch=30.0, finetuned=10.0) == 5
    assert convergence.break_even(100.0, scratch=30.0, finetuned=30.0) == math.inf
    assert convergence.break_even(100.0, scratch=30.0, finetuned=math.inf) == math.inf
    assert convergence.break_even(0.0, scratch=30.0, finetuned=10.0) == 0


def pretraining(name, steps, start=None):
    """A line for each seed; some went on from another pretraining."""
    told = {"stage": "pretrain", "pretraining": name, "split": "standard", "start": start}
    prices = {"seconds_per_step": 0.5, "flops_per_step": FLOPS}
    return [told | prices | {"steps": count} for count in steps]


def test_a_pretraining_costs_the_median_of_its_seeds():
    costs = pd.DataFrame(pretraining("cpc", (100, 300, 200)))
    found = convergence.pretraining_costs(costs).loc[("cpc", "standard")]
    assert found["seconds"] == 100 and found["flops"] == 200 * FLOPS


def test_a_pretraining_costs_what_those_cost_that_it_goes_on_from():
    last, middle = pretraining("c", (10, 30, 20), "b a"), pretraining("b", (100,), "a")
    costs = pd.DataFrame([*last, *middle, *pretraining("a", (1000, 3000))])
    found = convergence.pretraining_costs(costs).xs("standard", level="split")
    assert found["flops"].to_dict() == {"a": 2000 * FLOPS, "b": 2100 * FLOPS, "c": 2120 * FLOPS}
    assert found.loc["c", "seconds"] == 0.5 * 2120
