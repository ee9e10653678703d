"""Generators of the park that are killed, or that run at the same time."""

import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random

import pytest

from seq2scene.data.park import folders
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.data.park.scenes_writing import ensure_scenes
from seq2scene.data.park.writing import ensure_park

SETS = {
    "text": (ensure_park, {"train": 12, "val": 3, "test": 3}),
    "scenes": (ensure_scenes, {"train": 4, "val": 1, "test": 1}),
    "photos": (ensure_photos, {"train": 2, "val": 1}),
}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def forked(work: Callable[[], object]) -> int:
    if (child := os.fork()) == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return child


def kill_at(number: int) -> None:
    """Has this process killed as soon as it opens the file with this number to write it, from 0."""
    opened = count()

    def hook(event: str, arguments: tuple) -> None:
        if event == "open" and "w" in (arguments[1] or "") and next(opened) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


@pytest.mark.parametrize("name", SETS)
def test_a_killed_generator_leaves_nothing_that_its_successor_minds(name, tmp_path, monkeypatch, caplog):
    ensure, sizes = SETS[name]
    never_stopped = contents(ensure(tmp_path / "whole", **sizes))
    monkeypatch.setattr(folders, "FRESH", -1.0)
    for number in Random(name).sample(range(len(never_stopped)), 2):
        child = forked(lambda at=number: (kill_at(at), ensure(tmp_path / "killed", **sizes)))
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert len(list((tmp_path / "killed").iterdir())) == 1  # the second has removed what the first left
    folder = ensure(tmp_path / "killed", **sizes)
    assert contents(folder) == never_stopped
    assert list((tmp_path / "killed").iterdir()) == [folder]
    assert not [record for record in caplog.records if record.levelname != "INFO"]


@pytest.mark.parametrize("name", SETS)
def test_generators_at_the_same_time_write_the_same(name, tmp_path):
    ensure, sizes = SETS[name]
    children = [forked(lambda: ensure(tmp_path, **sizes)) for _ in range(2)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    (folder,) = tmp_path.iterdir()
    assert contents(folder) == contents(ensure(tmp_path / "alone", **sizes))


def test_the_draft_of_a_generator_that_lives_stays(tmp_path, monkeypatch):
    ensure, sizes = SETS["text"]
    folder = ensure(tmp_path / "whole", **sizes)
    monkeypatch.setattr(folders, "FRESH", -1.0)
    living, other = (tmp_path / f".0123abcd.{name}" for name in (folder.name, "another"))
    living.mkdir(), other.mkdir()
    with folders._locked(living) as locked:
        assert locked and ensure(tmp_path, **sizes).name == folder.name and living.is_dir()
    folders._remove_abandoned(tmp_path / folder.name)
    assert not living.exists() and other.is_dir()
