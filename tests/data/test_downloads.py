import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from seq2scene.data.downloads import MANIFEST, DataFile, Report, fetch_all
from seq2scene.errors import UserError
from seq2scene.running.commands.preparing import catalogue

CONF = Path(__file__).resolve().parents[2] / "conf"

TEXT = "".join(f"Zeile {number}: ein kleiner Junge läuft.\n" for number in range(5000)).encode()
SHA256 = hashlib.sha256(TEXT).hexdigest()


@dataclass
class Server:
    """What a test's web server has, how it misbehaves, and what it was asked."""

    contents: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True  # whether it can continue a download
    etag: str | None = '"one"'
    dies_after: list[int] = field(default_factory=list)  # bytes after which the next answers break off
    statuses: list[int] = field(default_factory=list)  # of the next answers
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path, Range
    address: str = ""

    def file(self, path: str = "a.txt", **known) -> DataFile:
        return DataFile(f"{self.address}/{path}", path, **known)


class Handler(BaseHTTPRequestHandler):
    def __init__(self, server_state: Server, *arguments) -> None:
        self.state = server_state
        super().__init__(*arguments)

    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        state, wanted = self.state, self.headers.get("Range")
        state.requests.append((self.path, wanted))
        content = state.contents.get(self.path[1:])
        if state.statuses:
            self.send_error(state.statuses.pop(0))
        elif content is None:
            self.send_error(404)
        else:
            changed = self.headers.get("If-Range", state.etag) != state.etag
            self.answer(content, wanted if state.ranges and not changed else None)

    def answer(self, content: bytes, wanted: str | None) -> None:
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        whole = len(content)
        self.send_response(200 if not wanted else 206 if start < whole else 416)
        if wanted:
            place = f"{start}-{whole - 1}" if start < whole else "*"
            self.send_header("Content-Range", f"bytes {place}/{whole}")
        if self.state.etag:
            self.send_header("ETag", self.state.etag)
        body = content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.state.dies_after:
            body = body[: self.state.dies_after.pop(0)]
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server(contents={"a.txt": TEXT})
    web = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, state))
    state.address = f"http://127.0.0.1:{web.server_port}"
    thread = threading.Thread(target=web.serve_forever, args=(0.02,))
    thread.start()
    yield state
    web.shutdown()
    thread.join()
    web.server_close()


def fetch(root: Path, *files: DataFile) -> Report:
    return fetch_all(files, root, attempts=3, pause=0.01)


def left_behind(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.suffix in {".part", ".tmp", ".etag"})


def test_a_file_comes_whole_into_a_new_folder(server, tmp_path):
    report = fetch(tmp_path / "new", server.file(sha256=SHA256, size=len(TEXT)))
    assert report == Report(fetched=["a.txt"])
    assert (tmp_path / "new/a.txt").read_bytes() == TEXT
    assert left_behind(tmp_path) == []


def test_what_is_there_is_not_fetched_again(server, tmp_path):
    files = [server.file(sha256=SHA256), server.file("b.txt")]
    server.contents["b.txt"] = b"of unknown checksum"
    fetch(tmp_path, *files)
    server.requests.clear()
    assert fetch(tmp_path, *files) == Report(kept=["a.txt", "b.txt"])
    assert server.requests == []


@pytest.mark.parametrize("etag", ['"one"', None, 'W/"weak"'])
def test_a_partial_download_is_continued_where_it_ended(server, tmp_path, etag):
    server.etag = etag
    server.dies_after = [70_000]
    with pytest.raises(UserError):
        fetch_all([server.file(sha256=SHA256)], tmp_path, attempts=1)
    assert (tmp_path / "a.txt.part").stat().st_size == 70_000
    assert not (tmp_path / "a.txt").exists()
    fetch(tmp_path, server.file(sha256=SHA256))
    assert (tmp_path / "a.txt").read_bytes() == TEXT
    assert server.requests == [("/a.txt", None), ("/a.txt", "bytes=70000-")]
    assert left_behind(tmp_path) == []


def test_a_server_that_dies_midway_is_asked_for_the_rest(server, tmp_path):
    server.dies_after = [1000, 2000]
    assert fetch(tmp_path, server.file(sha256=SHA256)).fetched == ["a.txt"]
    assert [wanted for _, wanted in server.requests] == [None, "bytes=1000-", "bytes=3000-"]
    assert (tmp_path / "a.txt").read_bytes() == TEXT


def test_a_server_that_always_dies_is_given_up_and_what_came_is_kept(server, tmp_path):
    server.dies_after = [1000] * 3
    with pytest.raises(UserError, match=r"ended after 3,000 of .* bytes \(3 attempts\)"):
        fetch(tmp_path, server.file(sha256=SHA256))
    assert (tmp_path / "a.txt.part").read_bytes() == TEXT[:3000]


def test_a_server_that_cannot_continue_starts_again(server, tmp_path):
    server.ranges = False
    server.dies_after = [1000]
    fetch(tmp_path, server.file(sha256=SHA256))
    assert (tmp_path / "a.txt").read_bytes() == TEXT


def test_a_file_that_changed_on_the_server_is_not_joined_to_the_old_part(server, tmp_path):
    server.dies_after = [1000]
    with pytest.raises(UserError):
        fetch_all([server.file()], tmp_path, attempts=1)
    server.contents["a.txt"], server.etag = b"x" * 5000, '"two"'
    fetch(tmp_path, server.file())  # no checksum would have told
    assert (tmp_path / "a.txt").read_bytes() == b"x" * 5000


