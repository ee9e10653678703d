import gzip
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zipfile import ZipFile

import pytest

from captioned_photos import write_coco
from entry_points import command
from seq2scene.data.captions.caption_files import read_coco
from seq2scene.data.downloads import DataFile, bytes_to_come
from seq2scene.data.park.scenes_writing import ensure_scenes
from seq2scene.errors import UserError
from seq2scene.running.commands.preparing import catalogue, prepare

ROOT = Path(__file__).resolve().parents[3]
RECIPE = {
    "base": "https://example.org/data/",
    "files": {"tok/a.gz": {"from": "tok/a"}, "b.gz": {"from": "raw/b.gz", "sha256": "0" * 64, "size": 3}},
}


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def published(tmp_path):
    """A web server with two files, and their address."""
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


@pytest.fixture
def scenes(published, tmp_path) -> str:
    """The address of an archive of ten scenes, laid out like the published Abstract Scenes: without
    splits.
    """
    small = ensure_scenes(tmp_path / "park", train=6, val=2, test=2)
    with ZipFile(tmp_path / "published/AbstractScenes_v1.1.zip", "w") as archive:
        for path in sorted(small.rglob("*")):
            if path.is_file() and path.parent.name != "splits":
                archive.write(path, Path("AbstractScenes_v1.1") / path.relative_to(small))
    return published


def prepare_from(folder: Path, *overrides: str) -> subprocess.CompletedProcess:
    """``python src/prepare.py`` as a user runs it, from a folder that contains data/."""
    return command("prepare.py", *overrides, work=folder)


def test_a_recipe_is_a_list_of_files_at_its_base_or_at_a_mirror():
    assert catalogue(RECIPE) == [
        DataFile("https://example.org/data/tok/a", "tok/a.gz"),
        DataFile("https://example.org/data/raw/b.gz", "b.gz", sha256="0" * 64, size=3),
    ]
    assert catalogue(RECIPE, "http://localhost:8000/m")[0].url == "http://localhost:8000/m/tok/a"


def test_what_is_to_come_is_what_is_not_there_yet(tmp_path):
    names = {"whole": 5, "begun": 7, "missing": 11, "unknown": None}
    files = [DataFile("https://example.org/" + name, name, size=size) for name, size in names.items()]
    (tmp_path / "whole").write_bytes(b"12345")
    (tmp_path / "begun.part").write_bytes(b"123")
    assert bytes_to_come(files, tmp_path) == 4 + 11


def test_a_mirror_that_is_no_address_is_refused():
    with pytest.raises(UserError, match=r"mirror=example\.org is not an address"):
        catalogue(RECIPE, "example.org")


def test_a_data_set_without_recipe_is_an_error_that_lists_those_with_one():
    with pytest.raises(UserError, match="data=text_files cannot be fetched; those that can: multi30k, park"):
        prepare({"data": {"root": "."}}, "text_files", ["park", "multi30k"])


@pytest.mark.slow
def test_a_new_data_set_is_two_files_of_configuration(tmp_path, published):
    for group, text in {
        "data": "root: ${paths.data}/tiny\n",
        "prepare": f"base: {published}\nfiles:\n  tok/train.en.gz: {{from: tok/train.en}}\n"
        "  train.en.gz: {from: train.en.gz}\n",
    }.items():
        (tmp_path / "more" / group).mkdir(parents=True)
        (tmp_path / "more" / group / "tiny.yaml").write_text(text)
    run = prepare_from(tmp_path, "--config-dir", str(tmp_path / "more"), "data=tiny")
    assert run.returncode == 0, run.stderr
    root = tmp_path / "data/tiny"
    assert f"tiny: 2 files in {root}: 2 fetched, 0 already there" in run.stdout
    assert gzip.decompress((root / "tok/train.en.gz").read_bytes()) == b"a small dog\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "more", "published"]  # no run folder


@pytest.mark.slow
def test_the_command_says_what_it_cannot_do_without_a_traceback(tmp_path):
    run = prepare_from(tmp_path, "data=text_files")
    assert run.returncode == 2
    assert run.stderr.startswith("error: data=text_files cannot be fetched; those that can: ")
    assert "multi30k" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.slow
def test_a_mirror_without_the_files_is_named_with_the_place_to_put_them(tmp_path, published):
    run = prepare_from(tmp_path, "data=multi30k", f"mirror={published}/nothing")
    assert run.returncode == 2
    assert f"error: cannot fetch {published}/nothing/raw/train.en.gz: the server says 404" in run.stderr
    assert str(tmp_path / "data/multi30k/train.en.gz") in run.stderr


