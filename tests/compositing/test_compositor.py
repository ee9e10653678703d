"""Pictures of composites show what the network sees, at a higher resolution; photos lie as on a canvas."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as run_lengths

from seq2scene.compositing.compositor import Compositor, empty_canvas, relocated
from seq2scene.compositing.pasting import render
from seq2scene.compositing.patch_store import PatchStore
from seq2scene.compositing.store_building import store_patches
from seq2scene.data.coco import Images, License, Licenses
from seq2scene.data.coco_composite import lay_out
from seq2scene.data.coco_masks import Pieces, Tally
from seq2scene.errors import UserError
from seq2scene.models.scene_records import scene_records
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.scene_json import from_plain
from seq2scene.scenes.schema import LEAST, MOST, Head, Schema

NAMES, THINGS = ("dog", "ball", "sky", "grass"), 2
SIZES = ((64, 48), (40, 60))  # of the photos: width and height
# The objects of each photo: category, left, top, width, height. They cover the photo and overlap.
OBJECTS = (
    [(0, 10, 20, 20, 24), (1, 22, 30, 12, 12), (2, 0, 0, 64, 30), (3, 0, 24, 64, 24)],
    [(1, 4, 30, 30, 30), (2, 0, 0, 40, 60)],
)
SCHEMA = Schema(
    NAMES,
    Grid(32, 32, LEAST, LEAST, MOST, MOST),
    {"size": Head(17), "aspect": Head(17)},
    max_objects=11,
    sentences=1,
    canvas=(1.0, 1.0),
    things=THINGS,
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Waves of colours, which survive JPEG."""
    folder = tmp_path_factory.mktemp("photos")
    for number, (width, height) in enumerate(SIZES):
        y, x = np.mgrid[:height, :width]
        waves = [127 + 100 * np.sin((x * a + y * b) / 9 + number) for a, b in ((1, 0), (0, 1), (1, 1))]
        picture = np.stack(waves, axis=2).round().astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{number}.jpg", quality=100, subsampling=0)
    return folder


@pytest.fixture(scope="module")
def store(photos: Path, tmp_path_factory) -> PatchStore:
    flat = [(n, *found) for n, objects in enumerate(OBJECTS) for found in objects]
    image, category, *box = (np.array(values) for values in zip(*flat, strict=True))
    boxes = np.stack(box, axis=1)
    runs = []
    for (left, top, wide, high), (width, height) in zip(boxes, np.array(SIZES)[image], strict=True):
        mask = np.zeros((height, width), dtype=np.uint8, order="F")
        mask[top : top + high, left : left + wide] = 1
        runs.append(run_lengths.encode(mask)["counts"])
    numbers = np.arange(len(SIZES))
    segments = Pieces(
        images=Images(numbers, np.array(SIZES), [f"{number}.jpg" for number in numbers]),
        licenses=Licenses([4, None], {4: License("free", "https://free.example")}),
        image=image,
        category=category,
        boxes=boxes.astype(np.float64),
        areas=boxes[:, 2] * boxes[:, 3],
        runs=runs,
        ids=[f"{number:012}" for number in range(len(flat))],
        names=NAMES,
        things=THINGS,
        tally=Tally(),
    )
    paths = [photos / name for name in segments.images.files]
    return store_patches(segments, paths, tmp_path_factory.mktemp("cache"), side=32, photo_side=64)


@pytest.fixture
def truth(store: PatchStore) -> Objects:
    return lay_out(store, np.arange(len(SIZES)), {"size": 17, "aspect": 17})


def original(photos: Path, row: int) -> np.ndarray:
    with Image.open(photos / f"{row}.jpg") as photo:
        return np.asarray(photo).astype(int)


@pytest.mark.parametrize("row", [0, 1])
def test_all_patches_of_a_photo_in_their_places_are_the_photo(store, photos, truth, row: int) -> None:
    """Half a pixel to the left and up, the centres of COCO's boxes in Tan et al.'s code."""
    width, height = SIZES[row]
    side = max(width, height)
    shown = Compositor(store, photos, SCHEMA).steps(truth[row : row + 1], side)[-1].astype(int)
    photo = original(photos, row)
    between = (photo[1:, 1:] + photo[:-1, 1:] + photo[1:, :-1] + photo[:-1, :-1]) / 4
    assert np.abs(shown[side - height : -1, : width - 1] - between).max() <= 5
    empty = empty_canvas(side).permute(1, 2, 0).numpy()
    for free in (slice(None, max(side - height - 1, 0)), (slice(None), slice(width, None))):
        assert np.array_equal(shown[free], empty[free])


