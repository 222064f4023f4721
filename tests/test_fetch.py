"""Files of a release come whole or not at all, from a disk and from a web server, and only once."""

import hashlib
import random
from pathlib import Path

import pytest

from ecgpipe import releases
from ecgpipe.fetch import fetch
from ecgpipe.parts import File
from ecgpipe.transport import Patience
from tests.mirror import Mirror, cut, sums

ONE = random.Random(0).randbytes(3_000_000)


@pytest.fixture
def place(tmp_path):
    """Two recordings and the sums."""
    folder = tmp_path / "mirror"
    (folder / "r").mkdir(parents=True)
    (folder / "r/1.dat").write_bytes(ONE)
    (folder / "r/2 b.dat").write_bytes(b"two")
    (folder / "empty").write_bytes(b"")
    sums(folder)
    return folder


@pytest.fixture
def mirror(place):
    with Mirror(place) as mirror:
        yield mirror


def bring(place, folder: Path) -> list[tuple[str, int, str]]:
    files = releases.read(str(place)).files.values()
    return fetch(files, folder, patience=Patience(pause=0.01, silence=5.0))


@pytest.mark.parametrize("form", ["{path}", "file://{path}", "{address}", "{address}/"])
def test_every_form_of_a_mirror_gives_the_same_files(place, mirror, tmp_path, form):
    lines = bring(form.format(path=place, address=mirror.address), tmp_path / "here")
    assert [line[:2] for line in lines] == [("empty", 0), ("r/1.dat", len(ONE)), ("r/2 b.dat", 3)]
    for name, _, digest in lines:
        content = (tmp_path / "here" / name).read_bytes()
        assert content == (place / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
    assert not list((tmp_path / "here").rglob("*.part"))


def test_files_that_are_there_are_not_fetched_again(mirror, tmp_path):
    bring(mirror.address, tmp_path / "here")
    (tmp_path / "here" / "r" / "1.dat").write_bytes(b"spoilt")
    mirror.asked.clear()
    bring(mirror.address, tmp_path / "here")
    assert mirror.asked == [("SHA256SUMS.txt", 0), ("r/1.dat", 0)]
    assert (tmp_path / "here" / "r" / "1.dat").read_bytes() == ONE


@pytest.mark.parametrize("form", ["{path}", "{address}"])
def test_a_half_fetched_file_is_gone_on_with(place, mirror, tmp_path, form):
    (tmp_path / "here" / "r").mkdir(parents=True)
    (tmp_path / "here" / "r" / "1.dat.part").write_bytes(ONE[:1_234_567])
    bring(form.format(path=place, address=mirror.address), tmp_path / "here")
    assert (tmp_path / "here" / "r" / "1.dat").read_bytes() == ONE
    assert mirror.starts("r/1.dat") in ([], [1_234_567])


def test_a_part_that_is_the_whole_is_not_asked_for(mirror, tmp_path):
    (tmp_path / "here" / "r").mkdir(parents=True)
    (tmp_path / "here" / "r" / "1.dat.part").write_bytes(ONE)
    bring(mirror.address, tmp_path / "here")
    assert mirror.starts("r/1.dat") == []


@pytest.mark.parametrize("form", ["{path}", "{address}"])
def test_a_wrong_sum_is_an_error_that_leaves_nothing_behind(place, mirror, tmp_path, form):
    (place / "r/1.dat").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"r/1\.dat: its sha256 is .*, expected .*; fetched twice"):
        bring(form.format(path=place, address=mirror.address), tmp_path / "here")
    assert not list((tmp_path / "here").rglob("1.dat*"))


def test_a_file_that_is_not_there_is_asked_for_once(place, mirror, tmp_path):
    (place / "r/1.dat").unlink()
    with pytest.raises(FileNotFoundError, match=r"r/1\.dat: 404"):
        bring(mirror.address, tmp_path / "here")
    assert mirror.starts("r/1.dat") == [0]


def test_a_failure_stops_the_other_files_which_keep_what_came(place, mirror, tmp_path):
    (place / "r/2 b.dat").unlink()
    mirror.rate = 1e6
    with pytest.raises(FileNotFoundError):
        bring(mirror.address, tmp_path / "here")
    part = (tmp_path / "here" / "r" / "1.dat.part").read_bytes()
    assert len(part) < len(ONE) and ONE.startswith(part)


def test_a_file_without_any_sum_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no sums are published of .*'a'"):
        fetch([File("a", "https://x/a", 1, {})], tmp_path)


def test_what_does_not_fit_the_disk_is_refused_before_it_is_asked_for(mirror, tmp_path):
    published = File("r/1.dat", f"{mirror.address}/r/1.dat", 10**18, {"sha256": "0" * 64})
    with pytest.raises(OSError, match="bytes are needed"):
        fetch([published], tmp_path / "here")
    assert mirror.asked == []


def test_progress_tells_bytes_and_files_where_sizes_are_unknown(mirror, tmp_path, capsys):
    mirror.faults["r/1.dat"] = iter([cut(2_000_000)])
    bring(mirror.address, tmp_path / "here")
    last = capsys.readouterr().err.rpartition("\r")[2]
    assert "3.00M/3.00M" in last and "B/s, 3 of 3 files" in last
