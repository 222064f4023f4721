"""Files whose publisher gives only an MD5 are held to our own SHA-256."""

import hashlib
import logging

import pytest

from ecgpipe import pins
from ecgpipe.parts import File

MD5, SHA256 = hashlib.md5(b"a").hexdigest(), hashlib.sha256(b"a").hexdigest()
WEAK = File("a.zip", "https://x/a.zip", 1, {"md5": MD5})
STRONG = File("b.zip", "https://x/b.zip", None, {"sha256": "f" * 64})


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "locks" / "toy.csv"
    path.parent.mkdir()
    path.write_text(f"file,bytes,sha256\na.zip,1,{SHA256}\nb.zip,7,{SHA256}\n")
    return path


def test_a_pinned_file_is_held_to_both_sums(lock):
    held, strong = pins.hold([WEAK, STRONG], lock)
    assert (held.size, held.sums) == (1, {"md5": MD5, "sha256": SHA256})
    assert strong is STRONG


def test_without_a_lock_file_nothing_is_added(tmp_path):
    assert pins.hold([WEAK, STRONG], tmp_path / "none.csv") == [WEAK, STRONG]


def test_a_file_of_another_size_is_told_before_it_is_fetched(lock):
    with pytest.raises(
        ValueError, match=r"2 bytes, but .*toy\.csv says 1: .*remove its line there"
    ):
        pins.hold([File("a.zip", "https://x/a.zip", 2, {"md5": MD5})], lock)


def test_what_is_not_pinned_yet_is_added_and_told(tmp_path, caplog):
    lock = tmp_path / "locks" / "toy.csv"
    lines = [("b.zip", 7, "f" * 64), ("a.zip", 1, SHA256)]
    with caplog.at_level(logging.INFO):
        pins.add(lines, [WEAK, STRONG], lock)
    assert lock.read_text() == f"file,bytes,sha256\na.zip,1,{SHA256}\n"
    assert "toy.csv: 1 files added, with their SHA-256; commit it" in caplog.text


def test_a_pinned_file_is_never_pinned_anew(lock):
    before = lock.read_bytes()
    pins.add([("a.zip", 1, "0" * 64)], pins.hold([WEAK], lock), lock)
    pins.add([("a.zip", 1, "0" * 64)], [WEAK], lock)  # another job was first
    assert lock.read_bytes() == before
