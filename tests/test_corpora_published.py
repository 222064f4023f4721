"""CODE-15%, the CODE test set, SPH and MIMIC-IV-ECG, as their publishers lay them out."""

import importlib
import shutil
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from ecgpipe import leaks, records, registry
from tests.layouts import code15 as code15_layout
from tests.layouts import mimic_iv_ecg as mimic_layout

NAMES = ("code15", "code_test", "mimic_iv_ecg", "sph")
AHA_CATEGORIES = {  # Liu et al. 2022: how many of the 44 primary statements lie in each
    "Normal": 1,
    "Sinus node rhythms": 3,
    "Supraventricular arrhythmias": 4,
    "Supraventricular tachyarrhythmias": 3,
    "Ventricular arrhythmias": 1,
    "Atrioventricular conduction": 9,
    "Intraventricular conduction": 6,
    "Axis and voltage": 3,
    "Chamber hypertrophy or enlargement": 3,
    "ST segment, T wave and U wave": 7,
    "Myocardial infarction": 4,
}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """Every made-up release, its archives taken apart by Python's own tools."""
    return {name: unpack(name, tmp_path_factory.mktemp(name) / "release") for name in NAMES}


def unpack(name: str, place: Path) -> Path:
    importlib.import_module(f"tests.layouts.{name}").write(place)
    for path in place.glob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(place)
    for path in place.glob("*.tar.gz"):
        with tarfile.open(path, "r:") as archive:  # not compressed
            archive.extractall(place, filter="data")
    return place


def found(unpacked, name):
    plugin = registry.load("datasets", name)
    return {record.id: record for record in plugin.records(unpacked[name])}


def read(unpacked, name, record):
    plugin = registry.load("datasets", name)
    return plugin.read(unpacked[name], found(unpacked, name)[record], "signals")


