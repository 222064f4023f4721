"""Which records a task asks about, and which labels they carry."""

import ast
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from ecgpipe import labels, registry
from ecgpipe.settings import Task, build

TASKS = Path(__file__).parents[1] / "config" / "tasks"


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "dataset": ["here", "here", "here", "there"],
            "record": ["a", "b", "c", "a"],
            "patient": ["1", "2", "3", "1"],
            "statements": [{"NORM": 100.0, "SR": 0.0}, {"IMI": 15.0, "ASMI": 0.0}, {}, {"LVH": 50}],
            "rhythms": [{}, {}, {}, {}],
            "beats": [{}, {}, {}, {}],
            "fold": [1, 2, 2, None],
            "site": ["0.0", None, "1.0", "0.0"],
        }
    )


def task(**changed):
    return Task(**{"datasets": ("here",), "vocabulary": "scp", "labels": "superdiag"} | changed)


def test_labels_are_in_alphabetical_order():
    assert labels.label_names(task()) == ("CD", "HYP", "MI", "NORM", "STTC")


def test_a_statement_counts_whatever_its_likelihood(table):
    names, target = labels.targets(table, task(labels="all"))
    assert [name for name, positive in zip(names, target[0], strict=True) if positive] == [
        "NORM",
        "SR",
    ]


def test_statements_of_one_class_make_one_label(table):
    _, target = labels.targets(table, task())
    expected = [[0, 0, 0, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0], [0, 1, 0, 0, 0]]
    np.testing.assert_array_equal(target, np.array(expected, bool))


def test_records_without_a_label_of_the_task_are_dropped(table):
    assert list(labels.select(table, task())["record"]) == ["a", "b"]


def test_records_without_a_label_are_kept_where_the_task_says_so(table):
    kept = labels.select(table, task(keep_unlabeled=True))
    assert list(kept["record"]) == ["a", "b", "c"]


def test_several_datasets_are_selected_together(table):
    kept = labels.select(table, task(datasets=("there", "here")))
    assert list(kept["dataset"]) == ["here", "here", "there"]


def test_where_keeps_the_allowed_values(table):
    kept = labels.select(table, task(where={"fold": (2,), "site": ("1.0",)}, keep_unlabeled=True))
    assert list(kept["record"]) == ["c"]


def test_null_keeps_the_records_of_which_it_is_not_known(table):
    kept = labels.select(table, task(where={"site": (None, "1.0")}, keep_unlabeled=True))
    assert list(kept["record"]) == ["b", "c"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"where": {"flod": (1,)}}, "'flod'; records have: dataset"),
        ({"where": {"fold": (1, 7)}}, "fold 7; records have: 1.0, 2.0"),
        ({"datasets": ("here", "nowhere")}, "dataset nowhere"),
        ({"vocabulary": "snomedd"}, "snomedd.*there are: aami"),
        ({"least": 3}, "no label is carried by 3"),
    ],
)
def test_what_is_not_there_is_refused(table, changed, message):
    with pytest.raises(ValueError, match=message):
        labels.select(table, task(**changed))


@pytest.fixture
def windows():
    """Six windows of two recordings that are annotated along their time."""
    rhythms = [{"(N": 1.0}, {"(N": 0.6, "(VT": 0.4}, {"(N": 0.5, "(VT": 0.5}]
    rhythms += [{"(VT": 0.2, "(VF": 0.1, "(VFIB": 0.2, "(N": 0.5}, {}, {"(AFIB": 1.0}]
    return pd.DataFrame(
        {
            "dataset": ["here"] * 6,
            "record": ["a", "a", "a", "a", "b", "b"],
            "patient": ["1", "1", "1", "1", "2", "2"],
            "statements": [{}] * 6,
            "rhythms": rhythms,
            "beats": [{"N": 3}, {"N": 2, "V": 1}, {}, {}, {"F": 1}, {"N": 1}],
        }
    )


def carried(table, **changed):
    names, target = labels.targets(table, task(**changed))
    return [[n for n, positive in zip(names, row, strict=True) if positive] for row in target]


