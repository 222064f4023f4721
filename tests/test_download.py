"""The stage download: what is fetched, taken out of archives, pinned and listed."""

import hashlib
import logging
import types
import zipfile

import pytest

from ecgpipe import archives
from ecgpipe.stages import download
from tests.mirror import Mirror, sums

TRACINGS = b"tracings" * 1000
DIGEST = hashlib.sha256(TRACINGS).hexdigest()


def plugin_of(*wanted: str) -> types.ModuleType:
    """A dataset that wants some files."""
    plugin = types.ModuleType("toy")
    plugin.SIZE = 10
    plugin.files = lambda source, listing, records: list(wanted)
    return plugin


@pytest.fixture
def mirror(tmp_path):
    """A record of Zenodo: a table, and an archive with the tracings."""
    folder = tmp_path / "mirror" / "42"
    folder.mkdir(parents=True)
    (folder / "exams.csv").write_text("exam\n1\n")
    with zipfile.ZipFile(folder / "part0.zip", "w") as archive:
        archive.writestr("part0.hdf5", TRACINGS)
    with Mirror(folder.parent) as mirror:
        yield mirror


@pytest.fixture
def fetched(mirror, tmp_path):
    """Fetch from that record; a lock file stands beside the folder."""

    def run(*wanted, path="records/42/", lock="locks/toy.csv"):
        place, here = f"{mirror.address}/{path}", tmp_path / "here"
        told = lock and tmp_path / lock
        return download.published(plugin_of(*wanted), "signals", place, told, here)

    return run


def test_members_of_an_archive_are_listed_in_its_place(fetched, tmp_path):
    lines = fetched("exams.csv", "part0.zip!part0.hdf5")
    assert lines[1] == ("part0.hdf5", len(TRACINGS), DIGEST)
    assert [line[0] for line in lines] == ["exams.csv", "part0.hdf5"]
    assert (tmp_path / "here" / "part0.hdf5").read_bytes() == TRACINGS


def test_what_is_fetched_by_md5_is_pinned_by_sha256(fetched, mirror, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        fetched("part0.zip!part0.hdf5")
        fetched("exams.csv")
    path = mirror.folder / "42" / "part0.zip"
    pinned = archives.read_manifest(tmp_path / "locks" / "toy.csv")
    assert [line[0] for line in pinned] == ["exams.csv", "part0.zip"]
    assert pinned[1][2] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert caplog.text.count("1 files added, with their SHA-256; commit it") == 2


def test_a_file_that_its_publisher_has_changed_is_refused(fetched, mirror, tmp_path):
    fetched("exams.csv")
    (mirror.folder / "42" / "exams.csv").write_text("exam\n2\n")  # as Zenodo says, by its MD5
    (tmp_path / "here" / "exams.csv").unlink()
    with pytest.raises(ValueError, match=r"exams\.csv/content: its sha256 is .*, expected"):
        fetched("exams.csv")
    assert not (tmp_path / "here" / "exams.csv").exists()


def test_nothing_is_fetched_or_taken_out_twice(fetched, mirror, tmp_path):
    first = fetched("exams.csv", "part0.zip!part0.hdf5")
    inode = (tmp_path / "here" / "part0.hdf5").stat().st_ino
    mirror.asked.clear()
    assert fetched("exams.csv", "part0.zip!part0.hdf5") == first
    assert mirror.asked == [("api/records/42", 0)]
    assert (tmp_path / "here" / "part0.hdf5").stat().st_ino == inode


def test_a_mirror_needs_no_lock_file(fetched, mirror, tmp_path):
    sums(mirror.folder / "42")
    lines = fetched("part0.zip!part0.hdf5", path="42")
    assert lines == [("part0.hdf5", len(TRACINGS), DIGEST)]
    assert not (tmp_path / "locks").exists()


def test_an_archive_that_is_wanted_itself_is_listed_too(fetched):
    lines = fetched("part0.zip", "part0.zip!part0.hdf5", lock=None)
    assert [line[0] for line in lines] == ["part0.hdf5", "part0.zip"]


def test_a_wanted_file_that_is_not_published_is_told(fetched):
    with pytest.raises(FileNotFoundError, match=r"1 wanted files are not published.*part1\.zip"):
        fetched("part1.zip!part1.hdf5")


def test_one_name_out_of_two_archives_is_refused(fetched, mirror, tmp_path):
    with zipfile.ZipFile(mirror.folder / "42" / "part1.zip", "w") as archive:
        archive.writestr("part0.hdf5", b"other")
    lines = fetched("part0.zip!part0.hdf5", "part1.zip!part0.hdf5")
    with pytest.raises(ValueError, match=r"signals\.csv: part0\.hdf5 comes twice"):
        archives.write_manifest(tmp_path / "signals.csv", lines)
