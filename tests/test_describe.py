"""Data cards: numbers counted from recordings made here, and the page that shows them."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ecgpipe import archives, cards, markup, pages, records
from ecgpipe.annotations import Beats, Span
from ecgpipe.datasets import wfdb_folder
from ecgpipe.records import Record, Signal
from ecgpipe.settings import Preparation
from ecgpipe.stages import describe, preprocess
from ecgpipe.wfdb_records import LEADS, write_record

TABLE = """record,patient,labels,age,sex,site,device
a,1,NORM; SR,61,F,north,x
b,1,<script>,61,F,north,x
c,2,SR,40,M,south,
d,3,SR,,,south,
e,4,,95,M,,
"""
SETTINGS = {"fs": 100, "seconds": 10, "leads": list(LEADS)}


def lay_out(root: Path) -> None:
    """Make the shards of five own recordings below the folder where results are made."""
    folder = root / "resources/wfdb_folder"
    folder.mkdir(parents=True)
    for seed, (name, seconds) in enumerate({"a": 10, "b": 10, "c": 8, "d": 12}.items()):
        rng = np.random.default_rng(seed)
        millivolts = rng.normal(0, 0.01, (12, 500 * seconds)).astype(np.float32)
        millivolts[4 if name == "c" else []] = 0  # aVL
        write_record(folder, name, Signal(500.0, LEADS, millivolts))
        if name == "a":
            write_record(folder, "e", Signal(500.0, LEADS, millivolts))
    (folder / "labels.csv").write_text(TABLE)
    manifests = [folder / f"{source}.manifest.csv" for source in wfdb_folder.SOURCES]
    for source, path in zip(wfdb_folder.SOURCES, manifests, strict=True):
        names = wfdb_folder.files(source, archives.list_own(folder), [])
        archives.write_manifest(path, archives.sum_own(names, folder))
    for shard in range(wfdb_folder.SHARDS):
        out = root / f"results/shards/wfdb_folder/100hz-10s/{shard}.h5"
        preprocess.run(
            dataset="wfdb_folder",
            preparation="100hz-10s",
            settings=json.dumps(SETTINGS),
            shard=shard,
            manifests=manifests,
            report=out.with_suffix(".json"),
            out=out,
        )


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("root")
    lay_out(folder)
    return folder


@pytest.fixture(scope="module")
def made(root):
    """The folder of the card that the stage makes when it is told the dataset alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        describe.run(dataset="wfdb_folder")
    return root / "results/cards/wfdb_folder/100hz-10s"


@pytest.fixture(scope="module")
def card(made):
    return json.loads((made / "card.json").read_text())


def test_a_card_is_a_page_its_numbers_and_a_figure(made):
    assert sorted(p.name for p in made.iterdir()) == ["card.html", "card.json", "records.png"]
    assert (made / "records.png").read_bytes().startswith(b"\x89PNG")


def test_records_patients_and_hours_are_counted(card):
    assert card["counts"]["records"] == card["counts"]["rows"] == 5
    assert card["counts"]["patients"] == 4
    assert card["counts"]["hours recorded"] == pytest.approx(50 / 3600, abs=1e-3)
    assert card["patients"]["records of a patient"] == {"1": 3, "2": 1}


def test_lengths_and_sampling_frequencies_are_those_recorded(card):
    assert card["recorded"] == {"fs": {"500": 5}, "lengths": {"8.0": 1, "10.0": 3, "12.0": 1}}
    assert card["left out"]["padded"] == {"records": 1, "seconds": 2.0}
    assert card["left out"]["cropped"] == {"records": 1, "seconds": 2.0}


def test_unknown_age_sex_and_device_are_counted(card):
    age = card["patients"]["age"]
    assert age["unknown"] == 1 and age["quartiles"] == [40, 55.8, 61, 69.5, 95]
    assert {k: n for k, n in age["decades"].items() if n} == {"40": 1, "60": 2, "90": 1}
    assert card["patients"]["sex"] == {"female": 2, "male": 2, "unknown": 1}
    assert card["patients"]["device"] == {"x": 2, "unknown": 3}


def test_statements_are_counted_by_record_and_patient_and_explained(card):
    found = {of["code"]: of for of in card["labels"]["statements"]}
    assert list(found) == ["SR", "<script>", "NORM"]
    assert found["SR"] == {"code": "SR", "meaning": "sinus rhythm", "patients": 3, "records": 3}


