"""Long recordings: what their annotations mean, on recordings made here."""

import importlib
import time
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgpipe import records, registry, settings
from ecgpipe.annotations import Span
from ecgpipe.datasets import _ambulatory, cudb, nsrdb, svdb
from ecgpipe.stages import preprocess
from tests.layouts._ambulatory import write_recording

WINDOWS = settings.Preparation(250, 2.0, ("ECG|ECG1",), band=(0.5, 40.0), window=2.0)


def made_up(folder: Path, marks: list[tuple], fs: int = 100, seconds: int = 60) -> Path:
    """Write one recording; a mark is a time in seconds, a symbol, a text, a subtype."""
    header = f"900 2 {fs} {fs * seconds}\n" + "900.dat 212 200 10 0 0 0 0 ECG\n" * 2
    told = [(round(fs * at), symbol, (*rest, "", 0)) for at, symbol, *rest in marks]
    write_recording(folder, header, [(at, symbol, r[1] or 0, r[0]) for at, symbol, r in told])
    return folder / "900.hea"


def spans_of(folder: Path, marks: list[tuple]) -> list[tuple]:
    found = _ambulatory.annotated(made_up(folder, marks))["spans"]
    return [(span.code, span.onset, span.offset) for span in found]


def test_a_rhythm_lasts_to_the_next_one_and_the_last_to_the_end(tmp_path):
    found = spans_of(tmp_path, [(1, "+", "(N"), (2, "N"), (10, "+", "(VT"), (12.5, "+", "(N")])
    assert found == [("(N", 1.0, 10.0), ("(VT", 10.0, 12.5), ("(N", 12.5, 60.0)]


def test_a_rhythm_goes_on_during_noise_and_where_it_is_marked_again(tmp_path):
    marks = [(1, "+", "(N"), (5, "+", "(NOISE"), (9, "+", "(N"), (20, "+", "(VT")]
    marks += [(30, "+", "(NOISE"), (40, "+", "(N")]
    assert spans_of(tmp_path, marks) == [("(N", 1, 20), ("(VT", 20, 40), ("(N", 40, 60)]
    unreadable = _ambulatory.annotated(tmp_path / "900.hea")["unreadable"]
    assert unreadable == ((5.0, 9.0), (30.0, 40.0))


def test_brackets_enclose_flutter_and_nothing_is_known_after_them(tmp_path):
    marks = [(0, "+", "(N"), (10, "["), (10.2, "+", "(VFL"), (20, "]"), (20.5, "+", "(N")]
    found = spans_of(tmp_path, [*marks, (30, "["), (40, "]")])
    assert found == [("(N", 0, 10), ("(VFL", 10, 20), ("(N", 20.5, 30), ("(VFL", 30, 40)]


def test_a_bracket_that_closes_nothing_changes_nothing(tmp_path):
    assert spans_of(tmp_path, [(0, "+", "(N"), (10, "]")]) == [("(N", 0, 60)]


def test_a_change_to_a_rhythm_without_a_name_ends_what_was_known(tmp_path):
    assert spans_of(tmp_path, [(0, "+", "(N"), (10, "+"), (20, "+", "(B")]) == [
        ("(N", 0, 10),
        ("(B", 20, 60),
    ]


def test_noisy_signals_can_be_read_and_unreadable_ones_not(tmp_path):
    marks = [(5, "~", "", 1), (6, "~", "", 3), (8, "~", "", -1), (9.5, "~", "", 0)]
    marks += [(20, "~", "", 0x22), (30, "~", "", 2), (50, "~", "", 0x11)]
    found = _ambulatory.annotated(made_up(tmp_path, marks))["unreadable"]
    assert found == ((8.0, 9.5), (20.0, 30.0), (50.0, 60.0))


def test_artefacts_comments_and_blocked_p_waves_are_no_beats(tmp_path):
    marks = [(k, symbol) for k, symbol in enumerate('N|V~x!/+"Q[]')]
    found = _ambulatory.annotated(made_up(tmp_path, marks))["beats"]
    assert "".join(found.symbol) == "NV!/Q" and found.time.tolist() == [0, 2, 5, 6, 9]


def test_beats_are_the_symbols_that_wfdb_calls_beats():
    qrs = {label.symbol for label in wfdb.io.annotation.ann_labels}
    assert set(_ambulatory.BEATS) <= qrs and len(set(_ambulatory.BEATS)) == 20
    assert not set(_ambulatory.BEATS) & set('[]()|~+sT*D="@xptu^')