def leads_of(signal):
    return dict(zip(signal.leads, signal.millivolts, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_limb_leads_are_named_so_that_they_fit_together(unpacked, name):
    for record in found(unpacked, name):
        lead = leads_of(read(unpacked, name, record))
        i, ii = lead["I"], lead["II"]
        relations = {"III": ii - i, "aVR": -(i + ii) / 2, "aVL": i - ii / 2, "aVF": ii - i / 2}
        for augmented, expected in relations.items():
            assert np.abs(lead[augmented] - expected).max() < 0.01  # 5 microvolts a step in MIMIC


@pytest.mark.parametrize(
    ("name", "third"), [("code15", "aVR"), ("code_test", "aVL"), ("mimic_iv_ecg", "aVR")]
)
def test_the_fourth_lead_is_not_the_same_everywhere(unpacked, name, third):
    assert read(unpacked, name, min(found(unpacked, name))).leads[3] == third


@pytest.mark.parametrize(
    ("name", "source", "wanted"),
    [
        ("code15", "signals", ["exams_part1.zip!exams_part1.hdf5"]),
        ("code15", "metadata", ["exams.csv"]),
        ("code_test", "signals", ["data.zip!data/ecg_tracings.hdf5"]),
        ("sph", "signals", ["records.tar.gz!records/*.h5"]),
        ("mimic_iv_ecg", "metadata", ["record_list.csv", "RECORDS"]),
    ],
)
def test_files_are_named_as_published(name, source, wanted):
    listing = ["RECORDS", "exams.csv", "exams_part1.zip", "record_list.csv"]
    assert registry.load("datasets", name).files(source, listing, []) == wanted


@pytest.mark.parametrize("records_lines", [["files/a/1"], []])
def test_a_mirror_without_records_gives_what_it_lists(records_lines):
    mimic = registry.load("datasets", "mimic_iv_ecg")
    listing = ["RECORDS", "files/a/1.dat", "files/a/1.hea", "record_list.csv"]
    assert mimic.files("signals", listing, records_lines) == ["files/a/1.dat", "files/a/1.hea"]


@pytest.mark.parametrize("exam", sorted(code15_layout.SAMPLES))
def test_each_exam_gets_the_tracing_with_its_own_id_without_zeros(unpacked, exam):
    signal = read(unpacked, "code15", str(exam))
    assert signal.fs == 400 and signal.millivolts.shape == (12, code15_layout.SAMPLES[exam])
    np.testing.assert_array_equal(signal.millivolts, code15_layout.recording(exam))


def test_the_row_of_zeros_at_the_end_of_each_part_is_nobodys(unpacked):
    with h5py.File(unpacked["code15"] / "exams_part0.hdf5") as file:
        assert file["exam_id"][-1] == 0 and not file["tracings"][-1].any()
    assert sorted(found(unpacked, "code15")) == sorted(map(str, code15_layout.SAMPLES))


def test_a_recording_of_zeros_alone_is_kept_for_the_audit_to_name(unpacked, tmp_path):
    shutil.copytree(unpacked["code15"], tmp_path / "copy")
    with h5py.File(tmp_path / "copy" / "exams_part1.hdf5", "a") as file:
        file["tracings"][1] = 0
    flat = read({"code15": tmp_path / "copy"}, "code15", "77")
    assert flat.millivolts.shape == (12, 4096) and not flat.millivolts.any()


def test_an_exam_without_a_label_is_not_called_normal(unpacked):
    statements = {name: set(each.statements) for name, each in found(unpacked, "code15").items()}
    assert statements["1169160"] == {"normal_ecg"}
    assert statements["214626"] == {"AF", "RBBB"}
    assert statements["887305"] == set()


def test_what_is_neither_true_nor_false_is_refused(unpacked, tmp_path):
    text = (unpacked["code15"] / "exams.csv").read_text()
    (tmp_path / "exams.csv").write_text(text.replace("True", "TRUE"))
    with pytest.raises(ValueError, match="exam 4000001: 1dAVb 'TRUE'; expected True or False"):
        registry.load("datasets", "code15").records(tmp_path)


def test_an_exam_that_its_part_does_not_hold_is_an_error(unpacked, tmp_path):
    shutil.copytree(unpacked["code15"], tmp_path / "copy")
    table = tmp_path / "copy" / "exams.csv"
    table.write_text(table.read_text().replace("887305", "887306"))
    with pytest.raises(ValueError, match="no exam_id 887306"):
        read({"code15": tmp_path / "copy"}, "code15", "887306")


def test_one_recording_under_two_patients_fails_the_audit(unpacked):
    exams = found(unpacked, "code15")
    table = records.table("code15", list(exams.values()))
    table["digest"] = [records.digest(read(unpacked, "code15", exam)) for exam in exams]
    parts = pd.DataFrame({"dataset": "code15", "patient": table["patient"].unique()})
    leak = leaks.find(table, {}, {"standard": parts.assign(part="train")})
    assert leak["records"].tolist() == ["code15:52 code15:887305"]
    assert leak["kind"].tolist() == ["signal"] and leak["fails"].all()


def test_lines_of_the_test_set_are_joined_by_their_place(unpacked):
    tracings = found(unpacked, "code_test")
    assert {name: set(each.statements) for name, each in tracings.items()} == {
        "000": set(),
        "001": {"LBBB"},
        "002": {"1dAVb", "LBBB"},
        "003": {"ST"},
    }
    assert [each.age for each in tracings.values()] == [34, 70, 52, 41]
    assert tracings["000"].sex == "male" and tracings["001"].sex == "female"


def test_tables_of_different_lengths_are_refused(unpacked, tmp_path):
    shutil.copytree(unpacked["code_test"] / "data", tmp_path / "data")
    with (tmp_path / "data" / "attributes.csv").open("a") as file:
        file.write("60,F\n")
    with pytest.raises(ValueError, match=r"5 lines in data/attributes.csv, 4 in data/annotations"):
        registry.load("datasets", "code_test").records(tmp_path)


def test_the_test_set_loses_its_padding(unpacked):
    lengths = [read(unpacked, "code_test", f"00{row}").millivolts.shape[1] for row in range(4)]
    assert lengths == [2800, 4000, 4000, 2800]


def test_modifiers_are_kept_beside_their_statement(unpacked):
    statements = {name: set(each.statements) for name, each in found(unpacked, "sph").items()}
    assert statements["A00001"] == {"22", "23"}
    assert statements["A00003"] == {"60", "60+310", "147", "147+367"}
    assert statements["A00004"] == {"1"}  # written 1;1


def test_a_recording_of_sph_has_the_length_its_table_tells(unpacked):
    signal = read(unpacked, "sph", "A00003")
    assert signal.fs == 500 and signal.millivolts.shape == (12, 28000)
    assert signal.millivolts.dtype == np.float32 and 0.2 < signal.millivolts.std() < 0.4


def test_missing_samples_of_mimic_are_nan(unpacked):
    lead = leads_of(read(unpacked, "mimic_iv_ecg", str(mimic_layout.INCOMPLETE)))
    assert np.isnan(lead["V3"][mimic_layout.MISSING]).all()
    assert np.isnan(lead["V3"]).sum() == 50 and np.isfinite(lead["V2"]).all()


def test_a_part_of_mimic_has_the_records_it_lists(unpacked, tmp_path):
    shutil.copy(unpacked["mimic_iv_ecg"] / "record_list.csv", tmp_path)
    mimic = registry.load("datasets", "mimic_iv_ecg")
    assert {each.patient for each in mimic.records(tmp_path)} == {"10000032", "10000117"}
    (tmp_path / "RECORDS").write_text("files/p1000/p10000117/s44458630/44458630\n")
    assert [each.id for each in mimic.records(tmp_path)] == ["44458630"]


def test_the_aha_statements_of_sph_number_as_published():
    labels = registry.load("vocabularies", "aha").mapping("all")
    assert len(labels) == 44
    groups = registry.load("vocabularies", "aha").mapping("category")
    counts = pd.Series([group for (group,) in groups.values()]).value_counts()
    assert counts.to_dict() == AHA_CATEGORIES


def test_a_modifier_decides_between_statements_of_ptbxl():
    mapping = registry.load("vocabularies", "aha").mapping("scp")
    assert mapping["145+362"] == ("STD_",) and mapping["145+363"] == ("STE_",)
    assert "145" not in mapping and mapping["60"] == ("PVC",)


@pytest.mark.parametrize("name", ["aha", "code"])
def test_names_of_ptbxl_are_names_of_ptbxl(name):
    scp = registry.load("vocabularies", "scp")
    vocabulary = registry.load("vocabularies", name)
    labels = {label for of in vocabulary.mapping("scp").values() for label in of}
    assert labels <= set(scp.mapping("all"))


def test_superclasses_agree_with_those_of_ptbxl():
    aha = registry.load("vocabularies", "aha")
    published = registry.load("vocabularies", "scp").mapping("superdiag")
    named = {code: published.get(name) for code, (name,) in aha.mapping("scp").items()}
    expected = {code: of for code, of in named.items() if of}
    classes = aha.mapping("superdiag")
    assert {code: classes.get(code) for code in expected} == expected


def test_normal_is_no_abnormality():
    code = registry.load("vocabularies", "code")
    assert set(code.mapping("all")) - set(code.mapping("abnormalities")) == {"normal_ecg"}
    assert len(code.mapping("abnormalities")) == 6