@pytest.mark.slow
def test_scenes_are_fetched_unpacked_read_and_counted(tmp_path, scenes):
    folder = tmp_path / "data/AbstractScenes_v1.1"
    splits = folder / "splits"  # ten scenes are not enough for the official ones
    splits.mkdir(parents=True)
    for split, numbers in {"train": "0\n1\n2\n3\n4\n5\n", "val": "6\n7\n", "test": "8\n9\n"}.items():
        (splits / f"text2scene_{split}.txt").write_text(numbers)
    counts = [f"prepare.counts.{key}" for key in ("scenes=10", "usable=10", "sentences=60")]
    run = prepare_from(tmp_path, "data=abstract_scenes", f"mirror={scenes}", *counts)
    assert run.returncode == 0, run.stderr
    assert f"abstract_scenes: 1 files in {folder}: 1 fetched, 0 already there" in run.stdout
    assert "files of AbstractScenes_v1.1.zip: 134 unpacked, 0 already there" in run.stdout
    assert "abstract_scenes: 10 scenes, 10 of them with objects and sentences; 60 sentences" in run.stdout
    there = ["AbstractScenes_v1.1.zip", "Pngs", "Scenes_10020.txt", "SimpleSentences", "downloads.json"]
    assert sorted(path.name for path in folder.iterdir()) == [*there, "facts", "park.json", "splits"]

    (folder / "Pngs/s_0s.png").unlink()  # fetched again; any other number than the published one is refused
    run = prepare_from(tmp_path, "data=abstract_scenes", f"mirror={scenes}", *counts[1:])
    assert "1 unpacked, 133 already there" in run.stdout
    assert run.returncode == 2 and "Traceback" not in run.stderr
    assert f"error: {folder} holds 10 scenes, not 10,020" in run.stderr


@pytest.fixture
def photos(published, tmp_path) -> dict:
    """A recipe for photos and captions, and small archives like COCO's."""
    write_coco(tmp_path / "coco")
    sources = {
        "annotations_trainval2017.zip": "annotations",
        "train2017.zip": "images/train2017",
        "val2017.zip": "images/val2017",
    }
    files = {}
    for name, source in sources.items():
        with ZipFile(tmp_path / "published" / name, "w") as archive:
            for path in sorted((tmp_path / "coco" / source).iterdir()):
                archive.write(path, f"{Path(source).name}/{path.name}")
        files[name] = {"from": name, "size": (tmp_path / "published" / name).stat().st_size}
    archives = {f"{split}2017.zip": {"to": f"images/{split}2017", "files": 4} for split in ("train", "val")}
    return {"base": published, "files": files, "unpack": archives}


def test_photos_are_fetched_once_their_size_is_said_and_counted(tmp_path, photos, capsys):
    root = tmp_path / "data"
    config = {"data": {"root": str(root)}, "prepare": photos}
    prepare(config, "coco", [])
    first, *said = capsys.readouterr().out.splitlines()
    assert first == f"coco: fetching 0 MB into {root}"
    assert said[1:] == [
        f"coco: 4 files of {s}2017.zip: 4 unpacked, 0 already there" for s in ("train", "val")
    ]
    told = read_coco(root / "annotations/captions_train2017.json", root / "images/train2017")
    assert len(told) == 4 and all(photo.is_file() for photo in told.photos)

    prepare(config, "coco", [])  # nothing is left to fetch
    assert capsys.readouterr().out.startswith(f"coco: 3 files in {root}: 0 fetched, 3 already there")
    photos["unpack"]["val2017.zip"]["files"] = 5000
    with pytest.raises(UserError, match=r"val2017\.zip holds 4 files, not 5,000"):
        prepare(config, "coco", [])


@pytest.mark.slow
def test_a_page_in_place_of_an_archive_is_refused_with_what_to_do(tmp_path, published):
    (tmp_path / "published/AbstractScenes_v1.1.zip").write_text("<html>Moved</html>")
    run = prepare_from(tmp_path, "data=abstract_scenes", f"mirror={published}")
    assert run.returncode == 2 and "Traceback" not in run.stderr
    assert "AbstractScenes_v1.1.zip cannot be unpacked: File is not a zip file" in run.stderr


@pytest.mark.slow
def test_the_park_is_generated(tmp_path):
    sizes = [f"data.park.{name}={count}" for name, count in (("train", 30), ("val", 5), ("test", 5))]
    run = prepare_from(tmp_path, "data=park", *sizes)
    assert run.returncode == 0, run.stderr
    (written,) = (tmp_path / "data/park").glob("*/train.en")
    assert len(written.read_text("utf-8").splitlines()) == 30
