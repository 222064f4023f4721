from dataclasses import asdict

import pandas as pd
import pytest

from ecgpipe import render
from ecgpipe.settings import Condition
from ecgpipe.studies import Grid, Study


def study(pretrainings, recipes, **other):
    grid = {"tasks": ("a",), "splits": ("standard",), "budgets": ("1.0",), "seeds": (0,), **other}
    return Study("s", (Grid(pretrainings, recipes, **grid),), (), ())


def told(pretrainings, recipes):
    return {"study": asdict(study(pretrainings, recipes))}


def scores(values, **columns):
    return pd.DataFrame(
        {
            **{"pretraining": "p", "recipe": "r", "task": "a", "split": "standard"},
            **{"budget": "1.0", "seed": range(len(values)), "scored_on": "a"},
            **{"condition": "clean", "shots": float("nan"), "metric": "auroc", "label": "macro"},
            **{"value": values, "low": 0.5, "high": 0.9, "n": 5, "absent": 1, **columns},
        }
    )


def test_budgets_are_ordered_by_how_much_they_label():
    given = ["1.0", "500-records", "0.05", "10-shot", "1-shot", "0.5"]
    expected = ["1-shot", "10-shot", "500-records", "0.05", "0.5", "1.0"]
    assert render.budget_order(given) == expected


def test_a_budget_that_nobody_knows_is_named():
    with pytest.raises(ValueError, match="half"):
        render.budget_order(["half"])


def test_arms_are_called_by_what_tells_them_apart():
    labels = render.arm_labels(
        study(("random-xresnet1d18", "supervised-xresnet1d18"), ("probe", "self_training"))
    )
    assert list(labels.values()) == [
        "random + probe",
        "random + self-training",
        "supervised + probe",
        "supervised + self-training",
    ]


def test_what_all_arms_share_is_not_said():
    labels = render.arm_labels(study(("supervised-xresnet1d18",), ("probe", "full")))
    assert labels == {
        "supervised-xresnet1d18 + probe": "probe",
        "supervised-xresnet1d18 + full": "full",
    }


def test_an_arm_that_the_others_are_named_after_keeps_its_name():
    names = ["ce-ssl-small", "ce-ssl-small-frozen", "ce-ssl-small-full"]
    assert list(render.distinct(names).values()) == ["ce-ssl-small", "frozen", "full"]


def test_two_arms_are_never_called_alike():
    names = ("cpc-small", "cpc-large", "cpc")
    assert len(set(render.arm_labels(study(names, ("full",))).values())) == 3


def test_a_mean_over_seeds_has_the_sample_deviation_of_the_seeds():
    line = render.over_seeds(render.own_scores(scores([0.7, 0.8, 0.9]), ["auroc"])).iloc[0]
    assert line["mean"] == pytest.approx(0.8) and line["seed_sd"] == pytest.approx(0.1)
    assert (line["low"], line["high"], line["seeds"]) == (0.5, 0.9, 3)


def test_scores_of_disturbed_signals_and_of_adapted_models_are_not_averaged_in():
    noisy, adapted = scores([0.1], condition="noisy"), scores([0.2], shots="5")
    both = pd.concat([scores([0.7]), noisy, adapted])
    assert list(render.own_scores(both, ["auroc"])["value"]) == [0.7]


def test_a_metric_that_was_not_scored_is_named_with_those_that_were():
    with pytest.raises(ValueError, match="brier.*auroc"):
        render.own_scores(scores([0.7]), ["brier"])


def test_the_largest_budget_is_taken_place_by_place():
    both = pd.concat(
        [
            scores([0.7], task="a", budget="1.0"),
            scores([0.6], task="a", budget="0.05"),
            scores([0.5], task="b", budget="0.05"),
        ],
        ignore_index=True,
    )
    assert list(render.largest_budget(both)["value"]) == [0.7, 0.5]


def test_only_what_is_needed_is_read(tmp_path):
    scores([0.7]).to_csv(tmp_path / "scores.csv", index=False)
    given = {"scores": tmp_path / "scores.csv", "costs": tmp_path / "absent.csv"}
    needs = render.gather(("scores",), told(("p",), ("r",)), tmp_path, given)
    assert needs.scores["budget"].tolist() == ["1.0"]
    with pytest.raises(ValueError, match="costs was not given"):
        needs.table("costs")


def test_a_need_that_was_not_given_names_its_option(tmp_path):
    with pytest.raises(ValueError, match="--costs"):
        render.gather(("costs",), told(("p",), ("r",)), tmp_path, {"costs": None})
    with pytest.raises(ValueError, match="--shards"):
        render.gather(("records",), told(("p",), ("r",)), tmp_path, {})


def test_predictions_are_found_below_results(tmp_path):
    needs = render.gather(("predictions",), told(("p",), ("r",)), tmp_path, {})
    (run, path) = needs.predictions[0]
    assert run.arm == "p + r"
    assert path == tmp_path / "runs/p/r/a/standard/1.0/0/predictions/a.h5"


def test_attributions_are_those_of_the_runs_that_were_explained(tmp_path):
    plain, explained = study(("p",), ("r",)), study(("q",), ("r",), explanation="small")
    both = {"study": asdict(Study("s", (*plain.grids, *explained.grids)))}
    needs = render.gather(("attributions",), both, tmp_path, {})
    ((run, path),) = needs.attributions
    assert run.arm == "q + r" and not needs.predictions
    assert path == tmp_path / "runs/q/r/a/standard/1.0/0/attributions/a.csv"


def test_conditions_are_those_that_the_settings_tell(tmp_path):
    given = told(("p",), ("r",)) | {"conditions": {"loud": {"noise": "white", "snr": 6}}}
    needs = render.gather(("conditions",), given, tmp_path, {})
    assert needs.conditions == {"loud": Condition(noise="white", snr=6.0)}
    with pytest.raises(ValueError, match="--settings must tell"):
        render.gather(("conditions",), told(("p",), ("r",)), tmp_path, {})
