"""What a release holds is read from a folder, from Zenodo and from figshare, and not believed."""

import hashlib
import json

import pytest

from ecgpipe import releases
from tests.mirror import Mirror, other, sums

ONE = b"one" * 1000
ZEROS = "0" * 64


@pytest.fixture
def place(tmp_path):
    """A folder that a number names, for every publisher's sake."""
    folder = tmp_path / "mirror" / "42"
    (folder / "r").mkdir(parents=True)
    (folder / "r/1.dat").write_bytes(ONE)
    (folder / "RECORDS").write_text("r/1\n")
    return folder


@pytest.fixture
def mirror(place):
    with Mirror(place.parent) as mirror:
        yield mirror


def test_a_folder_tells_its_files_by_sha256sums(place):
    sums(place)
    release = releases.read(str(place))
    assert list(release.files) == ["RECORDS", "r/1.dat"]
    assert release.files["r/1.dat"].sums == {"sha256": hashlib.sha256(ONE).hexdigest()}
    assert releases.records(release) == ["r/1"]


@pytest.mark.parametrize("form", ["{}  {}", "{} *{}", "{} ./{}"])
def test_every_form_of_a_line_of_sums_is_read(place, form):
    (place / "SHA256SUMS.txt").write_text(form.format(ZEROS, "r/1 b.dat") + "\n")
    assert list(releases.read(str(place)).files) == ["r/1 b.dat"]


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("records/42/", "api/records/42/files/a%20b.zip/content"),
        ("v2/articles/42/", "ndownloader/42/a%20b.zip"),
    ],
)
def test_zenodo_and_figshare_tell_size_and_md5(mirror, place, path, address):
    (place / "r/1.dat").rename(place / "a b.zip")
    release = releases.read(f"{mirror.address}/{path}")
    file = release.files["a b.zip"]
    assert (file.size, file.sums) == (3000, {"md5": hashlib.md5(ONE).hexdigest()})
    assert file.address == f"{mirror.address}/{address}"
    assert releases.records(release) == ["r/1"]


def test_a_collection_of_figshare_holds_the_files_of_its_articles(mirror):
    (mirror.folder / "43").mkdir()
    (mirror.folder / "42" / "r/1.dat").rename(mirror.folder / "43" / "1.dat")
    (mirror.folder / "7.json").write_text('[{"id": 42}, {"id": 43}]')
    release = releases.read(f"{mirror.address}/v2/collections/7/")
    assert sorted(release.files) == ["1.dat", "RECORDS"]


UNSAFE = ["/etc/passwd", "../up", "r/../../up", "c:\\up", "r\\up", "", ".", "r/..", "a\nb", "a\0b"]


@pytest.mark.parametrize("name", UNSAFE)
def test_names_that_lead_out_of_the_folder_are_refused(name):
    with pytest.raises(ValueError, match="unsafe file name"):
        releases.safe(name, "somewhere")


@pytest.mark.parametrize("name", ["/etc/passwd", "../up"])
def test_no_publisher_may_name_them(mirror, place, name):
    (place / "SHA256SUMS.txt").write_text(f"{ZEROS}  {name}\n")
    told = {"name": name, "key": name, "size": 1, "checksum": f"md5:{ZEROS[:32]}"}
    told |= {"computed_md5": ZEROS[:32], "download_url": "https://x/1"}
    for path, content in (("api/records/42", {"files": [told]}), ("v2/articles/42/files", [told])):
        mirror.faults[path] = iter([other(json.dumps(content).encode())])
    for path in ("42", "records/42", "v2/articles/42"):
        with pytest.raises(ValueError, match="unsafe file name"):
            releases.read(f"{mirror.address}/{path}")


@pytest.mark.parametrize(
    "content",
    [
        b"<html>Too many requests</html>",
        b"[]",
        b'{"files": [{"key": "a"}]}',
        b'{"files": [{"key": "a", "size": "1", "checksum": "md5:0"}]}',
    ],
)
def test_what_is_no_list_of_files_is_refused_with_its_address(mirror, content):
    mirror.faults["api/records/42"] = iter([other(content)])
    with pytest.raises(ValueError, match=r"/api/records/42: .*expected JSON, a list"):
        releases.read(f"{mirror.address}/records/42/")


@pytest.mark.parametrize("line", ["<html>Not here</html>", f"{ZEROS[:32]}  a", f"{ZEROS[1:]}g  a"])
def test_a_line_that_is_no_sum_is_refused(place, line):
    (place / "SHA256SUMS.txt").write_text(line + "\n")
    with pytest.raises(ValueError, match="expected SHA-256 and a file's name"):
        releases.read(str(place))


def test_a_file_must_be_fetched_from_the_web(mirror):
    told = {
        "name": "a",
        "size": 1,
        "computed_md5": ZEROS[:32],
        "download_url": "file:///etc/passwd",
    }
    mirror.faults["v2/articles/42/files"] = iter([other(json.dumps([told]).encode())])
    with pytest.raises(ValueError, match="expected https://"):
        releases.read(f"{mirror.address}/v2/articles/42/")


def test_records_must_have_their_sum(place):
    sums(place)
    release = releases.read(str(place))
    (place / "RECORDS").write_text("r/3\n")
    with pytest.raises(ValueError, match="RECORDS: its sha256 is .*, expected"):
        releases.records(release)


def test_a_mirror_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="ftp://x/SHA256SUMS.txt: expected a path"):
        releases.read("ftp://x")


@pytest.mark.parametrize(
    ("mirror", "place"),
    [(None, "https://p/toy/1.0/"), ("/m/", "/m/toy/1.0"), ("file:///m", "file:///m/toy/1.0")],
)
def test_a_mirror_takes_the_place_of_the_publisher(mirror, place):
    assert releases.place_of("https://p/toy/1.0/", mirror, "toy/1.0") == place
