"""The 12-lead corpora, sources of the Challenge 2021 and LUDB: real recordings and made-up ones."""

import os
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgpipe import registry
from ecgpipe.datasets import _challenge
from ecgpipe.wfdb_records import read_header
from tests.layouts import incart as incart_layout
from tests.layouts import ptb as ptb_layout

CHALLENGE = ("georgia", "chapman", "ningbo", "cpsc2018", "cpsc2018_extra")
FOUND = {"georgia": 44, "chapman": 19, "ningbo": 66, "cpsc2018": 77, "cpsc2018_extra": 29}
RENAMED = (
    "E00015 E00018 E00271 E00793 E01137 E03823 E05526 E06320 E07533 E07938 E09141 E09314 E09657 "
    "E10256"
)
FLAT = "JS11438 JS20004 JS20008 JS45542 JS45544 JS45551"


@pytest.fixture(scope="module")
def mirror() -> Path:
    if "ECGPIPE_MIRROR" not in os.environ:
        pytest.skip("ECGPIPE_MIRROR names no mirror of real recordings")
    return Path(os.environ["ECGPIPE_MIRROR"])


@pytest.fixture(scope="module")
def found(mirror):
    """The records of every corpus that the mirror has, by dataset and name."""
    plugins = {name: registry.load("datasets", name) for name in (*CHALLENGE, "ludb")}
    return {
        name: {record.id: record for record in plugin.records(mirror / plugin.MIRROR)}
        for name, plugin in plugins.items()
    }


