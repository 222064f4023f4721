"""Parts and draws are decided by patient, and by nothing that may change."""

import logging

import numpy as np
import pandas as pd
import pytest

from ecgpipe import splits

HASHED = ["standard", *splits.ROTATIONS]
LABELS = ("AFIB", "MI", "NORM")


def cohort(patients, start=0):
    """Records of numbered patients, one to three each; AFIB in a third, MI rare, NORM common."""
    rng = np.random.default_rng(start)
    number = np.repeat(np.arange(start, start + patients), rng.integers(1, 4, patients))
    table = pd.DataFrame({"dataset": "here", "patient": [f"p{n}" for n in number]})
    table["record"] = [f"r{start}-{n}" for n in range(len(table))]
    return table, rng.random((len(table), 3)) < [0.3, 0.02, 0.7]


def draw(table, target, budget, seed=0):
    return splits.draw_labeled(table, LABELS, target, budget, seed=seed)


def records_of(frame):
    return set(frame["dataset"] + ":" + frame["record"])


@pytest.mark.parametrize("split", HASHED)
def test_adding_records_and_patients_moves_nobody(split):
    table, _ = cohort(500)
    more = pd.concat([table, cohort(300, start=400)[0]]).sample(frac=1, random_state=0)
    before = splits.split_patients(table, None, split).set_index("patient")["part"]
    after = splits.split_patients(more, None, split).set_index("patient")["part"]
    assert after[before.index].equals(before)


@pytest.mark.parametrize("split", HASHED)
def test_a_patient_is_in_one_part(split):
    parts = splits.split_patients(cohort(500)[0], None, split)
    assert parts["patient"].is_unique
    assert set(parts["part"]) == {"train", "valid", "test"}


def test_a_hashed_fold_is_that_of_another_implementation():
    # printf fold/a | b2sum -l 64, read as a little-endian number, modulo 10, plus 1
    folds = {"a": 3, "c": 9, "g": 7, "k": 1, "m": 10, "s": 10}
    parts = splits.split_patients(pd.DataFrame({"patient": list(folds)}), None, "standard")
    expected = ["train", "valid", "train", "train", "test", "test"]
    assert parts["part"].tolist() == expected
    turned = splits.split_patients(pd.DataFrame({"patient": list(folds)}), None, "rotation-1")
    assert turned["part"].tolist() == ["test", "train", "train", "train", "train", "train"]


def test_a_hashed_split_gives_each_label_its_share_of_patients():
    table, target = cohort(20_000)
    parts = splits.split_patients(table, None, "standard")
    part = splits.with_parts(table, parts.assign(dataset="here"))["part"]
    for label in range(3):
        share = part[target[:, label]].value_counts(normalize=True)
        assert share["train"] == pytest.approx(0.8, abs=0.05)
        assert share["test"] == pytest.approx(0.1, abs=0.04)


def test_rotations_test_every_patient_once_and_validate_on_none_they_test():
    table, _ = cohort(2000)
    parts = [splits.split_patients(table, None, split) for split in splits.ROTATIONS]
    tested = pd.concat([frame.loc[frame["part"] == "test", "patient"] for frame in parts])
    assert tested.is_unique
    assert set(tested) == set(table["patient"])
    assert min((frame["part"] == "test").mean() for frame in parts) > 0.15


def arrhythmic(patients=23, ill=11):
    """Recordings of numbered patients, of whom the first have ventricular arrhythmias."""
    table, _ = cohort(patients)
    number = table["patient"].str[1:].astype(int)
    return table.assign(rhythms=[{"(N": 1.0, **({"(VT": 1.0} if n < ill else {})} for n in number])


def test_dealt_rotations_test_every_patient_once_and_keep_to_their_shares():
    parts = [splits.split_patients(arrhythmic(), None, split) for split in splits.DEALT]
    for part, sizes in (("test", {4, 5}), ("valid", {4, 5}), ("train", {13, 14, 15})):
        assert {(frame["part"] == part).sum() for frame in parts} <= sizes
    tested = pd.concat([frame.loc[frame["part"] == "test", "patient"] for frame in parts])
    assert tested.is_unique and len(tested) == 23


@pytest.mark.parametrize("split", splits.DEALT)
def test_dealt_parts_share_those_with_ventricular_arrhythmias_evenly(split):
    parts = splits.split_patients(arrhythmic(), None, split)
    ill = parts["part"][parts["patient"].str[1:].astype(int) < 11].value_counts()
    assert ill["test"] in (2, 3) and ill["valid"] in (2, 3) and ill["train"] in (6, 7)


def test_dealing_ignores_the_order_of_records():
    table = arrhythmic()
    shuffled = table.sample(frac=1, random_state=0)
    one, other = (splits.split_patients(t, None, "va-rotation-1") for t in (table, shuffled))
    pd.testing.assert_frame_equal(one, other)


def test_the_standard_split_follows_the_publishers_folds():
    table = pd.DataFrame({"record": list("abcd"), "patient": list("1232"), "fold": [1, 9, 10, 9]})
    parts = splits.split_patients(table, splits.FOLDS, "standard")
    assert dict(parts.to_numpy()) == {"1": "train", "2": "valid", "3": "test"}


def test_folds_that_tear_a_patient_apart_are_refused():
    table = pd.DataFrame({"record": list("ab"), "patient": list("11"), "fold": [1, 9]})
    with pytest.raises(ValueError, match=r"two parts: \['1'\]"):
        splits.split_patients(table, splits.FOLDS, "standard")


def test_a_record_without_a_fold_is_refused():
    table = pd.DataFrame({"record": list("ab"), "patient": list("12"), "fold": [1, None]})
    with pytest.raises(ValueError, match=r"none of the folds.*\['b'\]"):
        splits.split_patients(table, splits.FOLDS, "standard")


