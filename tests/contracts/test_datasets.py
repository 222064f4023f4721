"""Every file in ecgpipe/datasets keeps these promises."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ecgpipe import registry, wfdb_records
from ecgpipe.stages import download

LAYOUTS = Path(__file__).parent.parent / "layouts"
NAMES = registry.names("datasets")
WORDS = ("TITLE", "RELEASE", "LICENCE", "CITATION", "PATIENTS", "MIRROR")


@pytest.fixture(params=NAMES, scope="module")
def name(request):
    return request.param


@pytest.fixture(scope="module")
def folder(name, tmp_path_factory):
    """A folder with the dataset's metadata, and its first signals where they are made here."""
    plugin, folder = registry.load("datasets", name), tmp_path_factory.mktemp(name)
    if not plugin.URL and not hasattr(plugin, "make"):
        own_recordings(folder)
    mirror = mirror_of(name, tmp_path_factory) if plugin.URL else None
    for source in ("metadata", plugin.SOURCES[1]):
        out, lock = folder / f"{source}.manifest.csv", folder / "lock.csv"
        download.run(dataset=name, source=source, mirror=mirror, lock=lock, out=out)
    return folder


def mirror_of(name, tmp_path_factory) -> str:
    """The real recordings where they are, else made-up ones in the publisher's layout."""
    made_up = (LAYOUTS / f"{name}.py").exists()
    if not made_up and "ECGPIPE_MIRROR" not in os.environ:
        pytest.skip(f"ECGPIPE_MIRROR names no mirror of {name}")
    if not made_up:
        return os.environ["ECGPIPE_MIRROR"]
    mirror = tmp_path_factory.mktemp("mirror")
    place = mirror / registry.load("datasets", name).MIRROR
    importlib.import_module(f"tests.layouts.{name}").write(place)
    return str(mirror)


@pytest.fixture(scope="module")
def found(name, folder):
    return registry.load("datasets", name).records(folder)


def own_recordings(folder: Path) -> None:
    """Two recordings as a user might have them."""
    from ecgpipe.records import Signal

    millivolts = np.random.default_rng(0).normal(0, 0.2, (12, 5000)).astype(np.float32)
    for record in ("b", "a"):
        wfdb_records.write_record(folder, record, Signal(500.0, wfdb_records.LEADS, millivolts))
    (folder / "labels.csv").write_text("record,patient,labels\nb,p2,NORM;SR\na,p1,\n")


def test_it_says_what_it_is(name):
    plugin = registry.load("datasets", name)
    assert all(isinstance(getattr(plugin, word), str) and getattr(plugin, word) for word in WORDS)
    assert plugin.URL is None or re.fullmatch(r"https://\S+/", plugin.URL)
    assert plugin.URL is None or plugin.SIZE > 0
    assert plugin.SHARDS >= 1 and plugin.SOURCES[0] == "metadata" and len(plugin.SOURCES) > 1
    assert all(isinstance(reason, str) and reason for reason in plugin.EXCLUDED.values())


def test_its_folds_share_nothing_and_fill_every_part(name):
    folds = registry.load("datasets", name).FOLDS
    if folds is not None:
        assert set(folds) == {"train", "valid", "test"}
        every = [fold for part in folds.values() for fold in part]
        assert len(every) == len(set(every)) and all(folds.values())


def test_importing_it_is_light(name):
    code = (
        f"import sys, ecgpipe.datasets.{name};"
        "print(*sorted({'torch', 'h5py', 'scipy', 'wfdb', 'requests'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not found.stdout.strip()


def test_its_records_are_sorted_and_unique_and_have_a_patient(name, found):
    plugin = registry.load("datasets", name)
    ids = [record.id for record in found]
    assert ids and ids == sorted(set(ids)) and not set(ids) & set(plugin.EXCLUDED)
    assert all(record.patient and not record.path.is_absolute() for record in found)
    assert {record.sex for record in found} <= {"female", "male", None}
    assert all(record.age is None or 0 <= record.age <= 120 for record in found)
    folds = [fold for part in (plugin.FOLDS or {}).values() for fold in part]
    assert not folds or {record.fold for record in found} <= set(folds)


def test_its_records_need_metadata_alone_and_are_always_the_same(name, folder, found):
    assert registry.load("datasets", name).records(folder) == found


def test_a_handful_of_its_records_can_be_read(name, folder, found):
    plugin = registry.load("datasets", name)
    for record in found[:5]:
        signal = plugin.read(folder, record, plugin.SOURCES[1])
        assert signal.millivolts.dtype == np.float32 and signal.millivolts.shape[1] >= signal.fs
        assert len(signal.leads) == len(signal.millivolts) > 0
        assert np.nanmax(np.abs(signal.millivolts)) < 50


def test_it_says_whether_the_boundaries_of_waves_are_known(name, found):
    plugin = registry.load("datasets", name)
    assert getattr(plugin, "WAVES", False) == any(record.waves for record in found)


def test_its_waves_lie_in_order_inside_a_day(found):
    for record in found[:50]:
        for wave in record.waves:
            assert wave.kind in ("P", "QRS", "T")
            assert wave.onset <= wave.peak <= wave.offset < 24 * 3600