@pytest.fixture
def header(tmp_path):
    """Write a header of the Challenge; give its records."""

    def write(name: str, *comments: str, first: int = 7) -> list:
        folder = tmp_path / "training" / "x" / "g1"
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{name} 1 500 5000", f"{name}.mat 16+24 1000/mV 16 0 {first} -9 0 I", *comments]
        (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
        return _challenge.records(tmp_path, "training/x", {"E9"})

    return write


def signal_of(mirror, found, name, record):
    plugin = registry.load("datasets", name)
    return plugin.read(mirror / plugin.MIRROR, found[name][record], "signals")


@pytest.mark.parametrize("name", CHALLENGE)
def test_every_recording_of_the_challenge_is_found(found, name):
    assert len(found[name]) == FOUND[name]
    assert all(record.aliases == (f"challenge:{record.id}",) for record in found[name].values())
    assert all(record.statements for record in found[name].values())


def test_sources_of_the_challenge_pick_their_own_files_alone():
    listing = ["RECORDS", "training/cpsc_2018/.DS_Store"]
    listing += [f"training/cpsc_2018/g1/A0001.{suffix}" for suffix in ("hea", "mat")]
    listing += [f"training/cpsc_2018_extra/g1/Q0001.{suffix}" for suffix in ("hea", "mat")]
    plugin = registry.load("datasets", "cpsc2018")
    assert plugin.files("metadata", listing, []) == ["training/cpsc_2018/g1/A0001.hea"]
    assert plugin.files("signals", listing, []) == ["training/cpsc_2018/g1/A0001.mat"]


def test_no_two_recordings_of_the_challenge_have_one_name(found):
    names = [record for name in CHALLENGE for record in found[name]]
    assert len(set(names)) == sum(FOUND.values())


def test_unknown_ages_are_three_and_every_sex_is_known(found):
    records = [record for name in CHALLENGE for record in found[name].values()]
    assert sum(record.age is None for record in records) == 3
    assert {record.sex for record in records} == {"female", "male"}


@pytest.mark.parametrize("record", RENAMED.split())
def test_headers_that_name_a_mat_file_as_their_record_are_read(mirror, found, record):
    signal = signal_of(mirror, found, "georgia", record)
    assert signal.fs == 500 and len(signal.leads) == 12
    assert not np.isnan(signal.millivolts).any()


def test_every_georgia_sample_is_a_whole_microvolt_whatever_gain_its_header_tells(mirror, found):
    withdrawn = Counter()
    for record in found["georgia"].values():
        path = mirror / _challenge.MIRROR / record.path
        stored = np.fromfile(path.with_suffix(".mat"), "<i2", offset=24).reshape(-1, 12).T
        signal = signal_of(mirror, found, "georgia", record.id)
        np.testing.assert_allclose(signal.millivolts, stored / 1000, rtol=1e-6)
        withdrawn[read_header(path).channels[0].gain] += 1
    assert withdrawn == {1000: 41, 4880: 3}


@pytest.mark.parametrize("record", ["E00001", "E00015"])  # told as 1000 and 4880 a millivolt
def test_georgia_samples_are_multiples_of_2_44_microvolts(mirror, found, record):
    sizes = np.unique(np.abs(signal_of(mirror, found, "georgia", record).millivolts))
    assert np.rint(1000 * sizes[:8]).tolist() == [int(2.44 * k) for k in range(8)]


def test_recordings_of_equal_samples_share_a_patient_and_no_others_do(found):
    patients = Counter(
        (name, record.patient) for name in CHALLENGE for record in found[name].values()
    )
    assert [key for key, count in patients.items() if count > 1] == [("georgia", "E07509")]
    assert found["georgia"]["E07510"].patient == "E07509"


@pytest.mark.parametrize("name", CHALLENGE)
def test_signatures_in_headers_are_those_of_the_signals(mirror, found, name):
    for record in found[name].values():
        path = mirror / _challenge.MIRROR / record.path
        stored = np.fromfile(path.with_suffix(".mat"), "<i2", offset=24).reshape(-1, 12)
        lines = [line for line in path.read_text().splitlines() if ".mat 16" in line]
        told = [tuple(map(int, line.split()[5:7])) for line in lines]
        assert told == list(zip(stored[0], stored.sum(axis=0, dtype=np.int16), strict=True))


@pytest.mark.parametrize("record", FLAT.split())
def test_ningbo_recordings_with_flat_chest_leads_stay(mirror, found, record):
    millivolts = signal_of(mirror, found, "ningbo", record).millivolts
    flat = (millivolts == millivolts[:, :1]).all(axis=1)
    assert flat[6:].sum() >= 3 and not flat[:6].any()


def test_classes_of_cpsc_2018_are_kept_as_its_headers_write_them(found):
    counts = Counter(code for r in found["cpsc2018"].values() for code in r.statements)
    assert sum(not set(r.statements) <= {"164889003", "59118001", "164884008"}
               for r in found["cpsc2018"].values()) == 70  # fmt: skip
    assert (counts["RBBB"], counts["AF"], counts["Normal"], counts["I-AVB"]) == (17, 11, 11, 4)


@pytest.mark.parametrize("name", CHALLENGE)
def test_signals_of_the_challenge_are_read_as_wfdb_reads_them(mirror, found, name):
    for record in list(found[name].values())[:20]:
        if record.id in RENAMED:
            continue  # wfdb refuses them
        read = signal_of(mirror, found, name, record.id)
        expected = wfdb.rdrecord(str(mirror / _challenge.MIRROR / record.path.with_suffix("")))
        assert (read.fs, list(read.leads)) == (expected.fs, expected.sig_name)
        np.testing.assert_allclose(read.millivolts, expected.p_signal.T, atol=1e-6)


def test_a_space_after_the_hash_and_empty_and_repeated_codes_are_understood(header):
    (record,) = header("E1", "# Age: 71", "# Sex: F", "# Dx: 1, 2,,2,")
    assert (record.age, record.sex) == (71.0, "female")
    assert record.statements == {"1": 100.0, "2": 100.0}


@pytest.mark.parametrize("age", ["NaN", "-1", "", "300", "Unknown"])
def test_what_is_no_age_is_unknown(header, age):
    (record,) = header("E1", f"#Age: {age}", "#Sex: Unknown", "#Dx: 1")
    assert record.age is None and record.sex is None


def test_a_header_without_diagnoses_is_refused(header):
    with pytest.raises(ValueError, match=r"E1\.hea: no comment `#Dx"):
        header("E1", "#Age: 71")


def test_excluded_recordings_are_left_out_and_equal_ones_share_a_patient(header):
    header("E1", "#Dx: 1")
    header("E2", "#Dx: 1", first=8)
    header("E9", "#Dx: 1")
    records = header("E3", "#Dx: 2")
    assert [(each.id, each.patient) for each in records] == [
        ("E1", "E1"),
        ("E2", "E2"),
        ("E3", "E1"),
    ]


@pytest.mark.parametrize(
    ("name", "layout", "fs"), [("ptb", ptb_layout, 1000), ("incart", incart_layout, 257)]
)
def test_recordings_that_may_be_of_one_person_share_a_patient(tmp_path, name, layout, fs):
    plugin = registry.load("datasets", name)
    layout.write(tmp_path)
    records = plugin.records(tmp_path)
    assert records[0].patient == records[1].patient != records[2].patient
    signal = plugin.read(tmp_path, records[0], "signals")
    assert signal.fs == fs and signal.millivolts.shape == (12, 12 * fs)


def test_made_up_mat_files_are_what_matlab_would_read(tmp_path):
    from scipy.io import loadmat

    ptb_layout.write(tmp_path)
    path = tmp_path / "training/ptb/g1/S0001.mat"
    assert struct.unpack("<5i", path.read_bytes()[:20]) == (30, 12, 12000, 0, 4)
    signal = registry.load("datasets", "ptb").read(
        tmp_path, registry.load("datasets", "ptb").records(tmp_path)[0], "signals"
    )
    np.testing.assert_allclose(signal.millivolts, loadmat(path)["val"] / 1000, atol=1e-6)


def test_ludb_has_a_hundred_and_fifty_records_here_and_their_diagnoses(found):
    records = found["ludb"]
    assert len(records) == 150 and len({each.patient for each in records.values()}) == 150
    assert records["34"].age == 90.0 and records["34"].sex == "female"
    assert list(records["7"].statements) == [
        "Sinus rhythm",
        "Electric axis of the heart: horizontal",
        "Atrial extrasystole, type: single pac",
        "Atrial extrasystole: sa-nodal extrasystole",
        "Left atrial hypertrophy",
        "Right atrial overload",
        "Left ventricular hypertrophy",
        "Stemi: lateral wall",
        "Stemi: anterior wall",
        "Stemi: septal",
        "Stemi: apical",
    ]


def test_ludb_diagnoses_in_the_table_are_those_of_the_headers_and_pacemakers(mirror, found):
    for record in found["ludb"].values():
        comments = read_header(mirror / "ludb/1.0.1" / record.path).comments
        told = {" ".join(line.removeprefix("Rhythm:").split()).rstrip(".").lower()
                for line in comments if not line.startswith("<")}  # fmt: skip
        written = {" ".join(code.split()).lower() for code in record.statements}
        assert told == written - {"pacemaker presence, undefined"}  # the table alone says so, of 7


def test_ludb_waves_are_those_that_wfdb_reads_in_triples(mirror, found):
    kinds = {"p": "P", "N": "QRS", "t": "T"}
    for record in ("1", "111"):
        marks = wfdb.rdann(str(mirror / "ludb/1.0.1/data" / record), "v5")
        triples = zip(marks.symbol, marks.symbol[1:], marks.symbol[2:], strict=False)
        places = [k for k, (a, _, b) in enumerate(triples) if (a, b) == ("(", ")")]
        waves = [wave for wave in found["ludb"][record].waves if wave.lead == "V5"]
        assert [(wave.kind, wave.onset, wave.peak, wave.offset) for wave in waves] == [
            (kinds[marks.symbol[k + 1]], *(marks.sample[k : k + 3] / 500)) for k in places
        ]


def test_incomplete_waves_of_ludb_are_counted(mirror):
    ludb = registry.load("datasets", "ludb")
    paths = [
        path.with_suffix(suffix)
        for path in sorted((mirror / "ludb/1.0.1/data").glob("*.hea"))
        for suffix in ludb.MARKS.values()
    ]
    counts = {path.name: ludb.read_waves(path, "x", 500.0)[1] for path in paths}
    broken = {name: count for name, count in counts.items() if count}
    assert len(broken) == 23 and {name.split(".")[0] for name in broken} == {
        "7", "34", "95", "111", "198"
    }  # fmt: skip


def test_ludb_waves_name_their_lead_and_lie_in_order(found):
    waves = [wave for record in found["ludb"].values() for wave in record.waves]
    assert {wave.lead for wave in waves} == set(
        ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    )
    assert all(wave.onset < wave.peak < wave.offset < 10 for wave in waves)


def test_seventeen_records_of_ludb_have_no_p_wave_and_one_lead_no_t(found):
    kinds = {key: {wave.kind for wave in record.waves} for key, record in found["ludb"].items()}
    assert sum("P" not in each for each in kinds.values()) == 17
    assert "T" not in {w.kind for w in found["ludb"]["38"].waves if w.lead == "V1"}