def test_each_step_is_the_scene_so_far(store, photos, truth) -> None:
    scene = SCHEMA.with_end(truth)[:1]
    steps = Compositor(store, photos, SCHEMA).steps(scene, 64)
    assert len(steps) == 5
    assert np.array_equal(steps[0], empty_canvas(64).permute(1, 2, 0).numpy())
    for count, step in enumerate(steps):
        assert np.array_equal(Compositor(store, photos, SCHEMA).steps(scene.cut(count), 64)[-1], step)


@pytest.mark.parametrize("edges", ["hard", "soft"])
@pytest.mark.parametrize("aspect", ["kept", "predicted"])
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 0, 3, 1]])
def test_things_cover_stuff_as_in_renderings(store, truth, edges, aspect, order) -> None:
    """In any order, stretched or not."""
    scene = truth[:1]._map(lambda values: values[:, order])
    scene = replace(scene, extents=scene.extents * torch.tensor([0.7, 1.2]))
    patches = store.patches(scene.patches.numpy())
    seen = render(scene.classes, SCHEMA.boxes(scene), patches, (48, 48), store.first_stuff, aspect, edges)
    expected = seen.pictures[0] + (1 - seen.masks[0]) * empty_canvas(48)
    shown = Compositor(store, None, SCHEMA, aspect, edges).steps(scene, 48)[-1]
    assert np.abs(shown - expected.permute(1, 2, 0).numpy()).max() <= 0.51  # rounded


@pytest.mark.parametrize("edges", ["hard", "soft"])
@pytest.mark.parametrize("from_photos", [True, False])
def test_renderings_of_a_batch_equal_the_last_steps(store, photos, truth, edges, from_photos) -> None:
    folder = photos if from_photos else None
    empty = truth[:1]._map(torch.zeros_like)
    scenes = replace(
        truth,
        classes=torch.cat([truth.classes, empty.classes]),
        places=torch.cat([truth.places, empty.places]),
        attributes={
            name: torch.cat([truth.attributes[name], empty.attributes[name]]) for name in SCHEMA.heads
        },
        extents=torch.cat([truth.extents * 0.8, empty.extents]),
        patches=torch.cat([truth.patches, empty.patches - 1]),
    )
    seen = Compositor(store, folder, SCHEMA, edges=edges).render(scenes, 48)
    for row in range(3):
        drawn = Compositor(store, folder, SCHEMA, edges=edges).steps(scenes[row : row + 1], 48)[-1]
        over = seen.pictures[row] + (1 - seen.masks[row]) * empty_canvas(48)
        assert np.abs(drawn - over.permute(1, 2, 0).numpy()).max() <= 0.51  # rounded
    shown = (seen.labels > 0).float().mean((1, 2))
    assert shown[0] > 0.3 and shown[1] > 0.3 and shown[2] == 0
    nothing = Compositor(store, folder, SCHEMA, edges=edges).render(scenes.cut(0), 48)
    assert nothing.masks.shape == (3, 1, 48, 48) and nothing.masks.sum() == 0


def test_small_patches_show_the_same_scene_less_sharply(store, photos, truth) -> None:
    sharp, small = (Compositor(store, folder, SCHEMA).steps(truth[:1], 128)[-1] for folder in (photos, None))
    assert 0 < np.abs(sharp.astype(int) - small).mean() < 10


def test_an_object_without_a_patch_shows_nothing(store, photos, truth) -> None:
    for folder in (photos, None):
        without = replace(truth[:1], patches=torch.full_like(truth.patches[:1], -1))
        first, *others = Compositor(store, folder, SCHEMA).steps(without, 40)
        assert len(others) == 4 and all(np.array_equal(first, other) for other in others)


def test_an_empty_scene_is_the_empty_canvas(store, photos, truth) -> None:
    (only,) = Compositor(store, photos, SCHEMA).steps(truth[:1].cut(0), 40)
    assert only.shape == (40, 40, 3)
    greys, counts = np.unique(only, return_counts=True)
    assert len(greys) == 2 and counts[0] == pytest.approx(counts[1], rel=0.2)


def test_a_patch_shown_small_has_the_mean_of_its_colours(store, photos, truth, tmp_path) -> None:
    """Not the values of some of its pixels, which would alias."""
    for number, (width, height) in enumerate(SIZES):
        stripes = np.zeros((height, width, 3), dtype=np.uint8)
        stripes[:, ::2] = 255
        Image.fromarray(stripes).save(tmp_path / f"{number}.jpg", quality=100, subsampling=0)
    scene = replace(truth[:1], extents=truth.extents[:1] / 8).cut(1)
    shown = Compositor(store, tmp_path, SCHEMA).steps(scene, 64)[-1]
    x, y = (64 * scene.places[0, 0]).int().tolist()
    assert 80 < shown[y, x].mean() < 180


