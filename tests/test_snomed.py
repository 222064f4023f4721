"""The SNOMED CT vocabulary: what the Challenge published, and what others say by the same names."""

import ast
import csv
import os
from pathlib import Path

import pytest

from ecgpipe import registry
from ecgpipe.vocabularies import snomed

# recordings of a diagnosis in Georgia, PTB-XL, Ningbo and Chapman, as the Challenge counted them
# when CE-SSL was written (its label_mapping.csv)
COUNTED = """
AF 570 1514 0 1780; AFL 186 73 7615 445; BBB 116 0 385 0; Brady 6 0 7 0; CLBBB 0 0 213 0;
CRBBB 28 542 1096 0; IAVB 769 797 893 247; IRBBB 407 1118 246 0; LAD 940 5146 1163 382;
LAnFB 180 1626 380 0; LBBB 231 536 35 205; LQRSV 374 182 794 249; NSIVCB 203 789 536 235;
NSR 1752 18092 6299 1826; PAC 639 398 1054 258; PR 0 296 1182 0; PRWP 0 0 638 0; PVC 0 0 1091 0;
LPR 0 340 40 12; LQT 1391 118 337 57; QAb 464 548 828 235; RAD 83 343 638 215; RBBB 542 0 195 454;
SA 455 772 2550 0; SB 1677 637 12670 3889; STach 1261 826 5687 1568; SVPB 1 157 9 0;
TAb 2306 2345 5167 1876; TInv 812 294 2720 157; VPB 357 0 0 294
"""
# recordings of PTB-XL 1.0.1 by what the Challenge made of their statements
PTBXL = (
    "AF 1514 AFL 73 CRBBB 542 IAVB 797 IRBBB 1118 LAnFB 1626 LBBB 536 LQRSV 182 NSIVCB 789 "
    "NSR 18092 PAC 398 PR 296 LPR 340 LQT 118 QAb 548 SA 772 SB 637 STach 826 TAb 2345 TInv 294 "
    "AnMI 354 AnMIs 44 CHB 16 IIAVB 14 IIs 219 ILBBB 77 LAE 427 LIs 142 LPFB 177 MIs 2175 PSVT 24 "
    "RAH 99 RVH 126 STC 770 STD 1009 STE 28 SVT 27 VEB 1154 VH 30 WPW 80"
)


@pytest.fixture(scope="module")
def mirror() -> Path:
    if "ECGPIPE_MIRROR" not in os.environ:
        pytest.skip("ECGPIPE_MIRROR names no mirror of real recordings")
    return Path(os.environ["ECGPIPE_MIRROR"])


def labels_of(selection) -> set[str]:
    return {label for labels in snomed.mapping(selection).values() for label in labels}


@pytest.mark.parametrize(
    ("selection", "labels"),
    [("all", 133), ("merged", 128), ("scored", 26), ("scored-unmerged", 30)]
    + [("ce-ssl-georgia", 18), ("ce-ssl-ptbxl", 19), ("ce-ssl-ningbo", 23)]
    + [("ce-ssl-chapman", 16)],
)
def test_selections_have_the_published_numbers_of_labels(selection, labels):
    assert len(labels_of(selection)) == labels


@pytest.mark.parametrize(
    ("column", "name"), [*enumerate(("georgia", "ptbxl", "ningbo", "chapman"))]
)
def test_ce_ssl_has_the_scored_codes_with_more_than_two_hundred_recordings(column, name):
    rows = [row.split() for row in COUNTED.split(";")]
    expected = {label for label, *counts in rows if int(counts[column]) > 200}
    assert labels_of(f"ce-ssl-{name}") == expected


def test_the_table_says_what_the_challenge_says(mirror):
    path = mirror / "challenge-2021/1.0.3/snomed_mapping.csv"
    with path.open(newline="") as file:
        published = {
            row["snomed_code"]: (row["abbreviation"], row["scored"] == "1")
            for row in csv.DictReader(file)
        }
    ours = {row["code"]: (row["abbreviation"], row["scored"] == "yes") for row in snomed.concepts()}
    assert ours == published


@pytest.mark.parametrize(
    ("one", "other", "label"),
    [("713427006", "59118001", "RBBB"), ("733534002", "164909002", "LBBB")]
    + [("284470004", "63593006", "PAC"), ("427172004", "17338001", "PVC")],
)
def test_what_the_challenge_scores_as_one_is_one_label(one, other, label):
    scored, unmerged = snomed.mapping("scored"), snomed.mapping("scored-unmerged")
    assert scored[one] == scored[other] == (label,)
    assert unmerged[one] != unmerged[other]


