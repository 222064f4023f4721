"""What is cut short, changed behind our back or does not fit the disk is refused by its name."""

import os
import subprocess

import numpy as np
import pytest
from safetensors import SafetensorError

from ecgpipe import archives, model, predictions, records
from ecgpipe.records import Record, Row, Signal
from ecgpipe.settings import Preparation
from ecgpipe.wfdb_records import LEADS, write_record
from tests.test_data_stages import fetch, make_shard

CUTS = [0, 1, 7, 200, 0.5, 0.999]  # bytes, or a share of the file


def shorten(path, cut):
    size = path.stat().st_size
    os.truncate(path, int(cut * size) if isinstance(cut, float) else cut)


def write_shard(path, count):
    signal = np.zeros((12, 1000), np.int16)
    preparation = Preparation(100, 10.0, LEADS, source="100hz")
    rows = [Row(Record(f"{k}", f"p{k}", path), 0.0, signal, "d") for k in range(count)]
    records.write_shard(path, rows, dataset="toy", preparation=preparation, sources="s")
    return path


@pytest.mark.parametrize("cut", CUTS)
def test_a_truncated_shard_is_refused_by_its_name(tmp_path, cut):
    path = write_shard(tmp_path / "3.h5", 3)
    shorten(path, cut)
    readers = (records.read_signals, records.read_attributes, records.read_waves)
    for read in (*readers, lambda path: records.read_table([path])):
        with pytest.raises(ValueError, match="3.h5: .*make it again"):
            read(path)


@pytest.mark.parametrize("cut", CUTS)
def test_truncated_predictions_are_refused_by_their_name(tmp_path, cut):
    path, names = tmp_path / "mine.h5", np.array(["a", "b"])
    target = np.eye(2, dtype=bool)
    said = predictions.Predictions(
        ("A", "B"), names, names, np.zeros(2), names, target, target * 0.5
    )
    predictions.write(path, {"clean": said}, {})
    shorten(path, cut)
    for read in (predictions.read, predictions.conditions, predictions.attributes):
        with pytest.raises(ValueError, match="mine.h5: .*predict again"):
            read(path)


@pytest.mark.parametrize("cut", CUTS)
def test_a_truncated_checkpoint_is_refused(stages, cut):
    path = stages.pretrain("random.safetensors")
    shorten(path, cut)
    with pytest.raises((SafetensorError, ValueError)):
        model.load(path)


@pytest.fixture
def fetched(tmp_path):
    """Own recordings, listed by download."""
    folder = tmp_path / "resources" / "wfdb_folder"
    folder.mkdir(parents=True)
    for name in ("a", "b"):
        write_record(folder, name, Signal(100.0, LEADS, np.zeros((12, 1000), np.float32)))
    (folder / "labels.csv").write_text("record,patient,labels\na,1,A\nb,2,B\n")
    return folder, fetch("wfdb_folder", None, tmp_path / "resources")


def set_sample(path, millivolts):
    content = bytearray(path.read_bytes())
    content[0] = millivolts
    path.write_bytes(content)


def test_a_file_that_changed_after_download_is_refused(fetched, tmp_path):
    folder, manifests = fetched
    later = manifests[1].stat().st_mtime_ns + 10**9
    set_sample(folder / "b.dat", 77)
    os.utime(folder / "b.dat", ns=(later, later))
    with pytest.raises(ValueError, match="signals.manifest.csv: 1 files have changed.*b.dat"):
        make_shard("wfdb_folder", manifests, tmp_path / "shards")
    assert not (tmp_path / "shards").exists()


def test_a_file_that_was_only_touched_is_taken(fetched, tmp_path):
    folder, manifests = fetched
    later = manifests[1].stat().st_mtime_ns + 10**9
    os.utime(folder / "b.dat", ns=(later, later))
    assert make_shard("wfdb_folder", manifests, tmp_path / "shards").exists()


@pytest.mark.parametrize("harm", [lambda path: shorten(path, 0.5), lambda path: path.unlink()])
def test_a_file_that_was_cut_or_is_gone_is_refused(fetched, harm):
    folder, manifests = fetched
    harm(folder / "a.dat")
    with pytest.raises(ValueError, match="changed or gone.*a.dat"):
        archives.refuse_changed(manifests[1])


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_leaves_no_shard_under_its_name(small_disk):
    with pytest.raises(OSError, match="No space left on device"):
        write_shard(small_disk / "3.h5", 100)
    assert not list(small_disk.iterdir())


def test_a_full_disk_leaves_the_shard_of_before(small_disk):
    before = write_shard(small_disk / "3.h5", 2).read_bytes()
    with pytest.raises(OSError, match="No space left on device"):
        write_shard(small_disk / "3.h5", 100)
    assert (small_disk / "3.h5").read_bytes() == before
