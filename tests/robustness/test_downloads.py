"""Servers that misbehave, full disks and killed jobs: a clear error or a clean continuation."""

import gzip
import hashlib
import itertools
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from ecgpipe import archives, fetch, releases
from ecgpipe.transport import Patience
from tests.mirror import Mirror, cut, other, stall, status, sums

ROOT = Path(__file__).parent.parent.parent
CONTENT = random.Random(1).randbytes(3_000_000)
CUT = 1_000_000  # bytes after which an answer breaks off
HASTY = Patience(tries=3, pause=0.01, silence=0.3)


@pytest.fixture
def mirror(tmp_path):
    """A release of one large file."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "a.zip").write_bytes(CONTENT)
    sums(folder)
    with Mirror(folder) as mirror:
        yield mirror


@pytest.fixture
def here(tmp_path):
    return tmp_path / "here"


def bring(mirror, folder, patience=HASTY):
    return fetch.fetch(releases.read(mirror.address).files.values(), folder, patience=patience)


def test_a_body_that_breaks_off_is_gone_on_with_where_it_ended(mirror, here):
    mirror.faults["a.zip"] = iter([cut(CUT), cut(CUT)])
    bring(mirror, here)
    assert (here / "a.zip").read_bytes() == CONTENT
    assert mirror.starts("a.zip") == [0, CUT, 2 * CUT]


def test_a_body_that_always_breaks_off_arrives_while_it_brings_something_new(mirror, here):
    mirror.faults["a.zip"] = itertools.repeat(cut(300_000))
    bring(mirror, here)
    assert mirror.starts("a.zip") == list(range(0, 3_000_000, 300_000))


def test_a_body_that_never_brings_anything_new_is_an_error(mirror, here):
    mirror.faults["a.zip"] = itertools.chain([cut(CUT)], itertools.repeat(cut(0)))
    with pytest.raises(ConnectionError, match=r"a\.zip: .*tried 3 times"):
        bring(mirror, here)
    assert (here / "a.zip.part").read_bytes() == CONTENT[:CUT]
    assert not (here / "a.zip").exists()


def test_a_server_without_ranges_sends_all_again(mirror, here):
    mirror.ranges = False
    mirror.faults["a.zip"] = iter([cut(CUT)])
    bring(mirror, here)
    assert (here / "a.zip").read_bytes() == CONTENT
    assert mirror.starts("a.zip") == [0, CUT]


def test_a_server_without_ranges_that_always_breaks_off_is_an_error(mirror, here):
    mirror.ranges = False
    mirror.faults["a.zip"] = itertools.repeat(cut(CUT))
    with pytest.raises(ConnectionError, match="tried 3 times"):
        bring(mirror, here)


@pytest.mark.parametrize("part", [CONTENT + b"more", b"\0" * len(CONTENT), b"\0" * CUT])
def test_what_an_earlier_job_left_wrong_is_fetched_again(mirror, here, part):
    here.mkdir()
    (here / "a.zip.part").write_bytes(part)
    bring(mirror, here)
    assert (here / "a.zip").read_bytes() == CONTENT
    assert mirror.starts("a.zip") == [len(part), 0]


def test_a_body_that_comes_wrong_once_is_fetched_again(mirror, here):
    mirror.faults["a.zip"] = iter([other(b"<html>Please wait</html>")])
    bring(mirror, here)
    assert (here / "a.zip").read_bytes() == CONTENT
    assert mirror.starts("a.zip") == [0, 0]


def test_a_body_that_comes_wrong_twice_is_an_error(mirror, here):
    mirror.faults["a.zip"] = itertools.repeat(other(b"<html>Please log in</html>"))
    with pytest.raises(ValueError, match=r"a\.zip: its sha256 is .*, expected .*; fetched twice"):
        bring(mirror, here)
    assert mirror.starts("a.zip") == [0, 0] and not list(here.iterdir())


def test_a_silent_connection_is_given_up_and_gone_on_with(mirror, here):
    mirror.faults["a.zip"] = iter([stall(CUT)])
    began = time.monotonic()
    bring(mirror, here)
    assert 0.3 < time.monotonic() - began < 10
    first, then = mirror.starts("a.zip")
    assert first == 0 and CUT - 2**18 <= then <= CUT


def test_a_redirect_in_circles_is_an_error_at_once(mirror, here):
    mirror.faults["a.zip"] = itertools.repeat(status(302, Location="/a.zip"))
    with pytest.raises(ValueError, match=r"a\.zip: Exceeded 30 redirects"):
        bring(mirror, here)
    assert len(mirror.starts("a.zip")) == 31


def test_a_redirect_to_another_kind_of_address_is_an_error_at_once(mirror, here):
    mirror.faults["a.zip"] = itertools.repeat(status(302, Location="file:///etc/passwd"))
    with pytest.raises(ValueError, match="No connection adapters"):
        bring(mirror, here)
    assert mirror.starts("a.zip") == [0]


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_refusal_is_an_error_at_once(mirror, here, code):
    mirror.faults["a.zip"] = itertools.repeat(status(code))
    with pytest.raises(FileNotFoundError, match=rf"a\.zip: {code}"):
        bring(mirror, here)
    assert mirror.starts("a.zip") == [0]


@pytest.mark.parametrize("code", [304, 429, 500, 502, 503])
def test_a_busy_server_is_asked_again_and_again_more_slowly(mirror, here, code):
    mirror.faults["a.zip"] = iter([status(code)] * 3)
    began = time.monotonic()
    bring(mirror, here, Patience(tries=4, pause=0.1))
    assert time.monotonic() - began > 0.1 + 0.2 + 0.4
    assert mirror.starts("a.zip") == [0, 0, 0, 0]


def test_a_server_that_names_a_time_to_wait_is_given_it(mirror, here):
    mirror.faults["a.zip"] = iter([status(429, Retry_After="1")])
    began = time.monotonic()
    bring(mirror, here)
    assert time.monotonic() - began > 1


def test_a_list_is_asked_for_again_too(mirror):
    mirror.faults["SHA256SUMS.txt"] = iter([cut(10), status(500), stall(0)])
    assert list(releases.read(mirror.address, Patience(pause=0.01, silence=0.3)).files) == ["a.zip"]


def test_every_file_of_many_comes_over_a_bad_line(tmp_path, here):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(60):
        (folder / f"{number}.dat").write_bytes(random.Random(number).randbytes(20_000))
    sums(folder)
    with Mirror(folder, drop=0.3) as mirror:
        release = releases.read(mirror.address, Patience(pause=0.01))
        fetch.fetch(release.files.values(), here, patience=Patience(tries=9, pause=0.01))
    assert len(mirror.asked) > 70
    for number in range(60):
        assert (here / f"{number}.dat").read_bytes() == (folder / f"{number}.dat").read_bytes()


def test_bytes_are_taken_as_they_are_stored(mirror, here):
    packed = gzip.compress(CONTENT)
    (mirror.folder / "a.zip").write_bytes(packed)
    sums(mirror.folder)
    mirror.headers["Content-Encoding"] = "gzip"  # some servers say so of every .gz
    bring(mirror, here)
    assert (here / "a.zip").read_bytes() == packed


# Fetch on a disk of 1 MiB, then, where it is told, make that disk larger and go on.
ON_A_SMALL_DISK = """
import subprocess, sys
from pathlib import Path
from ecgpipe import fetch
from ecgpipe.parts import File

