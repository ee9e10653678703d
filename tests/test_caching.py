"""Cache entries appear complete, are computed by one process, and are never mistaken for others."""

import logging
import multiprocessing
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from seq2scene.arrays import Damaged, read_array
from seq2scene.caching import draft, kept, key, renewed
from seq2scene.errors import UserError


def write(path: Path, words: str) -> None:
    path.mkdir()
    (path / "words").write_text(words)


def fail(*_: object) -> str:
    raise OSError("no processes left")


def test_it_is_made_once(tmp_path: Path) -> None:
    place = tmp_path / "cache" / key("facts")
    assert kept(place, lambda: "once", write) == place == kept(place, fail, write)
    assert (place / "words").read_text() == "once"


def test_other_facts_have_other_names_which_last() -> None:
    assert key("facts") == "0694aacb66d62e742a92e8d5f1e82bd9d2a8ca1be88744201fbe63d0f5007502"
    assert len({key("facts"), key("other"), key("facts", [b"1"]), key("facts", [b"2"])}) == 4


def test_errors_of_the_work_are_not_taken_for_those_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no processes left"):
        kept(tmp_path / "cache/thing", fail, write)
    with pytest.raises(UserError, match=r"cache cannot be written \(no processes left\): set data\.cache"):
        kept(tmp_path / "cache/thing", lambda: "words", fail)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file cannot be written \(.*\): choose another"):
        kept(tmp_path / "file/thing", fail, write, "choose another")


def broken_off(path: Path, words: str) -> None:
    write(path, words)
    raise KeyboardInterrupt


def test_broken_off_work_is_taken_away_or_resumed(tmp_path: Path) -> None:
    place = tmp_path / "thing"
    write(tmp_path / "killed.draft", "half")
    with pytest.raises(KeyboardInterrupt):
        kept(place, lambda: "half", broken_off)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    with pytest.raises(KeyboardInterrupt):
        kept(place, lambda: "half", broken_off, resume=True)
    kept(place, lambda: " done", lambda path, words: (path / "more").write_text(words), resume=True)
    assert (place / "words").read_text() + (place / "more").read_text() == "half done"


def _race(place: Path, barrier, results) -> None:
    def make() -> str:
        results.put("made")
        return "words"

    barrier.wait()
    kept(place, make, write)
    results.put((place / "words").read_text())


def test_of_processes_that_want_it_one_makes_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(4), context.SimpleQueue()
    racers = [context.Process(target=_race, args=(tmp_path / "thing", barrier, results)) for _ in range(4)]
    for racer in racers:
        racer.start()
    assert sorted(results.get() for _ in range(5)) == ["made", *["words"] * 4]
    for racer in racers:
        racer.join()


def test_a_drafted_folder_replaces_none_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with draft(tmp_path / "mine") as part:
        write(part, "new")
    with pytest.raises(OSError, match="not empty"), draft(tmp_path / "mine") as part:
        write(part, "newer")
    assert (tmp_path / "mine/words").read_text() == "new" and os.listdir(tmp_path) == ["mine"]


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"\x80\x04K\x01.", b"x" * 200])
def test_a_damaged_entry_is_made_again_which_one_line_says(tmp_path: Path, damage: bytes, caplog) -> None:
    place = tmp_path / "cache/three"

    def write_three(path: Path, three: np.ndarray) -> None:
        with path.open("wb") as file:
            np.save(file, three)

    make = partial(kept, place, lambda: np.arange(3), write_three)
    with caplog.at_level(logging.WARNING):
        assert renewed(place, make, read_array).tolist() == [0, 1, 2] and not caplog.text
        place.write_bytes(damage)
        assert renewed(place, make, read_array).tolist() == [0, 1, 2]
    (record,) = caplog.records
    assert f"{place} is damaged" in record.getMessage() and "made again" in record.getMessage()


def test_what_is_made_damaged_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "cache/bad"
    make = partial(kept, place, lambda: b"no array", Path.write_bytes)
    with pytest.raises(Damaged, match=f"{place} is damaged"):
        renewed(place, make, read_array)
