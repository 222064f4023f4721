"""Releases are fetched whole or not at all, from a disk and from a web server."""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ecgpipe import archives


class Handler(SimpleHTTPRequestHandler):
    """A web server that can be told to break off: `broken` counts down per file."""

    broken: dict[str, int] = {}
    asked: list[str] = []

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        self.asked.append(name)
        if self.broken.get(name, 0):
            self.broken[name] -= 1
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"half")
            self.close_connection = True
        else:
            super().do_GET()


@pytest.fixture
def release(tmp_path):
    """Two recordings, RECORDS and the sums."""
    folder = tmp_path / "mirror" / "toy" / "1.0"
    (folder / "r").mkdir(parents=True)
    names = ["r/1.dat", "r/2 b.dat", "RECORDS"]
    (folder / "r/1.dat").write_bytes(b"one" * 1000)
    (folder / "r/2 b.dat").write_bytes(b"two")
    (folder / "RECORDS").write_text("r/1\nr/2\n")
    sums = [f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names]
    (folder / "SHA256SUMS.txt").write_text("".join(sums))
    return folder


@pytest.fixture
def address(release):
    """The release on a web server of this machine."""
    Handler.broken, Handler.asked = {}, []
    handler = partial(Handler, directory=str(release))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def fetch(place: str, folder: Path) -> list[tuple[str, int, str]]:
    return archives.fetch(place, archives.read_sums(place), folder, pause=0.0)


@pytest.mark.parametrize("form", ["{path}", "file://{path}", "{address}", "{address}/"])
def test_every_form_of_a_mirror_gives_the_same_files(release, address, tmp_path, form):
    lines = fetch(form.format(path=release, address=address), tmp_path / "here")
    assert [(name, size) for name, size, _ in lines] == [
        ("RECORDS", 8),
        ("r/1.dat", 3000),
        ("r/2 b.dat", 3),
    ]
    for name, _, _ in lines:
        assert (tmp_path / "here" / name).read_bytes() == (release / name).read_bytes()
    assert not list((tmp_path / "here").rglob("*.part"))


def test_files_that_are_there_are_not_fetched_again(address, tmp_path):
    fetch(address, tmp_path / "here")
    (tmp_path / "here" / "r" / "1.dat").write_bytes(b"spoilt")
    Handler.asked.clear()
    fetch(address, tmp_path / "here")
    assert Handler.asked == ["SHA256SUMS.txt", "1.dat"]


def test_a_body_that_breaks_off_is_fetched_again_whole(address, tmp_path):
    Handler.broken["1.dat"] = 2
    fetch(address, tmp_path / "here")
    assert (tmp_path / "here" / "r" / "1.dat").read_bytes() == b"one" * 1000


def test_a_body_that_always_breaks_off_is_an_error(address, tmp_path):
    Handler.broken["1.dat"] = 99
    with pytest.raises(ValueError, match=r"r/1\.dat: .*; tried 4 times"):
        fetch(address, tmp_path / "here")
    assert not list((tmp_path / "here").rglob("1.dat*"))


@pytest.mark.parametrize("form", ["{path}", "{address}"])
def test_a_wrong_sum_is_an_error_that_leaves_nothing_behind(release, address, tmp_path, form):
    (release / "r/1.dat").write_bytes(b"something else")
    with pytest.raises(ValueError, match="its SHA-256 is .*, expected"):
        fetch(form.format(path=release, address=address), tmp_path / "here")
    assert not list((tmp_path / "here").rglob("1.dat*"))


def test_a_file_that_is_not_there_is_asked_for_once(release, address, tmp_path):
    (release / "r/1.dat").unlink()
    with pytest.raises(FileNotFoundError, match="404"):
        fetch(address, tmp_path / "here")
    assert Handler.asked.count("1.dat") == 1


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "r/../../up", "c:\\up", "r\\up", ""])
def test_names_that_lead_out_of_the_folder_are_refused(release, name):
    (release / "SHA256SUMS.txt").write_text(f"{'0' * 64}  {name}\n")
    with pytest.raises(ValueError, match="unsafe file name|expected SHA-256"):
        archives.read_sums(str(release))


def test_a_line_that_is_no_sum_is_refused(release):
    (release / "SHA256SUMS.txt").write_text("<html>Not here</html>\n")
    with pytest.raises(ValueError, match="expected SHA-256 and a file's name"):
        archives.read_sums(str(release))


def test_records_must_have_their_sum(release):
    sums = archives.read_sums(str(release))
    assert archives.read_records(str(release), sums) == ["r/1", "r/2"]
    (release / "RECORDS").write_text("r/3\n")
    with pytest.raises(ValueError, match="RECORDS: its SHA-256"):
        archives.read_records(str(release), sums)


def test_a_mirror_of_another_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match="ftp://x: expected a path"):
        archives.read_sums("ftp://x")


@pytest.mark.parametrize(
    ("mirror", "place"),
    [(None, "https://p/toy/1.0/"), ("/m/", "/m/toy/1.0"), ("file:///m", "file:///m/toy/1.0")],
)
def test_a_mirror_takes_the_place_of_the_publisher(mirror, place):
    assert archives.place_of("https://p/toy/1.0/", mirror, "toy/1.0") == place


def test_own_files_are_listed_through_links_and_summed(release, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "linked").symlink_to(release / "r")
    archives.write_manifest(tmp_path / "own" / "metadata.manifest.csv", [])
    names = archives.list_own(tmp_path / "own")
    assert names == ["linked/1.dat", "linked/2 b.dat"]
    (_, size, digest), _ = archives.sum_own(names, tmp_path / "own")
    assert (size, digest) == (3000, hashlib.sha256(b"one" * 1000).hexdigest())


def test_a_manifest_is_a_plain_table(release, tmp_path):
    path = tmp_path / "100hz.manifest.csv"
    archives.write_manifest(path, fetch(str(release), tmp_path / "here")[1:2])
    expected = hashlib.sha256(b"one" * 1000).hexdigest()
    assert path.read_text() == f"file,bytes,sha256\nr/1.dat,3000,{expected}\n"
    assert archives.sum_manifests([path]) == hashlib.sha256(path.read_bytes()).hexdigest()