def test_quality_is_told_by_lead_and_identical_recordings_are_named(card):
    assert card["quality"]["leads"]["aVL"]["flat"] == 1
    assert card["quality"]["leads"]["V1"] == {"judged": 5} | dict.fromkeys(cards.KINDS, 0)
    assert card["quality"]["records"]["flat"] == 1
    assert card["identical"] == [["a", "e"]]


def test_files_and_their_sums_are_told(card, root):
    listed = (root / "resources/wfdb_folder").glob("*.[hdc][eas][atv]")
    paths = [path for path in listed if not path.name.endswith(archives.MANIFEST)]
    assert card["release"]["files"] == len(paths) == 11
    assert card["release"]["bytes"] == sum(path.stat().st_size for path in paths)
    assert re.fullmatch("[0-9a-f]{64}", card["sources"])


def test_the_page_is_made_of_the_numbers_and_the_figure_alone(made, card):
    figure = (made / "records.png").read_bytes()
    assert (made / "card.html").read_text() == pages.write(card, figure)
    assert base64.b64encode(figure).decode() in (made / "card.html").read_text()


class Tags(HTMLParser):
    """Collects elements and whatever they refer to, and checks that each is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.names, self.told = [], set(), {}

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.told |= dict(attrs)
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else_and_no_text_becomes_markup(made):
    tags = Tags()
    tags.feed((made / "card.html").read_text())
    assert not tags.open and not tags.names & {"script", "link", "iframe", "a"}
    assert tags.told["src"].startswith("data:image/png;base64,") and "href" not in tags.told
    assert "&lt;script&gt;" in (made / "card.html").read_text()
    assert "url(" not in markup.STYLE and "@import" not in markup.STYLE


def test_shards_of_two_preparations_are_not_guessed_between(root, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("100hz-10s", "500hz-10s"):
        Path("results/shards/wfdb_folder", name).mkdir(parents=True)
    with pytest.raises(ValueError, match="has 100hz-10s, 500hz-10s; expected.*--shards"):
        describe.run(dataset="wfdb_folder")
    with pytest.raises(ValueError, match="has no shards"):
        describe.run(dataset="ptbxl")


def test_missing_manifests_are_asked_for(root, tmp_path, monkeypatch):
    shards = sorted((root / "results/shards/wfdb_folder/100hz-10s").glob("*.h5"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="resources/wfdb_folder has no.*--manifests"):
        describe.run(dataset="wfdb_folder", shards=shards)


def test_a_report_without_quality_is_refused_by_name(root, tmp_path):
    shards = sorted((root / "results/shards/wfdb_folder/100hz-10s").glob("*.h5"))
    (tmp_path / "old.json").write_text('{"records": 3}')
    with pytest.raises(ValueError, match="old.json tells nothing of quality"):
        cards.describe("wfdb_folder", shards, [tmp_path / "old.json"], [])


@pytest.fixture(scope="module")
def ambulatory(tmp_path_factory):
    """The card of two made recordings of a minute, as mitdb's: rhythms, beats, noise, a gap."""
    folder = tmp_path_factory.mktemp("ambulatory")
    plugin = ModuleType("made")
    plugin.SOURCES, plugin.URL, plugin.SIZE = ("metadata", "signals"), "https://x", 48
    plugin.EXCLUDED = {"102": "paced"}
    millivolts = np.random.default_rng(0).normal(0, 0.01, (1, 15_000)).astype(np.float32)
    millivolts[0, 6000:6500] = np.nan  # two seconds from 24 s
    plugin.read = lambda folder, record, source: Signal(250.0, ("II",), millivolts)
    spans = (Span("(N", 0.0, 45.0), Span("(AFIB", 45.0, 60.0))
    beats = Beats(np.arange(0.5, 60), np.array([*"N" * 58, *"VV"]))
    marked = {"spans": spans, "beats": beats, "unreadable": ((55.0, 60.0),)}
    known = [Record("100", "p", Path("100.hea"), **marked), Record("101", "q", Path("101.hea"))]
    told = Preparation(250, 10.0, ("II",), missing_samples="leave_out", window=10.0, stride=5.0)
    rows, findings = preprocess.prepare(plugin, told, folder, known)
    records.write_shard(folder / "0.h5", rows, dataset="mitdb", preparation=told, sources="s")
    counts = preprocess.count(plugin, known, known, rows)
    report = {"preparation": "made"} | counts | vars(findings)
    preprocess.write_report(folder / "0.json", report)
    archives.write_manifest(folder / "signals.manifest.csv", [("100.dat", 3, "0")])
    manifests = [folder / "signals.manifest.csv"]
    return cards.describe("mitdb", [folder / "0.h5"], [folder / "0.json"], manifests)