def test_a_part_that_is_already_the_whole_is_taken(server, tmp_path):
    (tmp_path / "a.txt.part").write_bytes(TEXT)
    fetch(tmp_path, server.file(sha256=SHA256))
    assert (tmp_path / "a.txt").read_bytes() == TEXT
    assert server.requests == [("/a.txt", f"bytes={len(TEXT)}-")]


@pytest.mark.parametrize("part", [b"rubbish", b"rubbish" * len(TEXT)])
def test_a_part_that_is_wrong_or_too_long_is_thrown_away(server, tmp_path, part):
    (tmp_path / "a.txt.part").write_bytes(part)
    fetch(tmp_path, server.file(sha256=SHA256))
    assert (tmp_path / "a.txt").read_bytes() == TEXT


def test_a_damaged_file_is_reported_and_fetched_again(server, tmp_path, caplog):
    (tmp_path / "a.txt").write_bytes(TEXT[:-1])
    assert fetch(tmp_path, server.file(sha256=SHA256)) == Report(fetched=["a.txt"], damaged=["a.txt"])
    assert (tmp_path / "a.txt").read_bytes() == TEXT
    assert "a.txt is damaged" in caplog.text


def test_a_file_of_another_checksum_never_gets_to_its_place(server, tmp_path):
    with pytest.raises(UserError, match=rf"has SHA-256 {SHA256}, not {'0' * 64}"):
        fetch(tmp_path, server.file(sha256="0" * 64))
    assert list(tmp_path.iterdir()) == []
    assert len(server.requests) == 1


def test_a_file_of_another_size_is_refused(server, tmp_path):
    with pytest.raises(UserError, match=f"has size {len(TEXT)}, not 7"):
        fetch(tmp_path, server.file(size=7))


def test_a_damaged_file_stays_when_a_better_one_cannot_be_had(server, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"old")
    server.contents.clear()
    with pytest.raises(UserError, match="404"):
        fetch(tmp_path, server.file(sha256=SHA256))
    assert (tmp_path / "a.txt").read_bytes() == b"old"


def test_an_unknown_checksum_is_recorded_and_held_to_later(server, tmp_path):
    fetch(tmp_path, server.file())
    record = json.loads((tmp_path / MANIFEST).read_text())["a.txt"]
    assert record == {"url": f"{server.address}/a.txt", "size": len(TEXT), "sha256": SHA256}
    (tmp_path / "a.txt").write_bytes(b"spoilt")
    assert fetch(tmp_path, server.file()).damaged == ["a.txt"]
    assert (tmp_path / "a.txt").read_bytes() == TEXT
    server.contents["a.txt"] = b"something else"
    (tmp_path / "a.txt").unlink()
    with pytest.raises(UserError, match=f"not {len(TEXT)}"):
        fetch(tmp_path, server.file())


def test_a_file_put_there_by_hand_is_believed_and_recorded(server, tmp_path):
    (tmp_path / "a.txt").write_bytes(TEXT)
    assert fetch(tmp_path, server.file()).kept == ["a.txt"]
    assert json.loads((tmp_path / MANIFEST).read_text())["a.txt"]["sha256"] == SHA256


def test_a_plain_file_can_be_kept_compressed_and_its_checksum_is_that_of_the_text(server, tmp_path):
    file = DataFile(f"{server.address}/a.txt", "tok/a.txt.gz", sha256=SHA256)
    fetch(tmp_path, file)
    packed = (tmp_path / "tok/a.txt.gz").read_bytes()
    assert gzip.decompress(packed) == TEXT
    assert fetch(tmp_path, file).kept == ["tok/a.txt.gz"]
    for damaged in (packed[:-100], packed[:200] + b"????" + packed[204:], b"plain text"):
        (tmp_path / "tok/a.txt.gz").write_bytes(damaged)
        assert fetch(tmp_path, file).damaged == ["tok/a.txt.gz"]
    assert gzip.decompress((tmp_path / "tok/a.txt.gz").read_bytes()) == TEXT
    assert left_behind(tmp_path) == []


def test_a_passing_fault_is_tried_again_and_a_lasting_one_is_not(server, tmp_path):
    server.statuses = [503, 429]
    assert fetch(tmp_path, server.file()).fetched == ["a.txt"]
    server.requests.clear()
    with pytest.raises(UserError, match="404"):
        fetch(tmp_path, server.file("none.txt"))
    assert len(server.requests) == 1


def test_without_a_network_the_error_names_address_and_place(tmp_path):
    nobody = DataFile("http://127.0.0.1:1/train.en", "tok/train.en.gz")
    with pytest.raises(UserError) as error:
        fetch(tmp_path, nobody)
    assert nobody.url in str(error.value)
    assert f"put the file, gzip-compressed, at {tmp_path / 'tok/train.en.gz'} by hand" in str(error.value)


def test_a_folder_that_cannot_be_written_is_a_users_error(server, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match="cannot write below"):
        fetch(tmp_path / "file", server.file())


def test_a_manifest_that_is_not_json_is_a_users_error(server, tmp_path):
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(UserError, match="is not JSON"):
        fetch(tmp_path, server.file())


def test_the_published_files_at_hand_are_those_of_the_catalogue(shared_data, tmp_path):
    recipe = OmegaConf.to_container(OmegaConf.load(CONF / "prepare/multi30k.yaml"))
    here = [file for file in catalogue(recipe) if (shared_data / "multi30k" / file.path).exists()]
    for file in here:
        (tmp_path / file.path).parent.mkdir(exist_ok=True)
        (tmp_path / file.path).symlink_to(shared_data / "multi30k" / file.path)
    assert sum(file.sha256 is not None for file in here) >= 12
    assert fetch(tmp_path, *here).kept == [file.path for file in here]
