"""Long recordings as published: windows, rhythms and beats held to a count by hand."""

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import wfdb
import yaml

from ecgpipe import labels, records, registry, settings
from ecgpipe.datasets import cudb, mitdb, vfdb
from ecgpipe.stages import preprocess

CONFIG = Path(__file__).parents[1] / "config"
VA = ("(VT", "(VFL", "(VF", "(VFIB")
NAMES = ("mitdb", "vfdb", "cudb")


def told(name: str) -> settings.Preparation:
    text = (CONFIG / "preparations" / f"{name}.yaml").read_text()
    return settings.build(settings.Preparation, yaml.safe_load(text), name)


def real(plugin) -> Path:
    if "ECGPIPE_MIRROR" not in os.environ:
        pytest.skip("needs real recordings: set ECGPIPE_MIRROR to a PhysioNet mirror")
    return Path(os.environ["ECGPIPE_MIRROR"], plugin.MIRROR)


def by_hand(path: Path, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Write down, sample by sample, the rhythm and whether there is noise, from wfdb's reader."""
    marks = wfdb.rdann(str(path), "atr")
    rhythm, noise = np.full(samples, "", "U8"), np.zeros(samples, bool)
    for at, symbol, text in zip(marks.sample, marks.symbol, marks.aux_note, strict=True):
        text = text.rstrip("\0")
        if symbol in "+[]" and text != "(NOISE":
            rhythm[at:] = {"[": "(VF", "]": ""}.get(symbol, text)
        if symbol == "+":
            noise[at:] = text == "(NOISE"
    at = [s for s, symbol in zip(marks.sample, marks.symbol, strict=True) if symbol == "~"]
    quality = marks.subtype[[symbol == "~" for symbol in marks.symbol]]
    for begin, end, subtype in zip(at, [*at, samples][1:], quality, strict=True):
        noise[begin:end] |= subtype == -1
        if path.parent.parent.name == "cudb" and end - begin <= 30 * marks.fs:
            noise[begin:end] = True
    return rhythm, noise


def windows_by_hand(path: Path) -> list[tuple[float, bool]]:
    """Cut windows of two seconds out of what can be read; tell which are more than half VA."""
    signal = wfdb.rdrecord(str(path))
    rhythm, noise = by_hand(path, signal.sig_len)
    bad = noise | np.isnan(signal.p_signal[:, 0])
    length, at, found = 2 * signal.fs, 0, []
    while at + length <= signal.sig_len:
        if bad[at : at + length].any():
            at += 1 + int(bad[at : at + length].argmax())
            continue
        found.append((at / signal.fs, np.isin(rhythm[at : at + length], VA).mean() >= 0.5))
        at += length
    return found


@pytest.mark.parametrize(
    ("name", "record"),
    [
        *(("mitdb", number) for number in ("203", "207", "208")),
        *(("vfdb", number) for number in ("420", "422", "424", "426", "430")),
        *(("cudb", number) for number in ("cu01", "cu08", "cu15", "cu19", "cu21", "cu24")),
    ],
)
def test_windows_of_real_recordings_are_those_of_a_count_by_hand(name, record):
    plugin = registry.load("datasets", name)
    (known,) = (r for r in plugin.records(real(plugin)) if r.id == record)
    rows, _ = preprocess.prepare(plugin, told("250hz-2s-ambulatory"), real(plugin), [known])
    va = [sum(share for code, share in row.rhythms.items() if code in VA) >= 0.5 for row in rows]
    expected = windows_by_hand(real(plugin) / record)
    np.testing.assert_allclose([row.start for row in rows], [at for at, _ in expected], atol=1e-6)
    assert va == [positive for _, positive in expected]


@cache
def prepared(name: str) -> tuple[list, list, preprocess.Findings]:
    """Prepare all that the mirror holds of a database: its records, rows and findings."""
    plugin = registry.load("datasets", name)
    known = plugin.records(real(plugin))
    return known, *preprocess.prepare(plugin, told("250hz-2s-ambulatory"), real(plugin), known)


# windows, and those with more than half of VT, VFL or VF, of what a mirror may hold
COUNTS = {"mitdb": (20742, 178), "vfdb": (11323, 3606), "cudb": (5585, 1369)}
HELD = {"mitdb": 23, "vfdb": 12, "cudb": 23}


@pytest.mark.parametrize("name", NAMES)
def test_the_windows_of_a_real_database_are_counted(name, tmp_path):
    known, rows, findings = prepared(name)
    path, preparation = tmp_path / "0.h5", told("250hz-2s-ambulatory")
    records.write_shard(path, rows, dataset=name, preparation=preparation, sources="s")
    task = settings.Task((name,), "ventricular", "va", keep_unlabeled=True)
    names, target = labels.targets(records.read_table([path]), task)
    assert names == ("VA",) and not findings.empty and not findings.clipped
    if len(known) == HELD[name]:  # the whole release has more
        assert (len(rows), int(target.sum())) == COUNTS[name]


def test_every_beat_of_a_real_recording_is_in_one_window_and_no_other():
    known, rows, _ = prepared("mitdb")
    for record in (r for r in known if r.id in ("100", "207")):
        end = 2 * (650_000 // 720)  # seconds; what is left after the last window has no row
        inside = record.beats.symbol[record.beats.time < end]
        mine = [row.beats for row in rows if row.record.id == record.id]
        counted = {s: sum(each.get(s, 0) for each in mine) for s in np.unique(inside).tolist()}
        assert counted == {s: int((inside == s).sum()) for s in counted}


def test_ventricular_flutter_of_mitdb_is_where_its_waves_are():
    (record,) = (r for r in mitdb.records(real(mitdb)) if r.id == "207")
    waves = record.beats.time[record.beats.symbol == "!"]
    flutter = [span for span in record.spans if span.code == "(VFL"]
    assert len(waves) == 472 and len(flutter) == 6
    assert all(any(s.onset <= wave <= s.offset for s in flutter) for wave in waves)


def test_mitdb_has_its_leads_by_name_and_its_people_by_what_is_known():
    known = {record.id: record for record in mitdb.records(real(mitdb))}
    assert (known["100"].age, known["100"].sex) == (69.0, "male")
    assert (known["103"].age, known["103"].sex) == (None, "male")  # -1
    assert mitdb.read(real(mitdb), known["100"], "signals").leads == ("II", "V5")
    assert mitdb.SAME == {"202": "201"}


def test_no_published_copy_of_a_recording_of_mitdb_is_a_record():
    assert mitdb.files("signals", [], ["100", "x_mitdb/x_108"]) == ["100.dat"]


def test_the_leads_of_vfdb_have_different_names():
    record = vfdb.records(real(vfdb))[0]
    signal = vfdb.read(real(vfdb), record, "signals")
    assert signal.leads == ("ECG", "ECG2") and signal.fs == 250.0


def test_fibrillation_that_is_never_closed_lasts_to_the_end():
    known = {record.id: record for record in cudb.records(real(cudb))}
    end = 127_232 / 250
    for name in ("cu15", "cu19", "cu20"):
        assert known[name].spans[-1].code == "(VF" and known[name].spans[-1].offset == end
    spans = [span for record in known.values() for span in record.spans]
    assert sum(span.code != cudb.LEAD_IN for span in spans) == 33
    assert not {"cu02", "cu14"} & set(known)


def test_what_leads_into_a_fibrillation_of_cudb_is_known_from_what_is_free_of_it():
    _, rows, _ = prepared("cudb")
    cu10 = [row for row in rows if row.record.id == "cu10"]
    reached = [row.start for row in cu10 if cudb.LEAD_IN in row.rhythms]
    assert min(reached) > 299 and max(reached) < 317  # the mark is at 316.5 s
    assert not any(cudb.LEAD_IN in row.rhythms for row in cu10 if row.rhythms.get("(VF", 0) == 1)


def test_missing_samples_of_cudb_are_left_out_and_counted():
    known, rows, findings = prepared("cudb")
    assert all(np.isfinite(row.signal).all() for row in rows)
    if len(known) == HELD["cudb"]:
        unmarked = 538 + 14  # of cu02 and cu14
        assert sum(findings.nan.values()) == 16_661 - unmarked and len(findings.nan) == 18


def test_beats_of_cudb_have_no_type():
    assert all(set(record.beats.symbol) == {"Q"} for record in cudb.records(real(cudb)))


def test_every_rhythm_and_beat_of_the_real_recordings_has_a_name():
    load = registry.load
    rhythms, classes = (load("vocabularies", v).mapping("all") for v in ("rhythms", "aami"))
    for name in NAMES:
        plugin = registry.load("datasets", name)
        for record in plugin.records(real(plugin)):
            named = {span.code for span in record.spans} - {cudb.LEAD_IN}
            assert named <= set(rhythms), record.id
            assert set(record.beats.symbol) - {"!"} <= set(classes), record.id