def test_rhythms_are_counted_in_hours_and_beats_one_by_one(ambulatory):
    rhythms = {of["code"]: of for of in ambulatory["labels"]["rhythms"]}
    assert rhythms["(N"]["hours"] == pytest.approx(45 / 3600, abs=1e-4)
    assert rhythms["(AFIB"]["hours"] == pytest.approx(15 / 3600, abs=1e-4)
    assert rhythms["(AFIB"]["records"] == rhythms["(AFIB"]["patients"] == 1
    assert rhythms["(AFIB"]["meaning"] == "atrial fibrillation"
    assert {of["code"]: of["count"] for of in ambulatory["labels"]["beats"]} == {"N": 58, "V": 2}


def test_a_beat_in_no_window_is_annotated_all_the_same(ambulatory):
    (lone,) = [of for of in ambulatory["labels"]["beats"] if of["code"] == "V"]
    assert lone["records"] == 0 and lone["count"] == 2


def test_what_is_missing_or_unreadable_is_told_in_seconds(ambulatory):
    assert ambulatory["left out"]["missing"] == {"records": 2, "seconds": 4.0}
    assert ambulatory["left out"]["unreadable"] == {"records": 1, "seconds": 5.0}


def test_hours_in_windows_count_what_overlaps_once(ambulatory):
    # 0 to 20 s and 26 to 51 s of the one, 26 to 56 s of the other
    assert ambulatory["counts"]["hours in windows"] == pytest.approx(95 / 3600, abs=1e-3)
    assert ambulatory["counts"]["rows"] == 3 + 4 + 3 + 5


def test_what_is_not_here_or_excluded_is_told(ambulatory):
    release = ambulatory["release"]
    assert (release["here"], release["not here"], release["excluded"]) == (2, 45, {"102": "paced"})
    page = pages.write(ambulatory, b"")
    assert "Excluded, 1: paced: 102." in page and "unknown" in page


def test_a_dataset_of_which_nothing_was_kept_has_a_card(tmp_path, ambulatory):
    told = Preparation(250, 10.0, ("II",))
    records.write_shard(tmp_path / "0.h5", [], dataset="mitdb", preparation=told, sources="s")
    plugin = ModuleType("made")
    plugin.URL, plugin.SIZE, plugin.EXCLUDED = None, 0, {}
    counts = preprocess.count(plugin, [], [], [])
    report = {"preparation": "made"} | counts | vars(preprocess.Findings())
    preprocess.write_report(tmp_path / "0.json", report)
    archives.write_manifest(tmp_path / "x.manifest.csv", [])
    given = ([tmp_path / "0.h5"], [tmp_path / "0.json"], [tmp_path / "x.manifest.csv"])
    assert "It carries no labels" in pages.write(cards.describe("mitdb", *given), b"")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (markup.number(1234567), "1,234,567"),
        (markup.number(0.125), "0.12"),
        (markup.percent(0, 7), "0.0 %"),
        (markup.percent(1, 9999), "< 0.1 %"),
        (markup.percent(1, 3), "33.3 %"),
        (markup.duration(64.4), "64.4 s"),
        (markup.duration(1805.6), "30.1 min"),
        (markup.duration(86400), "24 h"),
    ],
)
def test_numbers_are_written_as_people_read_them(written, expected):
    assert written == expected


def test_a_vocabulary_that_knows_more_of_the_codes_explains_them():
    assert cards.meanings({"N", "V", "A"})["V"] == "premature ventricular contraction"
    assert cards.meanings({"NORM", "SR"})["NORM"] == "normal ECG"
    assert "426783006" in cards.meanings({"426783006", "270492004"})


def test_the_choice_of_records_depends_on_the_records_alone(root):
    from ecgpipe.figures import records as figure

    shards = sorted((root / "results/shards/wfdb_folder/100hz-10s").glob("*.h5"))
    chosen = figure.choose(records.read_table(shards))["record"].tolist()
    assert chosen == figure.choose(records.read_table(shards[::-1]))["record"].tolist()
    assert len(set(chosen)) == 4
