"""Only the wanted, plain files of an archive come out of it, and only once."""

import hashlib
import io
import stat
import tarfile
import zipfile

import pytest

from ecgpipe import extract
from ecgpipe.archives import sums_of

FILES = {f"records/A{i}.h5": bytes([i]) * (1000 + i) for i in range(5)} | {"x/other.h5": b"other"}
FORMS = ["a.zip", "a.tar", "a.tar.gz", "a.tar.xz", "a.tgz"]


def make(path, files=FILES):
    """Write an archive; the line of its manifest."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        mode = {".tar": "w", ".gz": "w:gz", ".tgz": "w:gz", ".xz": "w:xz"}[path.suffix]
        with tarfile.open(path, mode) as archive:
            for name, content in files.items():
                archive.addfile(member(name, size=len(content)), io.BytesIO(content))
    return line(path)


def line(path):
    return path.name, path.stat().st_size, sums_of(path)["sha256"]


def member(name, **attributes):
    info = tarfile.TarInfo(name)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


def tar_of(path, *members):
    """Write a tar of headers alone."""
    with tarfile.open(path, "w") as archive:
        for info in members:
            archive.addfile(info, io.BytesIO(bytes(info.size)) if info.size else None)
    return line(path)


def below(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_members_are_told_from_files_and_gathered_by_archive():
    wanted = ["t.csv", "a.zip!x.h5", "a.zip!y.h5", "odd!name", "b.tar!r/*.h5"]
    files, members = extract.sort_out(wanted, ["odd!name", "a.zip", "b.tar"])
    assert files == ["a.zip", "b.tar", "odd!name", "t.csv"]
    assert members == {"a.zip": ["x.h5", "y.h5"], "b.tar": ["r/*.h5"]}


@pytest.mark.parametrize("name", FORMS)
def test_the_wanted_file_comes_out_alone(tmp_path, name):
    archive = make(tmp_path / name)
    lines = extract.extract(archive, ["records/A3.h5"], tmp_path)
    content = FILES["records/A3.h5"]
    assert lines == [("records/A3.h5", 1003, hashlib.sha256(content).hexdigest())]
    assert below(tmp_path) == sorted([name, f"{name}.members.json", "records/A3.h5"])


@pytest.mark.parametrize("name", FORMS)
def test_a_pattern_takes_what_fits_in_one_folder(tmp_path, name):
    archive = make(tmp_path / name, FILES | {"records/deeper/A9.h5": b"9"})
    lines = extract.extract(archive, ["records/*.h5"], tmp_path)
    assert [each for each, _, _ in lines] == [f"records/A{i}.h5" for i in range(5)]


def test_names_that_begin_with_a_dot_and_a_slash_are_the_same(tmp_path):
    archive = make(tmp_path / "a.tar.gz", {"./r/1": b"1"})
    assert extract.extract(archive, ["r/1"], tmp_path)[0][0] == "r/1"


@pytest.mark.parametrize("name", FORMS)
def test_what_was_taken_out_stays_as_it_is(tmp_path, name):
    archive = make(tmp_path / name)
    first = extract.extract(archive, ["records/*.h5"], tmp_path)
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*")}
    assert extract.extract(archive, ["records/*.h5"], tmp_path) == first
    assert {path: path.stat().st_ino for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("harm", [lambda p: p.unlink(), lambda p: p.write_bytes(b"\1" * 1001)])
def test_what_was_harmed_is_taken_out_again(tmp_path, harm):
    archive = make(tmp_path / "a.zip")
    lines = extract.extract(archive, ["records/A0.h5"], tmp_path)
    harm(tmp_path / "records" / "A0.h5")
    assert extract.extract(archive, ["records/A0.h5"], tmp_path) == lines
    assert (tmp_path / "records" / "A0.h5").read_bytes() == FILES["records/A0.h5"]


def test_another_archive_of_the_same_name_is_not_taken_for_the_old_one(tmp_path):
    extract.extract(make(tmp_path / "a.zip"), ["records/A0.h5"], tmp_path)
    changed = make(tmp_path / "a.zip", {"records/A0.h5": b"new"})
    assert extract.extract(changed, ["records/A0.h5"], tmp_path)[0][1] == 3
    assert (tmp_path / "records" / "A0.h5").read_bytes() == b"new"


@pytest.mark.parametrize("name", FORMS)
def test_a_member_that_is_not_in_it_is_an_error(tmp_path, name):
    with pytest.raises(
        FileNotFoundError, match=r"2 wanted files are not in it: .*'b'.*'x/\*\.csv'"
    ):
        extract.extract(make(tmp_path / name), ["b", "x/*.csv", "x/other.h5"], tmp_path)


ODD = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]


@pytest.mark.parametrize("kind", ODD)
def test_links_and_devices_of_a_tar_are_refused(tmp_path, kind):
    (tmp_path / "secret").write_text("secret")
    odd = member("a", type=kind, linkname="secret")
    archive = tar_of(tmp_path / "a.tar", member("secret", size=6), odd)
    with pytest.raises(ValueError, match=r"a\.tar: a is a link or a device"):
        extract.extract(archive, ["a"], tmp_path)
    assert below(tmp_path) == ["a.tar", "secret"]


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_of_a_zip_are_refused(tmp_path, mode):
    info = zipfile.ZipInfo("a")
    info.external_attr = (mode | 0o644) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(ValueError, match=r"a\.zip: a is a link, a device or encrypted"):
        extract.extract(line(tmp_path / "a.zip"), ["a"], tmp_path)
    assert below(tmp_path) == ["a.zip"]


@pytest.mark.parametrize("name", ["../up", "/etc/up", "r/../../up"])
@pytest.mark.parametrize("form", ["a.zip", "a.tar"])
def test_no_name_leads_out_of_the_folder(tmp_path, name, form):
    (here := tmp_path / "here").mkdir()
    archive = make(here / form, {name: b"up"})
    with pytest.raises(ValueError, match="unsafe file name"):
        extract.sort_out([f"{form}!{name}"], [form])
    with pytest.raises(ValueError, match="unsafe file name"):
        extract.extract(archive, ["/".join("*" * len(name.split("/")))], here)
    assert below(tmp_path) == [f"here/{form}"]


def test_a_file_that_is_in_it_twice_is_refused(tmp_path):
    archive = tar_of(tmp_path / "a.tar", member("a", size=1), member("a", size=2))
    with pytest.raises(ValueError, match="a is in it twice"):
        extract.extract(archive, ["a"], tmp_path)


@pytest.mark.parametrize("form", ["a.zip", "a.tar.gz", "a.tar.xz"])
def test_a_bomb_is_refused_before_it_is_written(tmp_path, form):
    archive = make(tmp_path / form, {"a": bytes(68_000_000)})
    assert archive[1] < 200_000
    with pytest.raises(ValueError, match="68,.* bytes or more would come out of it; expected 67,"):
        extract.extract(archive, ["a"], tmp_path)
    assert below(tmp_path) == [form]


def test_a_bomb_before_the_wanted_file_is_refused_too(tmp_path):
    archive = make(tmp_path / "a.tar.gz", {"bomb": bytes(68_000_000), "a": b"a"})
    with pytest.raises(ValueError, match="would come out of it"):
        extract.extract(archive, ["a"], tmp_path)


def test_a_tar_that_goes_backwards_is_refused(tmp_path):
    header = member("x", size=-1024).tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "a.tar").write_bytes(header + bytes(2048))
    with pytest.raises(ValueError, match="x has -1024 bytes"):
        extract.extract(line(tmp_path / "a.tar"), ["a"], tmp_path)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
def test_a_broken_archive_is_told_by_its_name(tmp_path, form, cut):
    content = {f"{i}": bytes(range(256)) * 400 for i in range(3)}
    make(tmp_path / form, content)
    whole = (tmp_path / form).read_bytes()
    (tmp_path / form).write_bytes(whole[: int(cut * len(whole))])
    with pytest.raises((ValueError, FileNotFoundError), match=f"{form}: "):
        extract.extract(line(tmp_path / form), list(content), tmp_path)
    assert not list(tmp_path.glob("*.part"))


def test_flipped_bits_of_a_zip_are_noticed(tmp_path):
    make(tmp_path / "a.zip")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[45] ^= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.zip: the archive cannot be read"):
        extract.extract(line(tmp_path / "a.zip"), ["records/A0.h5"], tmp_path)
    assert not (tmp_path / "records" / "A0.h5").exists()