def test_a_header_that_does_not_tell_its_length_is_refused(tmp_path):
    header = made_up(tmp_path, [(1, "+", "(N")])
    header.write_text(header.read_text().replace("100 6000", "100"))
    with pytest.raises(ValueError, match="900.hea: no number of samples"):
        _ambulatory.annotated(header)


@pytest.mark.parametrize(
    ("marks", "noise"),
    [
        ([(5, "~"), (7, "~"), (50, "~"), (52, "~")], [(5, 7), (50, 52), (52, 60)]),
        ([(5, "~", "", 1), (58, "~", "", 0)], [(5, 58)]),
        ([(5, "~")], []),
    ],
    ids=["told apart by nearness", "told apart by the annotator", "one alone says nothing"],
)
def test_noise_of_cudb_lies_between_two_marks(tmp_path, marks, noise):
    made_up(tmp_path, marks)
    (tmp_path / "RECORDS").write_text("900\n")
    (record,) = cudb.records(tmp_path)
    assert list(record.unreadable) == noise


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    """The layouts of svdb and nsrdb in one mirror."""
    mirror = tmp_path_factory.mktemp("mirror")
    for name in ("svdb", "nsrdb"):
        place = mirror / registry.load("datasets", name).MIRROR
        importlib.import_module(f"tests.layouts.{name}").write(place)
    return mirror


def test_svdb_has_beats_and_no_rhythms(releases):
    known = svdb.records(releases / svdb.MIRROR)
    assert [record.id for record in known] == ["800", "820"]
    for record in known:
        assert not record.spans and not record.unreadable
        assert set(record.beats.symbol) == set("NSVJaBFQ")


def test_svdb_is_read_at_the_gain_of_wfdb_where_it_states_none(releases):
    place = releases / svdb.MIRROR
    for record in svdb.records(place):
        signal = svdb.read(place, record, "signals")
        expected = wfdb.rdrecord(str(place / record.id)).p_signal.T
        np.testing.assert_allclose(signal.millivolts, expected, atol=1e-6)
        assert signal.leads == ("ECG1", "ECG2")


def test_what_nobody_annotated_of_nsrdb_is_left_out(releases):
    place = releases / nsrdb.MIRROR
    known = nsrdb.records(place)
    assert [(r.id, r.age, r.sex) for r in known] == [("16265", 32, "male"), ("16272", 20, "female")]
    rows, _ = preprocess.prepare(nsrdb, WINDOWS, place, known[:1])
    last = known[0].beats.time[-1]
    assert rows[0].start == 30.0 and last - 4 < rows[-1].start <= last - 2
    assert all(row.beats for row in rows)


@pytest.mark.parametrize("name", ["svdb", "nsrdb"])
def test_a_release_is_fetched_without_what_is_not_part_of_it(releases, name):
    plugin = registry.load("datasets", name)
    listing = sorted(path.name for path in (releases / plugin.MIRROR).iterdir())
    names = (releases / plugin.MIRROR / "RECORDS").read_text().split()
    metadata = plugin.files("metadata", listing, names)
    expected = {"RECORDS", *(f"{n}{suffix}" for n in names for suffix in (".hea", ".atr"))}
    assert set(metadata) == expected and len(metadata) == len(expected)
    assert plugin.files("signals", listing, names) == [f"{n}.dat" for n in names]


@pytest.mark.slow
def test_a_day_of_two_leads_and_100_000_beats_is_prepared_within_half_a_minute(tmp_path):
    day = 24 * 3600
    marks = [(k * 0.86, "V" if k % 1000 == 5 else "N") for k in range(100_000)]
    made_up(tmp_path, marks, fs=128, seconds=day)
    (tmp_path / "RECORDS").write_text("900\n")
    began = time.process_time()
    known = nsrdb.records(tmp_path)
    assert time.process_time() - began < 2 and len(known[0].beats.time) == 100_000
    rows, _ = preprocess.prepare(nsrdb, WINDOWS, tmp_path, known)
    path = tmp_path / "0.h5"
    records.write_shard(path, rows, dataset="nsrdb", preparation=WINDOWS, sources="s")
    assert time.process_time() - began < 30
    assert len(records.read_table([path])) == int(99_999 * 0.86 / 2)
    assert sum(row.beats.get("V", 0) for row in rows) == 100


def test_what_leads_into_a_fibrillation_begins_where_the_one_before_ended():
    told = [("(VF", 10, 20), ("(N", 20, 25), ("(VF", 30, 40), ("(VF", 40, 41), ("(VF", 100, 120)]
    found = cudb.lead_ins(tuple(Span(code, float(on), float(off)) for code, on, off in told))
    assert [(span.onset, span.offset) for span in found] == [(0, 10), (20, 30), (85, 100)]
    assert {span.code for span in found} == {"(ONSET"}