def test_an_unknown_split_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match="rotation-5.*rotation-4"):
        splits.split_patients(cohort(3)[0], None, "rotation-5")


@pytest.mark.parametrize(
    "budgets",
    [
        ("0.01", "0.05", "0.25", "0.5", "1.0"),
        ("1-shot", "10-shot", "100-shot"),
        ("1-records", "10-records", "500-records"),
    ],
)
def test_a_larger_budget_holds_the_smaller_one(budgets):
    table, target = cohort(1000)
    drawn = [records_of(draw(table, target, budget)) for budget in budgets]
    for smaller, larger in zip(drawn, drawn[1:], strict=False):
        assert smaller < larger


@pytest.mark.parametrize("budget", ["0.05", "10-shot", "500-records"])
def test_a_draw_ignores_the_order_of_records(budget):
    table, target = cohort(1000)
    shuffled = np.random.default_rng(1).permutation(len(table))
    other = draw(table.iloc[shuffled], target[shuffled], budget)
    pd.testing.assert_frame_equal(draw(table, target, budget), other)


@pytest.mark.parametrize("budget", ["0.05", "10-shot", "500-records"])
def test_another_seed_makes_another_draw(budget):
    table, target = cohort(1000)
    drawn = [records_of(draw(table, target, budget, seed=seed)) for seed in (0, 1)]
    assert drawn[0] != drawn[1]


def test_a_share_is_of_the_patients_and_takes_all_their_records():
    table, target = cohort(1000)
    drawn = draw(table, target, "0.05")
    assert drawn["patient"].nunique() == 50
    assert len(drawn) == table["patient"].isin(drawn["patient"]).sum()


def test_the_whole_budget_is_every_record():
    table, target = cohort(100)
    assert records_of(draw(table, target, "1.0")) == records_of(table)


@pytest.mark.parametrize("seed", range(5))
def test_a_share_holds_its_share_of_each_stratum(seed):
    table, target = cohort(2000)
    of_patient = pd.DataFrame(target, columns=LABELS).groupby(table["patient"]).any()
    rarest = np.select([of_patient["MI"], of_patient["AFIB"], of_patient["NORM"]], [1, 2, 3], 0)
    labeled = of_patient.index.isin(draw(table, target, "0.1", seed)["patient"])
    sizes = np.bincount(rarest)
    assert np.abs(np.bincount(rarest, weights=labeled) - 0.1 * sizes).max() <= 2


def test_a_patient_of_a_small_stratum_is_drawn_as_often_as_any():
    table, target = cohort(200)
    target[:, 1] = table["patient"] == "p7"
    drawn = [draw(table, target, "0.2", seed)["patient"].eq("p7").any() for seed in range(200)]
    assert np.mean(drawn) == pytest.approx(0.2, abs=0.085)  # three standard errors


def test_shots_give_every_label_as_many_patients_or_all_there_are(caplog):
    table, target = cohort(300)
    target[:, 1] = table["patient"].isin(["p1", "p2", "p3"])
    caplog.set_level(logging.INFO)
    drawn = table["record"].isin(draw(table, target, "10-shot")["record"]).to_numpy()
    patients = [table["patient"][drawn & target[:, label]].nunique() for label in range(3)]
    assert patients[0] >= 10
    assert patients[1] == 3
    assert patients[2] >= 10
    assert table["patient"][drawn].nunique() <= 23
    assert "MI: 3 patients, all taken for 10 shots" in caplog.text


def test_records_are_drawn_patient_by_patient_to_the_exact_number():
    table, target = cohort(1000)
    drawn = draw(table, target, "500-records")
    there = table["patient"].value_counts()[drawn["patient"].unique()]
    assert len(drawn) == 500
    assert there.sum() - 500 <= 2


def test_equal_patient_ids_of_two_datasets_are_two_patients():
    table, target = cohort(200)
    both = pd.concat([table, table.assign(dataset="there")], ignore_index=True)
    drawn = draw(both, np.vstack([target, target]), "0.05")
    assert len(drawn[["dataset", "patient"]].drop_duplicates()) == 20


@pytest.mark.parametrize(
    "budget", ["0", "0.0", "1.5", "5%", "ten-shot", "0-shot", "-1-records", "1"]
)
def test_a_budget_that_is_none_is_refused(budget):
    table, target = cohort(3)
    with pytest.raises(ValueError, match="expected a share"):
        draw(table, target, budget)


def test_splits_are_read_as_they_were_written(tmp_path):
    parts = pd.DataFrame({"patient": ["007", "NA"], "part": ["train", "test"]})
    splits.write_csv(parts, tmp_path / "here" / "standard.csv")
    read = splits.read_split({"here": tmp_path / "here" / "standard.csv"})
    assert read.to_numpy().tolist() == [["here", "007", "train"], ["here", "NA", "test"]]


def test_a_record_of_a_patient_without_a_part_is_refused():
    split = pd.DataFrame({"dataset": ["here"], "patient": ["p0"], "part": ["train"]})
    with pytest.raises(ValueError, match="1 patients.*here:p1"):
        splits.with_parts(cohort(2)[0], split)


def test_a_redrawn_split_tests_other_patients_than_the_standard_one():
    table = cohort(2000)[0]
    tested = {
        split: set(found.loc[found["part"] == "test", "patient"])
        for split in ("standard", "redrawn-0", "redrawn-1")
        for found in [splits.split_patients(table, None, split)]
    }
    shared = len(tested["redrawn-0"] & tested["redrawn-1"]) / len(tested["redrawn-0"])
    assert len(tested) == 3 and 0.02 < shared < 0.25
