"""Every file in ecgpipe/vocabularies keeps these promises, and SCP counts as published."""

import pytest

from ecgpipe import registry

VOCABULARIES = registry.names("vocabularies")
SELECTIONS = [
    (name, selection)
    for name in VOCABULARIES
    for selection in registry.load("vocabularies", name).SELECTIONS
]


def labels_of(mapping):
    return {label for labels in mapping.values() for label in labels}


@pytest.mark.parametrize(("name", "selection"), SELECTIONS)
def test_every_selection_maps_codes_to_tuples_of_labels(name, selection):
    mapping = registry.load("vocabularies", name).mapping(selection)
    assert mapping
    assert all(isinstance(code, str) and code for code in mapping)
    assert all(isinstance(labels, tuple) and labels and all(labels) for labels in mapping.values())


@pytest.mark.parametrize("name", VOCABULARIES)
def test_an_unknown_selection_is_answered_with_those_there_are(name):
    vocabulary = registry.load("vocabularies", name)
    with pytest.raises(ValueError, match=", ".join(vocabulary.SELECTIONS) or "one by one"):
        vocabulary.mapping("superdiagg")


@pytest.mark.parametrize("name", ["scp", "synthetic"])
def test_listed_labels_stand_for_themselves_and_unknown_ones_are_refused(name):
    vocabulary = registry.load("vocabularies", name)
    assert vocabulary.mapping(("PVC", "AFIB")) == {"PVC": ("PVC",), "AFIB": ("AFIB",)}
    with pytest.raises(ValueError, match="no PVCC; there are: NORM"):
        vocabulary.mapping(("PVCC",))


def test_plain_labels_are_the_statements_of_the_source():
    mapping = registry.load("vocabularies", "plain").mapping(("my finding", "NORM"))
    assert mapping == {"my finding": ("my finding",), "NORM": ("NORM",)}


@pytest.mark.parametrize(
    ("selection", "labels"),
    [("all", 71), ("diag", 44), ("subdiag", 23), ("superdiag", 5), ("form", 19), ("rhythm", 12)],
)
def test_scp_selections_have_the_published_numbers_of_labels(selection, labels):
    mapping = registry.load("vocabularies", "scp").mapping(selection)
    assert len(labels_of(mapping)) == labels


def test_four_scp_statements_are_both_diagnostic_and_form():
    scp = registry.load("vocabularies", "scp")
    both = set(scp.mapping("diag")) & set(scp.mapping("form"))
    assert both == {"DIG", "LNGQT", "NDT", "NST_"}


def test_scp_superclasses_are_the_five_of_ptbxl():
    superclasses = registry.load("vocabularies", "scp").mapping("superdiag")
    assert labels_of(superclasses) == {"NORM", "MI", "STTC", "CD", "HYP"}
    assert superclasses["LAO/LAE"] == ("HYP",)


def test_the_synthetic_cohort_has_fourteen_labels_in_five_groups():
    synthetic = registry.load("vocabularies", "synthetic")
    assert len(synthetic.mapping("all")) == 14
    groups = {"normal", "rhythm", "conduction", "repolarisation", "voltage"}
    assert labels_of(synthetic.mapping("groups")) == groups