address, digest, disk, size = sys.argv[1:]
file = File("a.zip", address, int(size) or None, {"sha256": digest})
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
try:
    fetch.fetch([file], Path(disk))
except OSError as error:
    print(error)
print(*sorted((path.name, path.stat().st_size) for path in Path(disk).iterdir()))
subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
print(*fetch.fetch([file], Path(disk)))
"""


@pytest.fixture
def on_a_small_disk(mirror, here):
    """Run that, in a name space of its own for mounts; return what it prints."""
    here.mkdir()
    ways = (["unshare", "-m"], ["unshare", "-rm"])
    trial = ["mount", "-t", "tmpfs", "tmpfs", str(here)]
    if not shutil.which("unshare"):
        pytest.skip("no small disk can be mounted: there is no unshare command")
    tried = [subprocess.run([*way, *trial], capture_output=True, text=True) for way in ways]
    able = [way for way, trial in zip(ways, tried, strict=True) if not trial.returncode]
    if not able:
        pytest.skip(f"no small disk can be mounted: {tried[-1].stderr.strip()}")

    def run(size: int) -> list[str]:
        digest = hashlib.sha256(CONTENT).hexdigest()
        told = [f"{mirror.address}/a.zip", digest, str(here), str(size)]
        command = [*able[0], sys.executable, "-c", ON_A_SMALL_DISK, *told]
        job = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return job.stdout.splitlines()

    return run


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(mirror, on_a_small_disk):
    error, left, line = on_a_small_disk(size=3_000_000)
    assert "3,000,000 bytes are needed, 1,048,576 are free" in error and left == ""
    assert "('a.zip', 3000000, " in line and mirror.starts("a.zip") == [0]


def test_a_disk_that_is_too_small_for_the_answer_is_told_before_it_is_written(on_a_small_disk):
    error, left, _ = on_a_small_disk(size=0)
    assert "3,000,000 bytes are needed, 1,048,576 are free" in error
    assert left == "('a.zip.part', 0)"


def test_a_disk_that_fills_up_keeps_the_part_which_is_gone_on_with(mirror, on_a_small_disk):
    mirror.lengths = False
    error, left, line = on_a_small_disk(size=0)
    assert "No space left on device; what has come is kept in" in error
    assert left == "('a.zip.part', 1048576)"
    assert "('a.zip', 3000000, " in line and mirror.starts("a.zip") == [0, 1_048_576]


@pytest.fixture
def code15(tmp_path):
    """A part of CODE-15% as a mirror has it, which comes slowly."""
    folder = tmp_path / "mirror" / "zenodo" / "4916206"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "exams_part0.zip", "w") as archive:
        archive.writestr("exams_part0.hdf5", CONTENT)
    sums(folder)
    with Mirror(tmp_path / "mirror", rate=1.5e6) as mirror:
        yield mirror


def start(mirror, here) -> subprocess.Popen:
    command = [sys.executable, "-m", "ecgpipe", "download", "--dataset", "code15"]
    command += ["--source", "signals", "--mirror", mirror.address]
    command += ["--out", str(here / "signals.manifest.csv")]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


def wait_for(part: Path, size: int) -> None:
    until = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size >= size):
        assert time.monotonic() < until, f"{part} does not grow"
        time.sleep(0.01)


PART, ZIP = "exams_part0.zip.part", "zenodo/4916206/exams_part0.zip"


def test_a_killed_job_leaves_no_file_under_its_name_and_is_gone_on_with(code15, here):
    lengths = [0]
    for least in (600_000, 1_800_000):
        job = start(code15, here)
        wait_for(here / PART, least)
        job.send_signal(signal.SIGKILL)
        job.wait()
        lengths.append((here / PART).stat().st_size)
        assert {path.name for path in here.iterdir()} <= {PART, ".lock"}
    assert start(code15, here).wait() == 0
    assert code15.starts(ZIP) == lengths
    assert (here / "exams_part0.hdf5").read_bytes() == CONTENT
    ((name, size, digest),) = archives.read_manifest(here / "signals.manifest.csv")
    assert (name, size, digest) == (
        "exams_part0.hdf5",
        len(CONTENT),
        hashlib.sha256(CONTENT).hexdigest(),
    )


def test_two_jobs_that_fetch_the_same_do_it_once(code15, here):
    jobs = [start(code15, here), start(code15, here)]
    assert [job.wait() for job in jobs] == [0, 0]
    assert code15.starts(ZIP) == [0]
    assert (here / "exams_part0.hdf5").read_bytes() == CONTENT
    assert not list(here.glob("*.part"))


def test_a_job_that_waits_goes_on_where_another_was_killed(code15, here):
    first = start(code15, here)
    wait_for(here / PART, 600_000)
    second = start(code15, here)
    wait_for(here / PART, 2_000_000)
    first.kill()
    first.wait()
    assert second.wait() == 0
    begin, then = code15.starts(ZIP)
    assert begin == 0 and then >= 2_000_000
    assert (here / "exams_part0.hdf5").read_bytes() == CONTENT