def test_a_rhythm_counts_where_it_covers_enough_of_the_window(windows):
    told = {"vocabulary": "rhythms", "labels": ("AFIB", "SR", "VT")}
    half = [["SR"], ["SR"], ["SR", "VT"], ["SR"], [], ["AFIB"]]
    assert carried(windows, **told) == half
    assert carried(windows, overlap=1.0, **told) == [["SR"], [], [], [], [], ["AFIB"]]
    assert carried(windows, overlap=0.2, **told)[3] == ["SR", "VT"]


def test_rhythms_of_one_label_cover_a_window_together(windows):
    found = carried(windows, vocabulary="ventricular", labels="va")
    assert found == [[], [], ["VA"], ["VA"], [], []]
    apart = carried(windows, vocabulary="ventricular", labels="vt-vfl-vf", overlap=0.3)
    assert apart[3] == ["VF"]  # (VF and (VFIB


def test_a_beat_counts_where_there_is_one(windows):
    assert carried(windows, vocabulary="aami", labels=("V", "F")) == [[], ["V"], [], [], ["F"], []]
    found = carried(windows, vocabulary="ventricular", labels="va-ectopic")
    assert found == [[], ["VA"], ["VA"], ["VA"], [], []]


def test_windows_of_no_label_are_dropped_or_kept_as_the_task_says(windows):
    va = {"vocabulary": "ventricular", "labels": "va"}
    assert len(labels.select(windows, task(**va))) == 2
    assert len(labels.select(windows, task(keep_unlabeled=True, **va))) == 6


def test_least_counts_records_and_not_their_windows(windows):
    assert carried(windows, vocabulary="rhythms", labels=("SR",), least=1)[0] == ["SR"]
    with pytest.raises(ValueError, match="carried by 2 records.*carried by 1 of 2"):
        labels.targets(windows, task(vocabulary="rhythms", labels=("SR",), least=2))


def test_what_is_annotated_is_listed_where_no_label_of_the_task_is(windows):
    with pytest.raises(ValueError, match=r"none of 2 records .* there are: \(AFIB, F, N"):
        labels.select(windows[4:], task(vocabulary="ventricular", labels="va"))


def test_labels_with_too_few_records_are_left_out_and_so_are_their_records(table):
    twice = pd.concat([table, table.iloc[[0]].assign(record="d")], ignore_index=True)
    few = task(least=2)
    kept = labels.select(twice, few)
    assert list(kept["record"]) == ["a", "d"]
    assert labels.targets(kept, few)[0] == ("NORM",)


def test_a_label_that_no_record_carries_stays_a_label(table):
    names, target = labels.targets(table.iloc[:1], task())
    assert len(names) == 5
    assert target.sum() == 1


@pytest.mark.parametrize("path", sorted(TASKS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_task_can_be_read_and_says_what_it_is(path):
    text = path.read_text()
    assert text.startswith("# ")
    assert labels.label_names(build(Task, yaml.safe_load(text), str(path)))


@pytest.fixture(scope="module")
def ptbxl():
    """All 21,799 rows of PTB-XL 1.0.3, read without the project's own reader."""
    if "ECGPIPE_MIRROR" not in os.environ:
        pytest.skip("needs real records: set ECGPIPE_MIRROR to a PhysioNet mirror")
    path = Path(os.environ["ECGPIPE_MIRROR"], "ptb-xl", "1.0.3", "ptbxl_database.csv")
    rows = pd.read_csv(path, usecols=["ecg_id", "patient_id", "scp_codes", "strat_fold"])
    return pd.DataFrame(
        {
            "dataset": "ptbxl",
            "record": rows["ecg_id"].map("{:05d}".format),
            "patient": rows["patient_id"].astype(int).astype(str),
            "statements": rows["scp_codes"].map(ast.literal_eval),
            "rhythms": [{}] * len(rows),
            "beats": [{}] * len(rows),
            "fold": rows["strat_fold"],
        }
    )


def part_sizes(table):
    return tuple(int(table["fold"].isin(folds).sum()) for folds in (range(1, 9), [9], [10]))


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("all", (17418, 2183, 2198)),
        ("diag", (17084, 2146, 2158)),
        ("subdiag", (17084, 2146, 2158)),
        ("superdiag", (17084, 2146, 2158)),
        ("form", (7197, 901, 880)),
        ("rhythm", (16832, 2100, 2098)),
    ],
)
def test_ptbxl_tasks_have_the_published_numbers_of_records(ptbxl, name, sizes):
    of_task = build(Task, yaml.safe_load((TASKS / f"ptbxl-{name}.yaml").read_text()), name)
    assert part_sizes(labels.select(ptbxl, of_task)) == sizes