def test_ventricular_ectopics_are_premature_contractions_but_not_for_the_challenge():
    assert snomed.mapping("merged")["164884008"] == ("PVC",)
    assert "164884008" not in snomed.mapping("scored")
    assert snomed.mapping("all")["164884008"] == ("VEB",)


def test_abbreviations_and_codes_are_unique_and_equivalents_are_known():
    codes = [row["code"] for row in snomed.concepts()]
    assert len(set(codes)) == len(codes) == len(labels_of("all"))
    assert {row["equivalent"] for row in snomed.concepts()} <= {"", *codes}
    assert all(set(row) == {"code", "name", "abbreviation", "scored", "equivalent", "note"}
               for row in snomed.concepts())  # fmt: skip


def test_names_beside_codes_of_sources_are_those_of_the_table():
    names = {row["code"]: row["name"] for row in snomed.concepts()} | {"": ""}
    assert all(row["name"] == names[row["snomed"]] for row in snomed.sources())
    assert all(row["note"] for row in snomed.sources() if not row["snomed"])


def test_a_word_means_the_same_in_every_source():
    meant = {}
    for row in snomed.sources():
        meant.setdefault(row["code"], {}).setdefault(row["source"], set()).add(row["snomed"])
    several = {code: list(said.values()) for code, said in meant.items() if len(said) > 1}
    assert set(several) == {"PAC", "PVC", "AF", "LBBB", "RBBB"}
    assert all(each == said[0] for said in several.values() for each in said)


def test_every_scp_statement_has_a_code_or_a_reason_to_have_none():
    scp = set(registry.load("vocabularies", "scp").mapping("all"))
    assert {row["code"] for row in snomed.sources() if row["source"] == "scp"} == scp


def test_every_phrase_of_ludb_has_a_code_or_a_reason_to_have_none(mirror):
    with (mirror / "ludb/1.0.1/ludb.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    cells = [cell for row in rows for name, cell in row.items() if name not in ("ID", "Sex", "Age")]
    phrases = {" ".join(line.split()) for cell in cells for line in cell.split("\n")} - {""}
    assert {row["code"] for row in snomed.sources() if row["source"] == "ludb"} == phrases


@pytest.mark.parametrize(
    "name", ["georgia", "chapman", "ningbo", "cpsc2018", "cpsc2018_extra", "ludb"]
)
def test_every_statement_of_the_real_recordings_is_known(mirror, name):
    plugin = registry.load("datasets", name)
    found = {code for r in plugin.records(mirror / plugin.MIRROR) for code in r.statements}
    known = {row["code"] for row in (*snomed.concepts(), *snomed.sources())}
    assert found and found <= known


def test_ptb_xl_statements_make_the_labels_that_the_challenge_counted(mirror):
    mapping = snomed.mapping("all")
    with (mirror / "ptb-xl/1.0.3/ptbxl_database.csv").open(newline="", encoding="utf-8") as file:
        rows = [ast.literal_eval(row["scp_codes"]) for row in csv.DictReader(file)]
    labels = [{label for code in row for label in mapping.get(code, ())} for row in rows]
    words = PTBXL.split()
    for label, published in zip(words[::2], map(int, words[1::2]), strict=True):
        counted = sum(label in row for row in labels)
        lost = 38  # recordings that release 1.0.3 has no longer
        assert published - lost <= counted <= published, label


def test_one_label_gathers_what_several_sources_say():
    mapping = snomed.mapping(("PVC", "RBBB"))
    assert {"17338001", "427172004", "164884008", "PVC", "CRBBB", "RBBB"} < set(mapping)
    assert set(mapping.values()) == {("PVC",), ("RBBB",)}
    assert mapping["Ventricular extrasystole, type: couplet"] == ("PVC",)


def test_a_phrase_may_make_two_labels():
    both = snomed.mapping("merged")["Ventricular extrasystole, type: couplet"]
    assert both == ("PVC", "VPVC")


def test_unknown_labels_are_answered_with_the_merged_ones():
    with pytest.raises(ValueError, match="no CRBBB; there are: AAR, AB,"):
        snomed.mapping(("CRBBB",))
