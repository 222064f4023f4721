"""Which arm from scratch an arm is held against, and what it gains over it."""

import numpy as np
import pandas as pd
import pytest

from ecgpipe import transfer
from ecgpipe.studies import Grid, Study

PLACE = {"tasks": ("rhythm",), "splits": ("standard",), "budgets": ("1.0",), "seeds": (0, 1)}
SIZES = {"random-small": 100, "random-large": 900, "cpc-small": 100, "cpc-large": 900}


@pytest.fixture
def study():
    random = Grid(("random-small", "random-large"), ("probe", "scratch", "long"), **PLACE)
    return Study("made-up", (random, Grid(("cpc-small", "cpc-large"), ("full", "lora"), **PLACE)))


@pytest.fixture
def costs():
    """Two backbones; an adapter adds parameters, a probe trains few."""
    lines = []
    for name, size in SIZES.items():
        steps = 0 if name.startswith("random") else 50
        lines.append({"stage": "pretrain", "pretraining": name, "steps": steps})
        recipes = ("scratch", "long", "probe") if steps == 0 else ("full", "lora")
        for recipe in recipes:
            own = {"trainable": 5 if recipe in ("probe", "lora") else size}
            own["parameters"] = size + 7 * (recipe == "lora")
            about = {"stage": "finetune", "pretraining": name, "recipe": recipe, "task": "rhythm"}
            lines.append({**about, **own})
    return pd.DataFrame(lines)


def test_an_arm_is_held_against_the_first_scratch_of_its_backbone(study, costs):
    found = transfer.pair(study, costs).set_index("arm")["reference"]
    for size in ("small", "large"):
        own = found[[f"cpc-{size} + full", f"cpc-{size} + lora", f"random-{size} + long"]]
        assert set(own) == {f"random-{size} + scratch"}
    assert found["random-small + scratch"] == "random-small + scratch"
    assert len(found) == 10


def test_a_backbone_that_was_not_trained_from_scratch_has_no_reference(study, costs):
    other = costs.assign(parameters=costs["parameters"].where(costs["pretraining"] != "cpc-large"))
    found = transfer.pair(study, other).set_index("arm")["reference"]
    assert found[["cpc-large + full", "cpc-large + lora"]].isna().all()
    assert found.drop(["cpc-large + full", "cpc-large + lora"]).notna().all()


def test_a_difference_is_turned_where_scratch_comes_first(study, costs):
    about = {"task": "rhythm", "split": "standard", "budget": "1.0", "scored_on": "rhythm"}
    about |= {"condition": "clean", "metric": "auroc"}
    scratch = "random-small + scratch"
    names = [(scratch, "cpc-small + full"), ("cpc-small + lora", scratch)]
    comparisons = pd.DataFrame(
        [
            {**about, "arm_a": a, "arm_b": b, "difference": -0.02, "low": -0.03, "high": 0.01}
            for a, b in names
        ]
    )
    found = transfer.add_differences(transfer.pair(study, costs), comparisons).set_index("arm")
    ends = found[["difference", "low", "high"]]
    assert list(ends.loc["cpc-small + full"]) == [0.02, -0.01, 0.03]
    assert list(ends.loc["cpc-small + lora"]) == [-0.02, -0.03, 0.01]
    assert np.isnan(ends.loc["cpc-large + full"]).all()
