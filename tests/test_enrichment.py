"""Enrichment of regions: patients, nulls, unions, intervals, differences between arms."""

import numpy as np
import pandas as pd
import pytest

from ecgpipe import enrichment

AT = {"task": "a", "split": "standard", "scored_on": "a", "budget": "1.0"}
LINE = {"record": "1", "patient": "p", "label": "STTC", "probability": 0.9, "null": ""}
LINE |= {"attribution": "occlusion", "pointing": 0.0, "rank_accuracy": 0.5, "drop": np.nan}


def lines(*told):
    return pd.DataFrame([LINE | one for one in told])


def look(told, measure="enrichment", region="T", label="all", among="all", null=""):
    rows = (told["region"] == region) & (told["measure"] == measure) & (told["null"] == null)
    found = told[rows & (told["label"] == label) & (told["among"] == among)]
    return found.set_index("patient")["value"].to_dict()


def spread(values):
    """Patients of two arms; a line a number, missing ones left out."""
    place = {"label": "all", "among": "all", "attribution": "occlusion", "region": "T"}
    place |= AT | {"measure": "enrichment", "null": "", "seed": 0}
    told = [
        place | {"arm": arm, "patient": f"p{number}", "value": value}
        for arm, numbers in values.items()
        for number, value in enumerate(numbers)
        if not np.isnan(value)
    ]
    return pd.DataFrame(told)


def test_a_patient_counts_by_the_mean_ratio_of_its_records():
    told = lines(
        {"region": "T", "area": 0.2, "mass": 0.4},
        {"region": "T", "area": 0.1, "mass": 0.4, "record": "2"},
        {"region": "T", "area": 0.5, "mass": 0.5, "record": "3", "patient": "q"},
    )
    assert look(enrichment.of_patients(told)) == {"p": pytest.approx(3.0), "q": 1.0}


def test_a_region_that_a_record_lacks_counts_for_nothing():
    told = lines(
        {"region": "T", "area": 0.2, "mass": 0.4},
        {"region": "T", "area": 0.0, "mass": np.nan, "record": "2"},
    )
    assert look(enrichment.of_patients(told)) == {"p": pytest.approx(2.0)}


def test_only_records_with_a_probable_label_are_sure():
    told = lines(
        {"region": "T", "area": 0.2, "mass": 0.4, "probability": 0.51},
        {"region": "T", "area": 0.2, "mass": 0.2, "record": "2", "probability": 0.5},
    )
    found = enrichment.of_patients(told)
    assert look(found, among="sure") == {"p": pytest.approx(2.0)}
    assert look(found, label="STTC") == look(found) == {"p": pytest.approx(1.5)}


def test_regions_expected_of_a_label_are_taken_together():
    told = [("ST", 0.1, 0.3), ("T", 0.2, 0.3), ("QRS", 0.1, 0.1), ("TP", 0.5, 0.2)]
    told = lines(*({"region": r, "area": a, "mass": m, "pointing": m} for r, a, m in told))
    found = enrichment.of_patients(enrichment.add_unions(told))
    assert look(found, region="expected") == {"p": pytest.approx(0.6 / 0.3)}
    assert look(found, "pointing", "expected") == {"p": pytest.approx(0.6)}
    assert look(found, region="TP + padding") == {"p": pytest.approx(0.2 / 0.5)}
    assert not look(found, "rank_accuracy", "expected")  # does not add up


def test_a_region_expected_of_a_label_does_not_confound_it():
    told = {"region": "TP", "area": 0.5, "mass": 0.2, "label": "AFIB"}
    padding = told | {"region": "padding", "area": 0.2, "mass": 0.1}
    found = enrichment.of_patients(enrichment.add_unions(lines(told, padding)))
    assert look(found, region="TP + padding") == {"p": pytest.approx(0.5)}
    assert look(found, region="expected") == {"p": pytest.approx(0.4)}


def test_windows_of_a_recording_are_taken_together_one_by_one():
    window = [{"region": "T", "area": 0.2, "mass": 0.4}, {"region": "ST", "area": 0.2, "mass": 0.2}]
    other = [{"region": "T", "area": 0.4, "mass": 0.1}, {"region": "ST", "area": 0.1, "mass": 0.1}]
    found = enrichment.of_patients(enrichment.add_unions(lines(*window, *other)))
    assert look(found, region="expected") == {"p": pytest.approx((1.5 + 0.4) / 2)}


def test_a_label_called_na_and_the_null_that_is_none_are_text(tmp_path):
    told = lines({"region": "T", "area": 0.2, "mass": np.nan, "label": "NA", "record": "007"})
    told.to_csv(tmp_path / "a.csv", index=False)
    found = enrichment.read(tmp_path / "a.csv").iloc[0]
    assert (found["label"], found["null"], found["record"]) == ("NA", "", "007")
    assert np.isnan(found["mass"]) and found["area"] == 0.2


def test_an_interval_is_that_of_patients_drawn_again(rng):
    values = rng.normal(size=12)
    (line,) = enrichment.summarise(spread({"one": values}), "one").to_dict("records")
    drawn = np.random.default_rng(0).integers(12, size=(1000, 12))
    order = np.argsort([f"p{number}" for number in range(12)])
    ends = np.quantile(values[order][drawn].mean(axis=1), [0.025, 0.975])
    assert line["value"] == pytest.approx(values.mean()) and line["patients"] == 12
    assert [line["low"], line["high"]] == pytest.approx(list(ends), rel=1e-4)
    assert np.isnan(line["difference"]) and np.isnan(line["shifted"])


def test_a_difference_is_of_the_patients_that_both_arms_have(rng):
    one, other = rng.normal(size=(2, 8))
    one[0] = other[1] = np.nan
    table = enrichment.summarise(spread({"one": one, "other": other}), "one").set_index("arm")
    line, drawn = table.loc["other"], np.random.default_rng(0).integers(8, size=(1000, 8))
    ends = np.nanquantile(np.nanmean((other - one)[drawn], axis=1), [0.025, 0.975])
    assert line["difference"] == pytest.approx((other - one)[2:].mean())
    found = line[["difference_low", "difference_high"]].to_list()
    assert found == pytest.approx(list(ends), abs=1e-5)
    assert table.loc["one", "value"] == pytest.approx(one[1:].mean())


def test_seeds_are_averaged_patient_by_patient_and_their_spread_is_told():
    both = [
        spread({"one": values}).assign(seed=seed) for seed, values in enumerate(([1, 3], [3, 5]))
    ]
    (line,) = enrichment.summarise(pd.concat(both), "one").to_dict("records")
    assert line["value"] == 3 and line["seed_sd"] == pytest.approx(np.sqrt(2))


def test_nulls_stand_beside_the_model_as_trained():
    trained = spread({"one": np.array([2.0, 4.0])})
    nulls = [
        trained.assign(null=null, value=at) for null, at in (("shifted", 1.0), ("random", 1.5))
    ]
    (line,) = enrichment.summarise(pd.concat([trained, *nulls]), "one").to_dict("records")
    assert (line["value"], line["shifted"], line["random"]) == (3.0, 1.0, 1.5)
    assert (line["random_low"], line["random_high"]) == (1.5, 1.5)


def test_a_study_that_explains_nothing_says_so():
    from ecgpipe.render import Needs
    from ecgpipe.studies import Study

    with pytest.raises(ValueError, match="study s: no grid names an `explanation`"):
        enrichment.gather(Needs(Study("s", ())))