# fmt: off
COUNTS = {
    "superdiag": {"NORM": 9514, "MI": 5469, "STTC": 5235, "CD": 4898, "HYP": 2649},
    "subdiag": {
        "NORM": 9514, "IMI": 3271, "AMI": 3078, "STTC": 2239, "LVH": 2132, "LAFB/LPFB": 1797,
        "ISC_": 1272, "IRBBB": 1118, "ISCA": 941, "_AVB": 823, "IVCD": 787, "NST_": 767,
        "CRBBB": 541, "CLBBB": 536, "LAO/LAE": 426, "ISCI": 397, "LMI": 201, "RVH": 126,
        "RAO/RAE": 99, "WPW": 79, "ILBBB": 77, "SEHYP": 29, "PMI": 17,
    },
    "form": {
        "ABQRS": 3327, "NDT": 1825, "PVC": 1143, "STD_": 1009, "VCLVH": 875, "NST_": 767,
        "QWAVE": 548, "LOWT": 438, "NT_": 423, "PAC": 398, "LPR": 340, "INVT": 294, "LVOLT": 182,
        "DIG": 181, "LNGQT": 117, "HVOLT": 62, "TAB_": 35, "STE_": 28, "PRC(S)": 10,
    },
    "rhythm": {
        "SR": 16748, "AFIB": 1514, "STACH": 826, "SARRH": 772, "SBRAD": 637, "PACE": 294,
        "SVARR": 157, "BIGU": 82, "AFLT": 73, "SVTAC": 27, "PSVT": 24, "TRIGU": 20,
    },
}
# fmt: on


@pytest.mark.parametrize("selection", COUNTS)
def test_ptbxl_labels_have_the_published_numbers_of_positives(ptbxl, selection):
    names, target = labels.targets(ptbxl, task(datasets=("ptbxl",), labels=selection))
    assert dict(zip(names, target.sum(axis=0).tolist(), strict=True)) == COUNTS[selection]


def test_ptbxl_folds_have_the_published_sizes(ptbxl):
    sizes = [2175, 2181, 2192, 2174, 2174, 2173, 2176, 2173, 2183, 2198]
    assert ptbxl["fold"].value_counts().sort_index().tolist() == sizes


def test_the_scp_table_is_that_of_the_release():
    if "ECGPIPE_MIRROR" not in os.environ:
        pytest.skip("needs the release: set ECGPIPE_MIRROR to a PhysioNet mirror")
    path = Path(os.environ["ECGPIPE_MIRROR"], "ptb-xl", "1.0.3", "scp_statements.csv")
    published = pd.read_csv(path, index_col=0).fillna("")
    ours = pd.DataFrame(registry.load("vocabularies", "scp").statements()).set_index("code")
    published = published.loc[ours.index].replace(1.0, "yes")
    assert len(published) == 71
    for column in ("description", "diagnostic", "form", "rhythm"):
        assert (ours[column] == published[column]).all()
    for column in ("class", "subclass"):
        assert (ours[column] == published[f"diagnostic_{column}"]).all()


def test_targets_of_22000_records_take_less_than_half_a_second():
    rng = np.random.default_rng(0)
    codes = np.array(labels.label_names(task(labels="all")))
    chosen = codes[rng.integers(0, len(codes), (22_000, 4))]
    table = pd.DataFrame({"statements": [dict.fromkeys(row, 0.0) for row in chosen.tolist()]})
    table = table.assign(dataset="here", record=np.arange(len(table)).astype(str))
    table = table.assign(rhythms=[{"(N": 0.5}] * len(table), beats=[{"N": 2}] * len(table))
    begin = time.process_time()
    labels.targets(table, task(labels="all"))
    assert time.process_time() - begin < 0.5
