import gzip
import os
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from seq2scene.data.downloads import DataFile
from seq2scene.errors import UserError
from seq2scene.running.preparing import catalogue, prepare

ROOT = Path(__file__).resolve().parents[2]
RECIPE = {
    "base": "https://example.org/data/",
    "files": {"tok/a.gz": {"from": "tok/a"}, "b.gz": {"from": "raw/b.gz", "sha256": "0" * 64, "size": 3}},
}


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def published(tmp_path):
    """A web server with two files, and the address it has them at."""
    folder = tmp_path / "published"
    (folder / "tok").mkdir(parents=True)
    (folder / "tok/train.en").write_text("a small dog\n")
    (folder / "train.en.gz").write_bytes(gzip.compress(b"A small dog.\n"))
    web = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    thread = threading.Thread(target=web.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{web.server_port}"
    web.shutdown()
    thread.join()
    web.server_close()


def command(*overrides: str, folder: Path) -> subprocess.CompletedProcess:
    """``python src/prepare.py`` as a user starts it, from another folder."""
    arguments = [sys.executable, str(ROOT / "src/prepare.py"), *overrides]
    environment = {**os.environ, "SEQ2SCENE_DATA": str(folder / "data")}
    return subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_a_recipe_is_a_list_of_files_at_its_base_or_at_a_mirror():
    assert catalogue(RECIPE) == [
        DataFile("https://example.org/data/tok/a", "tok/a.gz"),
        DataFile("https://example.org/data/raw/b.gz", "b.gz", sha256="0" * 64, size=3),
    ]
    assert catalogue(RECIPE, "http://localhost:8000/m")[0].url == "http://localhost:8000/m/tok/a"


def test_a_mirror_that_is_no_address_is_refused():
    with pytest.raises(UserError, match=r"mirror=example\.org is not an address"):
        catalogue(RECIPE, "example.org")


def test_a_data_set_without_recipe_is_an_error_that_lists_those_with_one():
    with pytest.raises(UserError, match="data=text_files cannot be fetched; those that can: multi30k, park"):
        prepare({"data": {"root": "."}}, "text_files", ["park", "multi30k"])


def test_a_new_data_set_is_two_files_of_configuration(tmp_path, published):
    for group, text in {
        "data": "root: ${paths.data}/tiny\n",
        "prepare": f"base: {published}\nfiles:\n  tok/train.en.gz: {{from: tok/train.en}}\n"
        "  train.en.gz: {from: train.en.gz}\n",
    }.items():
        (tmp_path / "more" / group).mkdir(parents=True)
        (tmp_path / "more" / group / "tiny.yaml").write_text(text)
    run = command("--config-dir", str(tmp_path / "more"), "data=tiny", folder=tmp_path)
    assert run.returncode == 0, run.stderr
    root = tmp_path / "data/tiny"
    assert f"tiny: 2 files in {root}: 2 fetched, 0 already there" in run.stdout
    assert gzip.decompress((root / "tok/train.en.gz").read_bytes()) == b"a small dog\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "more", "published"]  # no run folder


def test_the_command_says_what_it_cannot_do_without_a_traceback(tmp_path):
    run = command("data=text_files", folder=tmp_path)
    assert run.returncode == 2
    assert run.stderr.startswith("error: data=text_files cannot be fetched; those that can: ")
    assert "multi30k" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_mirror_without_the_files_is_named_with_the_place_to_put_them(tmp_path, published):
    run = command("data=multi30k", f"mirror={published}/nothing", folder=tmp_path)
    assert run.returncode == 2
    assert f"error: cannot fetch {published}/nothing/raw/train.en.gz: the server says 404" in run.stderr
    assert str(tmp_path / "data/multi30k/train.en.gz") in run.stderr


def test_the_park_is_generated(tmp_path):
    run = command("data=park", folder=tmp_path)
    assert run.returncode == 0, run.stderr
    assert next((tmp_path / "data/park").glob("*/train.en")).stat().st_size > 0
