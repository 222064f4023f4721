"""What adaptation came to is told of the same windows, patient by patient, over all splits."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ecgpipe import personal, predictions, registry, scores, studies
from ecgpipe.predictions import Adapted, Predictions
from ecgpipe.render import Needs

SHOTS = (1, 5)
ARMS = ["elsewhere + scratch", "pooled + kept", "pooled + full", "pooled + none"]


def predict(split, skill):
    """Windows of four valid and four test patients; one of each has no arrhythmia."""
    rng = np.random.default_rng([split, 7])
    number = np.repeat(np.arange(8), 40)
    target = (rng.random(320) < 0.4) & (number % 4 > 0)
    patient = np.array([f"here:{split}{n}" for n in number])
    part = np.where(number < 4, "valid", "test")
    probability = 1 / (1 + np.exp(-rng.normal(size=320) - skill * target))
    start = np.tile(2.0 * np.arange(40), 8)
    values = target[:, None], probability[:, None]
    return Predictions(("VA",), patient, patient, start, part, *values)


def adapt(clean, gain):
    """Label the first window of each class, and five at most; what is left is said better."""
    place = np.arange(320) % 40
    rank = np.where(place < 10, place // 2, -1)
    row = np.flatnonzero(place >= 12)
    of = {n: clean.probability[row] ** (1 + gain * clean.target[row] * -0.1 * n) for n in SHOTS}
    return [Adapted(draw, rank, row, of) for draw in ("chronological", "random-0", "random-1")]


@pytest.fixture(scope="module")
def needs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    grid = studies.Grid(("pooled",), ("kept", "full", "none"), ("va",), ("a", "b"), ("1.0",), (0,))
    study, paths = studies.Study("personal", (grid,)), []
    for number, run in enumerate(studies.runs(study)):
        clean = predict("ab".index(run.split), 1.5)
        gain = {"kept": 0.0, "full": 1.0, "none": 0.0}[run.recipe]
        adapted = [] if run.recipe == "none" else adapt(clean, gain)
        path = folder / f"{number}.h5"
        predictions.write(path, {"clean": clean}, {}, adapted=adapted)
        paths.append((run, path))
    return Needs(study, predictions=tuple(paths))


@pytest.fixture(scope="module")
def lines(needs):
    return personal.gather(needs)


@pytest.fixture(scope="module")
def table(lines):
    table = personal.summarise(lines, ARMS)
    return table.set_index(["arm", "order", "shots", "metric"]).sort_index()


def test_before_and_after_are_of_the_same_windows(lines):
    adapted = lines[lines["shots"] > 0]
    key = ["arm", "split", "draw", "shots", "patient"]
    states = [adapted[adapted["state"] == s].set_index(key)["windows"] for s in ("before", "after")]
    assert (states[0].sort_index() == states[1].sort_index()).all() and set(states[0]) == {28}


def test_patients_of_all_splits_are_put_together(table):
    line = table.loc[("pooled + full", "random", 5, "patient_auroc")]
    assert line["patients"] == 8 and line["both_classes"] == 6
    assert line["labeled"] == 10


def test_the_mean_is_over_patients_with_both_classes(needs, table):
    aurocs = []
    for run, path in needs.predictions:
        if run.recipe == "full":
            (one, *_), clean = predictions.read_adapted(path), predictions.read(path)
            test = one.after(clean, 5).of("test")
            for name in np.unique(test.patient):
                of = test.take(test.patient == name)
                if of.target.any():
                    aurocs.append(roc_auc_score(of.target, of.probability))
    line = table.loc[("pooled + full", "chronological", 5, "patient_auroc")]
    assert len(aurocs) == 6 and line["value"] == pytest.approx(np.mean(aurocs))
    assert line["low"] < line["value"] < line["high"]


def test_what_changes_nothing_has_no_change_and_what_helps_does(table):
    kept = table.loc[("pooled + kept", "random", 5, "patient_auroc")]
    assert kept["change_value"] == kept["change_low"] == kept["change_high"] == 0
    full = table.loc[("pooled + full", "random", 5, "patient_auroc")]
    assert 0 < full["change_low"] < full["change_value"]
    assert full["difference_value"] == pytest.approx(full["change_value"])


def test_the_first_arm_of_the_task_is_what_the_others_are_held_against(lines, table):
    turned = [ARMS[0], "pooled + full", "pooled + kept", "pooled + none"]
    other = personal.summarise(lines, turned).set_index(["arm", "order", "shots", "metric"])
    line = other.loc[("pooled + kept", "random", 5, "patient_auroc")]
    full = table.loc[("pooled + full", "random", 5, "patient_auroc")]
    assert line["difference_value"] == pytest.approx(-full["difference_value"])


def test_tasks_in_which_nobody_is_adapted_to_are_left_out(needs, lines):
    plain = [(run, path) for run, path in needs.predictions if run.recipe == "none"]
    other = [(replace(run, task="other", scored_on="other"), path) for run, path in plain]
    more = replace(needs, predictions=(*needs.predictions, *other))
    assert len(personal.gather(more)) == len(lines)


def test_a_study_that_adapts_to_nobody_has_no_table_and_a_figure_that_says_so(needs):
    plain = tuple((run, path) for run, path in needs.predictions if run.recipe == "none")
    with pytest.raises(ValueError, match="name a recipe with `personalize`"):
        personal.gather(replace(needs, predictions=plain))
    drawn = registry.load("figures", "patients").draw(replace(needs, predictions=plain))
    assert "no arm adapts to patients" in drawn.axes[0].texts[0].get_text()


def test_an_arm_that_was_not_adapted_is_measured_on_every_window(needs, table):
    line = table.loc[("pooled + none", "none", 0, "patient_auroc")]
    assert line["change_value"] == 0 and line["difference_value"] == 0
    assert line["patients"] == 8 and line["labeled"] == 0
    tests = [predictions.read(path).of("test") for _, path in needs.predictions[-2:]]
    ranked = [
        roc_auc_score(test.target[own, 0], test.probability[own, 0])
        for test in tests
        for own in (test.patient == name for name in np.unique(test.patient))
        if test.target[own].any()
    ]
    assert line["value"] == pytest.approx(np.mean(ranked)) and line["both_classes"] == 6


def test_so_is_one_that_adapts_without_a_step_beside_what_is_left_to_score(table):
    line = table.loc[("pooled + kept", "none", 0, "patient_auroc")]
    same = table.loc[("pooled + none", "none", 0, "patient_auroc")]
    assert line["value"] == same["value"] and ("pooled + full", "none", 0) not in table.index
    assert table.loc[("pooled + kept", "random", 5, "patient_auroc"), "value"] != line["value"]


def test_thresholds_come_from_valid_patients_adapted_to_alike(needs, lines):
    run, path = next((r, p) for r, p in needs.predictions if r.recipe == "full")
    clean, one = predictions.read(path), predictions.read_adapted(path)[1]
    after = one.after(clean, 5)
    valid, test = after.of("valid"), after.of("test")
    called = test.probability >= scores.choose_thresholds(valid.target, valid.probability)
    of = lines.query("arm == @run.arm and split == @run.split and draw == 'random-0'")
    of = of.query("shots == 5 and state == 'after'")
    assert of["true"].sum() == (called & test.target).sum()


def test_arms_that_were_scored_on_other_windows_are_not_compared(lines):
    lines = lines[lines["order"] != "none"]
    other = lines["windows"].where(lines["arm"] == "pooled + kept", 27)
    with pytest.raises(ValueError, match="pooled . full and pooled . kept were scored on other"):
        personal.summarise(lines.assign(windows=other), ARMS)


def test_labels_are_counted_and_those_who_lack_a_class(lines):
    few = lines.query("shots == 1 and state == 'after' and draw == 'random-0' and split == 'a'")
    few = few[few["arm"] == "pooled + full"].set_index("patient")
    assert set(few["labeled"]) == {2} and few.loc["here:04", "lacks"]
