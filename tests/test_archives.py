"""A folder of files is listed, summed and held to its manifest."""

import hashlib

import pytest

from ecgpipe import archives

ONE = hashlib.sha256(b"one" * 1000).hexdigest()


@pytest.fixture
def folder(tmp_path):
    """Two files, one of them in a folder that is a link."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.dat").write_bytes(b"one" * 1000)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "own" / "2.hea").write_bytes(b"two")
    return tmp_path / "own"


def test_own_files_are_listed_through_links_and_summed(folder):
    archives.write_manifest(folder / "metadata.manifest.csv", [])
    names = archives.list_own(folder)
    assert names == ["2.hea", "linked/1.dat"]
    assert archives.sum_own(names, folder)[1] == ("linked/1.dat", 3000, ONE)


def test_the_lines_of_records_are_read_where_there_are_any(folder):
    assert archives.own_records(folder) == []
    (folder / "RECORDS").write_text("r/1\nr/2\n")
    assert archives.own_records(folder) == ["r/1", "r/2"]


def test_a_manifest_is_a_plain_table(folder):
    path = folder / "100hz.manifest.csv"
    archives.write_manifest(path, [("r/1.dat", 3000, ONE)])
    assert path.read_text() == f"file,bytes,sha256\nr/1.dat,3000,{ONE}\n"
    assert archives.read_manifest(path) == [("r/1.dat", 3000, ONE)]
    assert archives.sum_manifests([path]) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert not list(folder.glob("*.part"))


@pytest.mark.parametrize(
    "text", ["", "file,size\na,1\n", "file,bytes,sha256\na,1\n", "<<<<<<< a\n"]
)
def test_what_is_no_manifest_is_refused_by_its_name(folder, text):
    (folder / "x.csv").write_text(text)
    with pytest.raises(ValueError, match=r"x\.csv: .*expected lines of file, bytes, sha256"):
        archives.read_manifest(folder / "x.csv")


def test_recordings_that_the_metadata_does_not_list_are_named(folder, tmp_path):
    path = folder / "signals.manifest.csv"
    archives.write_manifest(path, [(name, 1, ONE) for name in ("a.hea", "a.dat", "b.hea")])
    assert archives.unlisted([path], [tmp_path.relative_to(tmp_path) / "a.hea"]) == ["b.hea"]


def test_sums_are_those_of_other_tools(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # test vectors of RFC 1321 and FIPS 180-2
    assert archives.sums_of(tmp_path / "abc", ("md5", "sha256")) == {
        "md5": "900150983cd24fb0d6963f7d28e17f72",
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }


def test_a_disk_without_room_is_told_with_what_is_needed_and_free(tmp_path):
    with pytest.raises(
        OSError, match=r"1,000,000,000,000,000,000 bytes are needed, [\d,]+ are free"
    ):
        archives.require_room(tmp_path, 10**18)
