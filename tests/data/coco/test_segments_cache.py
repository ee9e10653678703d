"""Segments are read once and found again as they were; whatever changes is read anew."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from test_coco_segments import STUFF, images, rectangle, region, thing, write, write_panoptic

from seq2scene.data.coco.segments import Segments, read_segments
from seq2scene.data.coco.segments_cache import stored_segments
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.errors import UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two photos, one with a licence, things in both and stuff in one."""
    photos = images(3, 8)
    photos[1]["license"] = 4
    things = [thing(1, 18, 1, 1, 9, 9, image=3), thing(2, 3, 0, 20, 12, 9, image=8)]
    sky = [region(3, STUFF[1]["id"], rectangle(0, 0, 40, 9), image=8)]
    folder = tmp_path / "coco"
    folder.mkdir()
    return write(folder, things, sky, photos, licenses=[{"id": 4, "name": "BY", "url": None}])


def assert_same(ours: Segments, theirs: Segments) -> None:
    for name in ("image", "category", "boxes", "areas"):
        one, other = getattr(ours, name), getattr(theirs, name)
        assert one.dtype == other.dtype and np.array_equal(one, other)
    assert np.array_equal(ours.images.ids, theirs.images.ids)
    assert np.array_equal(ours.images.sizes, theirs.images.sizes)
    assert ours.images.files == theirs.images.files and ours.licenses == theirs.licenses
    assert (ours.runs, ours.ids, ours.names, ours.things) == (
        theirs.runs,
        theirs.ids,
        theirs.names,
        theirs.things,
    )
    assert ours.tally == theirs.tally


def stored(cache: Path) -> set[str]:
    return {file.name for file in (cache / "pieces").glob("*.npz")}


def test_what_comes_out_of_the_cache_is_what_was_read(root, tmp_path) -> None:
    first, again = (stored_segments(root, "tiny", tmp_path / "cache") for _ in range(2))
    assert_same(first, read_segments(root, "tiny"))
    assert_same(again, first)
    assert again.licenses.of_images == [None, 4] and again.licenses.terms[4].name == "BY"


def test_many_photos_come_out_of_the_cache_as_they_were(tmp_path) -> None:
    folder = ensure_photos(tmp_path, train=1, val=12)
    first, again = (stored_segments(folder, "val2017", tmp_path, crowded="cut") for _ in range(2))
    assert len(again.ids) > 30
    assert_same(first, again)


def test_what_is_known_is_not_read_again(root, tmp_path) -> None:
    """Not a byte of the annotations: others of the same size and time are not looked at."""
    first = stored_segments(root, "tiny", tmp_path)
    path = root / "annotations/instances_tiny.json"
    known = path.stat()
    path.write_text("#" * known.st_size)
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert_same(stored_segments(root, "tiny", tmp_path), first)


def test_like_annotations_of_two_folders_are_told_apart(root, tmp_path) -> None:
    """Of one name, one size and one time."""
    other = tmp_path / "other"
    shutil.copytree(root, other)
    for path in (root / "annotations").iterdir():
        twin = other / "annotations" / path.name
        twin.write_text(path.read_text().replace('"id": 18, "name": "dog"', '"id": 18, "name": "cow"'))
        for file in (path, twin):
            os.utime(file, ns=(0, 0))
        assert twin.stat().st_size == path.stat().st_size
    named = [stored_segments(folder, "tiny", tmp_path / "cache").names[0] for folder in (root, other)]
    assert named == ["dog", "cow"]


@pytest.mark.parametrize(
    "changed",
    [{"overlap": None}, {"min_thing": 0.02}, {"min_stuff": 0.01}, {"max_objects": 5}, {"crowded": "cut"}],
    ids=str,
)
def test_whatever_else_is_asked_for_is_read_for_itself(root, tmp_path, changed) -> None:
    stored_segments(root, "tiny", tmp_path)
    found = stored_segments(root, "tiny", tmp_path, **changed)
    assert len(stored(tmp_path)) == 2
    assert_same(found, read_segments(root, "tiny", **changed))


@pytest.mark.parametrize("kind", ["instances", "stuff"])
def test_annotations_that_change_are_read_again(root, tmp_path, kind) -> None:
    stored_segments(root, "tiny", tmp_path)
    path = root / f"annotations/{kind}_tiny.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "annotations": content["annotations"][1:]}))
    assert_same(stored_segments(root, "tiny", tmp_path), read_segments(root, "tiny"))
    assert len(stored(tmp_path)) == 2


def test_panoptic_maps_that_change_are_read_again(root, tmp_path) -> None:
    write_panoptic(root, "tiny")
    before = stored_segments(root, "tiny", tmp_path, "panoptic")
    (root / "annotations/panoptic_tiny/8.png").unlink()
    with pytest.raises(UserError, match=r"8\.png: there is no such file"):
        stored_segments(root, "tiny", tmp_path, "panoptic")
    write_panoptic(root, "tiny")
    assert_same(stored_segments(root, "tiny", tmp_path, "panoptic"), before)


def test_a_missing_file_is_named_although_its_segments_are_known(root, tmp_path) -> None:
    stored_segments(root, "tiny", tmp_path)
    (root / "annotations/stuff_tiny.json").unlink()
    with pytest.raises(UserError, match=r"stuff_tiny\.json: there is no such file; get it"):
        stored_segments(root, "tiny", tmp_path, hint="; get it")


def test_photos_of_which_nothing_is_left_are_refused_with_what_left_them_out(root, tmp_path) -> None:
    with pytest.raises(
        UserError, match=r"nothing is left of the 2 photos of tiny with .*data\.min_thing=0\.5.* 3 small"
    ):
        stored_segments(root, "tiny", tmp_path, min_thing=0.5, min_stuff=0.5)
    assert not stored(tmp_path)


def test_a_damaged_file_is_made_again_and_a_cache_that_cannot_be_written_is_named(
    root, tmp_path, caplog
) -> None:
    made = stored_segments(root, "tiny", tmp_path)
    (file,) = (tmp_path / "pieces").glob("*.npz")
    for damaged in (file.read_bytes()[:-100], b"", b"PK"):
        file.write_bytes(damaged)
        assert stored_segments(root, "tiny", tmp_path).ids == made.ids
        assert f"{file} is damaged" in caplog.text and "made again" in caplog.text
        caplog.clear()
    (tmp_path / "full").write_text("no folder")
    with pytest.raises(UserError, match=r"full/pieces cannot be written .*data\.cache"):
        stored_segments(root, "tiny", tmp_path / "full")