def test_a_missing_photo_is_named(store, truth, tmp_path) -> None:
    with pytest.raises(UserError, match=r"0\.jpg does not exist"):
        Compositor(store, tmp_path, SCHEMA).steps(truth[:1], 40)
    with pytest.raises(UserError, match=r"1\.jpg does not exist"):
        Compositor(store, tmp_path, SCHEMA).photo(1, 40)


@pytest.mark.parametrize("row", [0, 1])
def test_the_true_photo_lies_at_the_bottom_on_the_left(store, photos, row: int) -> None:
    width, height = SIZES[row]
    side = max(width, height)
    exact, small = (
        Compositor(store, folder, SCHEMA).photo(row, side).astype(int) for folder in (photos, None)
    )
    assert np.array_equal(exact[side - height :, :width], original(photos, row))
    assert np.abs(small[side - height :, :width] - original(photos, row)).mean() < 10
    empty = empty_canvas(side).permute(1, 2, 0).numpy()
    for shown in (exact, small):
        assert np.array_equal(shown[: side - height], empty[: side - height])
        assert np.array_equal(shown[:, width:], empty[:, width:])
    on_black = Compositor(store, photos, SCHEMA).photo(row, side, torch.zeros(3, side, side))
    assert (on_black[: side - height] == 0).all() and (on_black[:, width:] == 0).all()
    assert np.array_equal(on_black[side - height :, :width], original(photos, row))


def test_a_folder_of_photos_that_is_gone_is_reported_once(store, photos, truth, tmp_path, capsys) -> None:
    gone = tmp_path / "gone"
    small = [Compositor.of_training(store, gone, SCHEMA).steps(truth, 40)[-1] for _ in range(2)]
    said = capsys.readouterr().err
    assert said.count(f"{gone}: the photos are gone") == 1 and "photos=FOLDER" in said
    assert np.array_equal(small[0], Compositor(store, None, SCHEMA).steps(truth, 40)[-1])
    assert Compositor.of_split(store, photos, SCHEMA) == Compositor(store, photos, SCHEMA)
    assert not capsys.readouterr().err


def test_stores_and_photos_that_moved_are_looked_for_in_their_new_folders(store, photos) -> None:
    old = {"patches": "/nowhere", "photos": "/nowhere", "features": 0}
    moved = relocated(old, str(store.folder), str(photos))
    assert moved == {"patches": str(store.folder), "photos": str(photos), "features": 0}
    assert relocated(moved, None, None, "soft") == moved
    with pytest.raises(UserError, match="/nowhere holds no patches"):
        relocated(old, None, str(photos))
    with pytest.raises(UserError, match=r"photos=/nowhere: there is no such folder"):
        relocated(moved, None, "/nowhere")
    with pytest.raises(UserError, match="edges=round is not a choice; choose one of hard, soft"):
        relocated(moved, None, None, "round")


def test_options_of_composites_are_refused_for_other_models() -> None:
    others = {"schema": {}}
    assert relocated(others, None, None, inpainter=None) == others
    with pytest.raises(UserError, match="inpainter: this model pastes no patches of photos; leave it out"):
        relocated(others, None, None, inpainter="RUN")


# Files


def test_files_hold_boxes_and_what_patches_are_credited_to(store, truth) -> None:
    first, second = scene_records(truth, SCHEMA, store)
    assert [one["class"] for one in first] == list(NAMES) and len(second) == 2
    for one, (_, _, _, width, height) in zip(first, OBJECTS[0], strict=True):
        assert (one["width"], one["height"]) == pytest.approx((width / 64, height / 64), abs=1e-4)
    free = {"name": "free", "url": "https://free.example"}
    assert first[1]["patch"] == {"photo": "0.jpg", "id": "000000000001", "license": free}
    assert second[1]["patch"] == {"photo": "1.jpg", "id": "000000000005", "license": None}
    assert store.credit(5) == second[1]["patch"]


def test_what_a_file_holds_is_read_back(store, truth) -> None:
    read = from_plain(scene_records(truth, SCHEMA, store), SCHEMA)
    assert torch.equal(read.classes, truth.classes)
    torch.testing.assert_close(read.places, truth.places, atol=1e-5, rtol=0)
    assert all(torch.equal(read.attributes[name], truth.attributes[name]) for name in SCHEMA.heads)


def test_written_boxes_are_those_of_their_size_and_aspect_with_or_without_a_patch(store, truth) -> None:
    written = replace(truth, extents=None)
    nameless = scene_records(replace(written, patches=None), SCHEMA)
    lost = scene_records(replace(written, patches=torch.full_like(truth.patches, -1)), SCHEMA, store)
    assert nameless == lost
    boxes = SCHEMA.boxes(written)
    for row, scene in enumerate(lost):
        for step, one in enumerate(scene):
            assert "patch" not in one
            found = [one[name] for name in ("x", "y", "width", "height")]
            assert found == pytest.approx(boxes[row, step].tolist(), abs=1e-5)
