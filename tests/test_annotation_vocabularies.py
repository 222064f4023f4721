"""What the codes of rhythms and beats stand for."""

import pytest

from ecgpipe import registry
from ecgpipe.datasets import _ambulatory

VA = ("(VT", "(VFL", "(VF", "(VFIB")


def mapping(vocabulary: str, selection: str | tuple[str, ...]) -> dict:
    return registry.load("vocabularies", vocabulary).mapping(selection)


def test_every_beat_has_a_class_of_aami_but_waves_of_flutter():
    classes = mapping("aami", "all")
    assert set(classes) == set(_ambulatory.BEATS) - {"!"}
    of = {label: "".join(sorted(c for c in classes if classes[c] == (label,))) for label in "NSVFQ"}
    assert of == {"N": "BLNRejn", "S": "AJSa", "V": "EVr", "F": "F", "Q": "/?Qf"}


def test_rhythms_of_one_meaning_have_one_label():
    rhythms = mapping("rhythms", "all")
    assert rhythms["(VF"] == rhythms["(VFIB"] == ("VF",)
    assert rhythms["(N"] == rhythms["(NSR"] == ("SR",)
    assert all(code.startswith("(") for code in rhythms) and "(NOISE" not in rhythms
    assert {"SR", "SBRAD", "AFIB", "AFLT", "PACE"} <= set(mapping("scp", "rhythm"))


def test_ventricular_arrhythmia_is_defined_twice_and_each_time_on_purpose():
    assert mapping("ventricular", "va") == dict.fromkeys(VA, ("VA",))
    ectopic = mapping("ventricular", "va-ectopic")
    assert set(ectopic) == {*VA, "(B", "(T", "(HGEA", "(IVR", "(VER", *"VrE!"}
    assert set(ectopic.values()) == {("VA",)}
    apart = {"(VT": ("VT",), "(VFL": ("VFL",), "(VF": ("VF",), "(VFIB": ("VF",)}
    assert mapping("ventricular", "vt-vfl-vf") == apart


@pytest.mark.parametrize("vocabulary", ["aami", "rhythms", "ventricular"])
def test_labels_can_be_listed_and_unknown_ones_are_answered(vocabulary):
    listed = {"aami": "V", "rhythms": "VF", "ventricular": "VF"}[vocabulary]
    assert set(mapping(vocabulary, (listed,)).values()) == {(listed,)}
    with pytest.raises(ValueError, match=f"{vocabulary} has no VFF; there are: "):
        mapping(vocabulary, ("VFF",))
