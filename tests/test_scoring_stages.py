"""Evaluate, collect and compare, on the made-up runs of a small study."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import fbeta_score, roc_auc_score

from ecgpipe import predictions, registry, scores, settings, studies
from ecgpipe.predictions import Predictions

LABELS = ("AFIB", "NA", "NORM")
STUDY = {
    "study": "small",
    "tables": [],
    "figures": [],
    "grids": [
        {
            "pretrainings": ["none"],
            "recipes": ["full", "probe"],
            "tasks": ["task"],
            "splits": ["standard"],
            "budgets": ["1.0"],
            "seeds": [0, 1],
            "conditions": ["clean", "noisy"],
        }
    ],
}
COLUMNS = ["condition", "metric", "label", "value", "low", "high", "n", "absent"]
CHANGE = ["change", "change_low", "change_high"]
ALONE = {"before": [], "copies": 1, "shared": False}
ORIGINS = {name: ALONE for grid in STUDY["grids"] for name in grid["pretrainings"]}
TOLD = {"rounds": {"full": 1, "probe": 2}, "origins": ORIGINS}
SETTINGS = json.dumps({"study": STUDY} | TOLD)
SKILL = {"full": 2.0, "probe": 1.0}  # how far apart an arm's positives and negatives lie
ATTRIBUTES = {"revision": '{"finetune": 1, "predict": 1}', "datasets": '{"ptbxl": "abc"}'}


def predict(skill, seed):
    """Make up predictions: what is hard about a record is hard for every arm and seed."""
    hard = np.random.default_rng(0)
    target = hard.random((400, 3)) < [0.4, 0.05, 0.2]
    logit = skill * target + hard.normal(size=target.shape)
    logit += 0.3 * np.random.default_rng(seed + 1).normal(size=target.shape)
    names = np.array([f"r{number:03}" for number in range(400)])
    patient = np.array([f"p{number // 2:03}" for number in range(400)])
    part = np.where(np.arange(400) < 100, "valid", "test")
    probability = (1 / (1 + np.exp(-logit))).astype(np.float32)
    return Predictions(LABELS, names, patient, np.zeros(400), part, target, probability)


@pytest.fixture
def runs():
    return studies.runs(settings.build(studies.Study, STUDY, "test"))


@pytest.fixture
def results(tmp_path, runs):
    """Write predictions, costs and histories of every run of the study."""
    for run in runs:
        folder = tmp_path / run.folder
        for name in ("predictions", "scores", "round-1", "round-2"):
            (folder / name).mkdir(parents=True)
        clean, noisy = predict(SKILL[run.recipe], run.seed), predict(0.1, run.seed)
        found = {"clean": clean, "noisy": noisy}
        predictions.write(folder / "predictions/task.h5", found, ATTRIBUTES)
        write_scores(folder / "scores/task.csv")
        for number in (1, 2):
            write_training(folder / f"round-{number}")
        write_training(tmp_path / "pretraining/none/standard" / str(run.seed))
    return tmp_path


def write_training(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cost.json").write_text('{"seconds": 1.5, "peak_bytes": null}')
    (folder / "history.csv").write_text("step,loss,valid_auroc\n10,0.5,0.7\n20,0.4,0.8\n")


def write_scores(path):
    lines = [[name, "auroc", "NA", "0.70", "0.6", "0.8", "9", "0"] for name in ("clean", "noisy")]
    pd.DataFrame(lines, columns=COLUMNS).to_csv(path, index=False)


@pytest.fixture
def evaluated(results, runs):
    """Evaluate the first run: recipe `full`, seed 0."""
    folder = results / runs[0].folder
    registry.load("stages", "evaluate").run(
        predictions=folder / "predictions/task.h5",
        own=folder / "predictions/task.h5",
        out=folder / "scores/task.csv",
    )
    return read(folder / "scores/task.csv")


def collect(results, told=SETTINGS):
    paths = {name: results / f"{name}.csv" for name in ("out", "costs", "histories")}
    registry.load("stages", "collect").run(settings=told, results=results, **paths)
    return {name: read(path) for name, path in paths.items()}


def compare(results, told=SETTINGS):
    out = results / "comparisons.csv"
    registry.load("stages", "compare").run(settings=told, results=results, out=out)
    return pd.read_csv(out)


def read(path):
    return pd.read_csv(path, dtype={"label": str, "budget": str}, keep_default_na=False)


def change(path, **attributes):
    found = {name: predictions.read(path, name) for name in predictions.conditions(path)}
    predictions.write(path, found, ATTRIBUTES | attributes)


def test_every_label_is_scored_under_clean_and_the_macro_score_elsewhere(evaluated):
    auroc = evaluated[evaluated["metric"] == "auroc"]
    assert set(evaluated["metric"]) == set(registry.names("metrics"))
    assert auroc[auroc["condition"] == "clean"]["label"].tolist() == ["macro", *LABELS]
    assert auroc[auroc["condition"] == "noisy"]["label"].tolist() == ["macro"]
    assert list(evaluated) == COLUMNS + CHANGE


def test_scores_are_those_of_the_test_part(evaluated):
    test = predict(SKILL["full"], 0).of("test")
    found = evaluated.set_index(["condition", "metric", "label"]).loc[("clean", "auroc", "macro")]
    expected = roc_auc_score(test.target, test.probability)
    assert float(found["value"]) == pytest.approx(expected, abs=1e-6)
    assert float(found["low"]) < expected < float(found["high"])


def test_a_condition_moves_no_threshold(evaluated):
    table = evaluated.set_index(["condition", "metric", "label"])
    clean, noisy = predict(SKILL["full"], 0).of("valid"), predict(0.1, 0).of("test")
    threshold = scores.choose_thresholds(clean.target, clean.probability)
    expected = ((noisy.probability >= threshold) != noisy.target).mean()
    found = table.loc[("noisy", "hamming_loss", "macro"), "value"]
    assert float(found) == pytest.approx(expected, abs=1e-6)


def test_a_condition_is_scored_beside_clean(evaluated):
    macro = evaluated[evaluated["label"] == "macro"].set_index(["metric", "condition"])
    clean, noisy = macro.loc[("auroc", "clean")], macro.loc[("auroc", "noisy")]
    assert list(clean[CHANGE]) == ["", "", ""]
    change, low, high = noisy[CHANGE].astype(float)
    assert change == pytest.approx(float(noisy["value"]) - float(clean["value"]), abs=2e-6)
    assert low < change < high < 0


def test_every_run_and_condition_is_collected(results):
    table = collect(results)["out"]
    assert len(table[["recipe", "seed", "condition"]].drop_duplicates()) == len(table) == 8
    assert set(table["shots"]) == {""} and set(table["budget"]) == {"1.0"}
    assert set(table["label"]) == {"NA"} and set(table["value"]) == {0.7}


def test_every_training_is_collected_once(results):
    tables = collect(results)
    costs, histories = tables["costs"], tables["histories"]
    assert costs["stage"].tolist() == ["pretrain"] * 2 + ["finetune"] * 6
    assert costs[costs["recipe"] == "probe"]["round"].tolist() == ["1", "2", "1", "2"]
    assert len(histories) == 2 * len(costs) and set(histories["valid_auroc"]) == {0.7, 0.8}


def test_a_pretraining_that_runs_share_is_collected_once(results):
    told = json.loads(SETTINGS) | {"origins": {"none": ALONE | {"shared": True}}}
    costs = collect(results, json.dumps(told))["costs"]
    assert costs[costs["stage"] == "pretrain"]["seed"].tolist() == [0]


def test_costs_tell_what_a_pretraining_goes_on_from(results):
    origins = {"none": ALONE | {"before": ["before"]}, "before": ALONE}
    told = json.loads(SETTINGS) | {"origins": origins}
    for seed in (0, 1):
        write_training(results / "pretraining/before/standard" / str(seed))
    costs = collect(results, json.dumps(told))["costs"]
    starts = costs[costs["stage"] == "pretrain"].set_index("pretraining")["start"]
    assert starts.to_dict() == {"none": "before", "before": ""}
    assert set(costs.loc[costs["stage"] == "finetune", "start"]) == {""}


@pytest.mark.parametrize(
    ("attribute", "told"),
    [
        ({"revision": '{"finetune": 2, "predict": 1}'}, "revision of finetune differs"),
        ({"datasets": '{"ptbxl": "def"}'}, "datasets of ptbxl differs"),
    ],
)
def test_mixed_runs_are_refused_and_named(results, runs, attribute, told):
    odd = results / runs[2].folder / "predictions/task.h5"
    change(odd, **attribute)
    with pytest.raises(ValueError, match=told) as error:
        collect(results)
    assert str(error.value).splitlines()[2].endswith(f": {odd}")
    assert not (results / "out.csv").exists()


def test_the_better_arm_wins(results):
    line = compare(results).iloc[0]
    assert (line["arm_a"], line["arm_b"]) == ("none + full", "none + probe")
    assert line["verdict"] == "win" and line["low"] > 0
    assert line["p"] < 1e-6


def test_the_difference_is_the_mean_over_seeds(results):
    line = compare(results).iloc[0]
    test = {(arm, seed): predict(SKILL[arm], seed).of("test") for arm in SKILL for seed in (0, 1)}
    auroc = {key: roc_auc_score(one.target, one.probability) for key, one in test.items()}
    by_seed = [auroc["full", seed] - auroc["probe", seed] for seed in (0, 1)]
    assert line["difference"] == pytest.approx(np.mean(by_seed), rel=1e-4)
    assert line["seed_sd"] == pytest.approx(np.std(by_seed, ddof=1), rel=1e-4)


def test_pairing_shrinks_the_interval(results, runs):
    """Unpaired, the variances of the two arms would add."""
    line = compare(results).iloc[0]
    auroc = registry.load("metrics", "auroc")
    variance = 0.0
    for arm in SKILL:
        test = predict(SKILL[arm], 0).of("test")
        sample = scores.Sample(test.target, test.probability, np.zeros(3))
        weight = scores.resample_patients(test.patient)
        variance += scores.replicate(auroc, sample, weight)[:, 0].var()
    assert line["high"] - line["low"] < 0.8 * 2 * 1.96 * np.sqrt(variance)


def test_an_arm_ties_with_its_copy(results, runs):
    for run in runs:
        path = results / run.folder / "predictions/task.h5"
        predictions.write(path, {"clean": predict(1.0, run.seed)}, ATTRIBUTES)
    line = compare(results).iloc[0]
    assert (line["difference"], line["p"], line["verdict"]) == (0, 1, "tie")


def test_comparisons_do_not_depend_on_the_order_of_records(results, runs):
    before = compare(results)
    path = results / runs[0].folder / "predictions/task.h5"
    one, order = predictions.read(path), np.random.default_rng(2).permutation(400)
    rows = ("record", "patient", "start", "part", "target", "probability")
    shuffled = replace(one, **{name: getattr(one, name)[order] for name in rows})
    predictions.write(path, {"clean": shuffled}, ATTRIBUTES)
    pd.testing.assert_frame_equal(compare(results), before)


def test_arms_on_other_records_are_not_compared(results, runs):
    path = results / runs[3].folder / "predictions/task.h5"
    one = predictions.read(path)
    predictions.write(path, {"clean": replace(one, target=~one.target)}, ATTRIBUTES)
    with pytest.raises(ValueError, match="other test records, labels or targets"):
        compare(results)


def test_arms_are_compared_by_every_published_metric_and_less_loss_wins(results):
    lines = compare(results).set_index("metric")
    assert list(lines.index) == list(registry.load("stages", "compare").METRICS)
    assert set(lines["verdict"]) == {"win"}
    assert set(lines.index[lines["difference"] < 0]) == {"ranking_loss", "coverage_error"}


def test_decisions_are_compared_at_the_thresholds_of_each_run(results):
    line = compare(results).set_index("metric").loc["f_beta"]
    by_arm = {}
    for arm, skill in SKILL.items():
        ours = [predict(skill, seed) for seed in (0, 1)]
        by_arm[arm] = np.mean([f2_at_thresholds_of_valid(one) for one in ours])
    assert line["difference"] == pytest.approx(by_arm["full"] - by_arm["probe"], rel=1e-4)


def f2_at_thresholds_of_valid(one):
    valid, test = one.of("valid"), one.of("test")
    decided = test.probability >= scores.choose_thresholds(valid.target, valid.probability)
    return fbeta_score(test.target, decided, beta=2, average="macro")


def test_holm_corrects_each_metric_apart():
    compare = registry.load("stages", "compare")
    about = {"task": "t", "split": "s", "budget": "1.0", "scored_on": "t"}
    lines = [
        about | {"metric": metric, "p": p} for metric in ("auroc", "f_beta") for p in (0.01, 0.03)
    ]
    table = compare.judge(lines, {"auroc": True, "f_beta": True})
    assert table["p_holm"].tolist() == [0.02, 0.03, 0.02, 0.03]


def test_a_single_arm_has_nothing_to_be_compared_with(results):
    grid = STUDY["grids"][0] | {"recipes": ["full"]}
    told = json.dumps({"study": STUDY | {"grids": [grid]}, "rounds": {"full": 1}})
    assert compare(results, told).empty
