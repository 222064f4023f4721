"""The regions declared for labels: all of them, and those that the literature is plain about."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ecgpipe import attention, regions, registry
from ecgpipe.datasets import _cohort, _heart
from ecgpipe.datasets._patients import pick
from ecgpipe.expected_regions import declared, expected
from ecgpipe.records import WAVES
from ecgpipe.regions import REGIONS

SELECTIONS = [
    *[("scp", name) for name in ("all", "subdiag", "superdiag")],
    *[("snomed", name) for name in ("all", "merged")],
    *[("synthetic", name) for name in ("all", "groups")],
    ("code", "all"),
]


@pytest.mark.parametrize(("vocabulary", "selection"), SELECTIONS)
def test_every_label_has_a_line(vocabulary, selection):
    mapping = registry.load("vocabularies", vocabulary).mapping(selection)
    labels = {label for of in mapping.values() for label in of}
    assert labels <= declared().keys()


def test_only_regions_of_a_heartbeat_are_declared_in_their_order():
    places = [[REGIONS.index(name) for name in regions] for regions in declared().values()]
    assert all(place == sorted(set(place)) for place in places)
    assert "padding" not in {name for regions in declared().values() for name in regions}


@pytest.mark.parametrize(
    ("label", "regions"),
    [
        ("AFIB", ("P", "TP")),
        ("1AVB", ("P", "PR")),
        ("CLBBB", ("QRS",)),
        ("PVC", ("QRS",)),
        ("WPW", ("PR", "QRS")),
        ("STTC", ("ST", "T")),
        ("LVH", ("QRS", "ST", "T")),
        ("INVT", ("T",)),
    ],
)
def test_what_defines_a_finding_is_expected(label, regions):
    assert expected(label) == regions


@pytest.mark.parametrize("label", ["SR", "STACH", "PAC", "NORM", "nobody knows"])
def test_rhythms_and_the_unknown_have_no_region(label):
    assert expected(label) == ()


def test_labels_that_mean_the_same_have_the_same_regions():
    same = [("1AVB", "IAVB", "1dAVb", "LPR"), ("AFIB", "AF"), ("CRBBB", "RBBB"), ("INVT", "TInv")]
    assert all(len({expected(label) for label in labels}) == 1 for labels in same)


@pytest.mark.parametrize(
    ("label", "cause"), [("INVT", "inversion"), ("STE", "elevation"), ("STD", "depression")]
)
def test_what_a_finding_changes_in_the_synthetic_cohort_lies_where_it_is_expected(label, cause):
    cohort = _cohort.draw_cohort(60, seed=5)
    healthy = replace(cohort.visits, **{cause: 0 * getattr(cohort.visits, cause)})
    host = pick(cohort.traits, cohort.visits.patient)
    beating = [_heart.build_heart(host, visits) for visits in (cohort.visits, healthy)]
    drawn = [_heart.dipole(heart, cohort.beats, cohort.visits, 100.0) for heart in beating]
    changed = torch.from_numpy((drawn[0] - drawn[1])[cohort.labels[label].to_numpy(bool)])
    rows = np.flatnonzero(cohort.labels[label])
    region = torch.from_numpy(regions_of(cohort.waves, rows, changed.shape[2]))
    mass = attention.measure(changed, region)["mass"].nan_to_num()
    there = mass[:, [REGIONS.index(name) for name in expected(label)]].sum(dim=1)
    assert there.median() > 0.85


def regions_of(waves, rows, time):
    """Code the true waves of some records, at 100 Hz and three axes of the dipole."""
    own = waves[waves["row"].isin(rows)]
    number = own["row"].map({row: place for place, row in enumerate(rows)})
    kind = own["kind"].map({name: place for place, name in enumerate(WAVES)})
    points = np.rint(100 * own[["onset", "peak", "offset"]])
    coded = np.column_stack([number, kind, np.full(len(own), -1), points]).astype(np.int32)
    return regions.code(coded, np.full(len(rows), time), 3, time)
