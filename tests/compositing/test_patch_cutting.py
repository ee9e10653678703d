"""Stored patches equal a slow reference, however often the work was interrupted."""

import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from pycocotools import mask as run_lengths

from seq2scene.compositing import store_building
from seq2scene.compositing.pasting import overlaid, paste
from seq2scene.compositing.patch_cutting import full_patches, open_annotated
from seq2scene.compositing.patch_store import PatchStore
from seq2scene.compositing.store_building import store_patches
from seq2scene.data.coco.annotations import Images, License, Licenses
from seq2scene.data.coco.segments import Segments, Tally, mask_of, read_segments
from seq2scene.data.scenes.coco_layout import on_square
from seq2scene.errors import UserError
from seq2scene.nets.vision.image_encoder import ImageEncoder
from seq2scene.scenes.images import open_photo
from seq2scene.scenes.objects import FIRST_CLASS

SIDE, PHOTO_SIDE = 16, 20
NAMES, THINGS = ("dog", "cat", "sky", "grass"), 2
SIZES = ((40, 30), (24, 37), (31, 31), (50, 22), (33, 45))  # widths and heights
# Of each photo its objects: category, left, top, width, height.
OBJECTS = (
    [(0, 5, 6, 20, 16), (1, 0, 0, 11, 13), (2, 0, 0, 40, 21), (3, 0, 12, 40, 18)],
    [(1, 10.4, 20.7, 13.6, 16.3), (2, 2, 3, 18, 20)],
    [(0, 0, 0, 31, 31)],
    [(0, 30, 2, 20, 20), (0, 25, 3, 9, 14), (3, 0, 8, 30, 14)],
    [(1, 12, 30, 7, 8), (3, 0, 25, 33, 20)],
)


def make_segments() -> Segments:
    """Masks with holes inside their boxes."""
    draw = np.random.default_rng(0)
    flat = [(n, *found) for n, objects in enumerate(OBJECTS) for found in objects]
    image, category, *box = (np.array(values) for values in zip(*flat, strict=True))
    boxes = np.stack(box, axis=1).astype(np.float64)
    runs, areas = [], []
    for (left, top, wide, high), (width, height) in zip(boxes, np.array(SIZES)[image], strict=True):
        mask = np.zeros((height, width), dtype=np.uint8, order="F")
        rows, columns = slice(round(top), round(top + high)), slice(round(left), round(left + wide))
        mask[rows, columns] = draw.random(mask[rows, columns].shape) < 0.8
        runs.append(run_lengths.encode(mask)["counts"])
        areas.append(int(mask.sum()))
    numbers = np.arange(len(SIZES)) + 7
    return Segments(
        images=Images(numbers, np.array(SIZES), [f"{number:012}.jpg" for number in numbers]),
        licenses=Licenses([1, None, 4, 1, 1], {1: License("free", "https://free.example")}),
        image=image,
        category=category,
        boxes=boxes,
        areas=np.array(areas),
        runs=runs,
        ids=[f"{n:012}" + ("" if kind < THINGS else "_00001") for n, kind in enumerate(category)],
        names=NAMES,
        things=THINGS,
        tally=Tally(),
    )


@pytest.fixture(scope="module")
def segments() -> Segments:
    return make_segments()


@pytest.fixture
def photos(tmp_path: Path, segments: Segments) -> list[Path]:
    """Noise, no two photos alike."""
    folder, draw = tmp_path / "photos", np.random.default_rng(1)
    folder.mkdir()
    paths = [folder / name for name in segments.images.files]
    for path, (width, height) in zip(paths, SIZES, strict=True):
        noise = draw.integers(0, 256, (height // 3 + 1, width // 3 + 1, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).save(path, quality=95)
    return paths


@pytest.fixture(scope="module")
def encoder() -> ImageEncoder:
    return ImageEncoder("squeezenet1_1", "features.3", "none", 32)


def make(
    segments: Segments, photos: list[Path], folder: Path, encoder: ImageEncoder | None = None
) -> PatchStore:
    return store_patches(segments, photos, folder, encoder, SIDE, PHOTO_SIDE, what="train")


def masks_of(segments: Segments, photo: int) -> list[np.ndarray]:
    return [mask_of(segments, number) for number in np.flatnonzero(segments.image == photo)]


# References


def slow_window(image: np.ndarray, box: np.ndarray, beyond: int | np.ndarray = 0) -> np.ndarray:
    """Twice the box (left, top, width, height) around its centre: on each side half a window is copied, or as
    much as there is of the image.
    """
    left, top, wide, high = box
    centre_x, centre_y = int(left + (wide - 1) / 2), int(top + (high - 1) / 2)
    width, height = int(2 * wide), int(2 * high)
    window = np.empty((height, width, *image.shape[2:]), dtype=image.dtype)
    window[:] = beyond
    west, north = min(width // 2, centre_x), min(height // 2, centre_y)
    east = min(width - width // 2, image.shape[1] - centre_x)
    south = min(height - height // 2, image.shape[0] - centre_y)
    rows = slice(height // 2 - north, height // 2 + south)
    window[rows, width // 2 - west : width // 2 + east] = image[
        centre_y - north : centre_y + south, centre_x - west : centre_x + east
    ]
    return window


def on_its_square(image: np.ndarray) -> np.ndarray:
    """At the bottom on the left."""
    height, width = image.shape[:2]
    square = np.zeros((max(height, width), max(height, width), *image.shape[2:]), dtype=image.dtype)
    square[len(square) - height :, :width] = image
    return square


def smooth(image: np.ndarray, side: int) -> np.ndarray:
    resized = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(resized).transpose(2, 0, 1)


def nearest(image: np.ndarray, side: int) -> np.ndarray:
    made = np.empty((side, side), dtype=image.dtype)
    for row, column in np.ndindex(side, side):
        y, x = (
            (2 * at + 1) * pixels // (2 * side) for at, pixels in zip((row, column), image.shape, strict=True)
        )
        made[row, column] = image[y, x]
    return made


def painted(classes: np.ndarray, masks: list[np.ndarray]) -> np.ndarray:
    """In order: things over everything, stuff into free pixels."""
    labels = np.zeros(masks[0].shape, dtype=np.uint8)
    for number, mask in zip(classes, masks, strict=True):
        labels[mask & ((labels == 0) | (number < FIRST_CLASS + THINGS))] = number
    return labels


# Cutting


def test_patches_are_those_of_the_reference(tmp_path: Path, segments: Segments, photos: list[Path]) -> None:
    patches = make(segments, photos, tmp_path).labelled_patches(np.arange(len(segments.image)))
    for photo, path in enumerate(photos):
        picture, masks = np.asarray(open_photo(path)), masks_of(segments, photo)
        numbers = np.flatnonzero(segments.image == photo)
        labels = painted(segments.category[numbers] + FIRST_CLASS, masks)
        for number, mask in zip(numbers, masks, strict=True):
            box = segments.boxes[number]
            window = slow_window(picture, box)
            np.testing.assert_array_equal(patches.pictures[number], smooth(window, SIDE))
            np.testing.assert_array_equal(patches.masks[number], nearest(slow_window(mask, box), SIDE))
            np.testing.assert_array_equal(patches.labels[number], nearest(slow_window(labels, box), SIDE))
    assert patches.features is None and 0 < patches.masks.float().mean() < 1


def test_an_object_in_the_corner_lies_in_the_middle_of_a_window_that_is_black_around_the_photo(
    tmp_path: Path, segments: Segments, photos: list[Path]
) -> None:
    """8 x 8 pixels from (0, 0): centre 3, so that the window begins at -5."""
    runs = run_lengths.encode(np.asfortranarray(np.eye(30, 40, dtype=np.uint8)))["counts"]
    corner = replace(
        segments,
        images=Images(segments.images.ids[:1], segments.images.sizes[:1], segments.images.files[:1]),
        licenses=Licenses([None], {}),
        **{name: getattr(segments, name)[:1] for name in ("image", "category", "areas", "ids")},
        boxes=np.array([[0.0, 0, 8, 8]]),
        runs=[runs],
    )
    store = make(corner, photos[:1], tmp_path)
    patches, picture = store.labelled_patches(np.array([0])), np.asarray(open_photo(photos[0]))
    expected = np.zeros((16, 16, 3), dtype=np.uint8)
    expected[5:, 5:] = picture[:11, :11]
    np.testing.assert_array_equal(patches.pictures[0].permute(1, 2, 0), expected)
    assert torch.equal(patches.masks[0].nonzero(), torch.arange(5, 16).unsqueeze(1).expand(-1, 2))
    assert store.patches(np.array([0])).boxes.tolist() == [[9, 9, 8, 8]]


def test_photos_lie_on_their_squares_at_the_bottom_on_the_left(
    tmp_path: Path, segments: Segments, photos: list[Path]
) -> None:
    store = make(segments, photos, tmp_path)
    numbers = np.full((len(photos), 4), -1)
    for photo in range(len(photos)):
        own = np.flatnonzero(segments.image == photo)
        numbers[photo, : len(own)] = own
    made = store.photos(np.arange(len(photos)), numbers)
    for photo, path in enumerate(photos):
        square = on_its_square(np.asarray(open_photo(path)))
        np.testing.assert_array_equal(made.pictures[photo], smooth(square, PHOTO_SIDE))
        masks = masks_of(segments, photo)
        for step, mask in enumerate(masks):
            np.testing.assert_array_equal(made.masks[photo, step], nearest(on_its_square(mask), PHOTO_SIDE))
        assert not made.masks[photo, len(masks) :].any()


def test_labels_are_those_of_overlaid_masks(tmp_path: Path, segments: Segments, photos: list[Path]) -> None:
    """For each patch of the first photo: the masks of all its objects in that window, overlaid."""
    store = make(segments, photos, tmp_path)
    masks, labels = np.stack(masks_of(segments, 0)), store.labelled_patches(np.arange(4)).labels
    classes = torch.from_numpy(store.classes[:4]).unsqueeze(0)
    for number in range(4):
        seen = np.stack([nearest(slow_window(mask, segments.boxes[number]), SIDE) for mask in masks])
        layers = torch.from_numpy(seen).float().view(1, 4, 1, SIDE, SIDE)
        made = overlaid(classes, layers.expand(-1, -1, 3, -1, -1), layers, store.first_stuff)
        assert torch.equal(made.labels[0], labels[number].long())
    assert set(labels.unique().tolist()) == {0, 3, 4, 5, 6}


def test_the_facts_are_those_of_the_annotations(
    tmp_path: Path, segments: Segments, photos: list[Path]
) -> None:
    store = make(segments, photos, tmp_path)
    assert store.classes.tolist() == (segments.category + FIRST_CLASS).tolist()
    np.testing.assert_array_equal(
        store.boxes, on_square(segments.boxes, segments.images.sizes[segments.image])
    )
    assert store.photo.tolist() == segments.image.tolist() and store.ids.tolist() == segments.ids
    assert store.files.tolist() == segments.images.files and store.sizes.tolist() == list(map(list, SIZES))
    assert [store.run(number) for number in range(len(store))] == segments.runs
    assert store.licenses.tolist() == [1, -1, 4, 1, 1] and store.terms == {
        1: ("free", "https://free.example")
    }
    assert store.names == NAMES and store.things == THINGS and store.lacking == {}


def test_features_are_what_the_encoder_makes_of_larger_windows_with_the_mean_colour_around(
    tmp_path: Path, segments: Segments, photos: list[Path], encoder: ImageEncoder
) -> None:
    store = make(segments, photos, tmp_path, encoder)
    mean, windows = np.array([124, 116, 104], dtype=np.uint8), []
    for number, photo in enumerate(segments.image):
        window = slow_window(np.asarray(open_photo(photos[photo])), segments.boxes[number], mean)
        windows.append(torch.from_numpy(smooth(window, 32).copy()))
    expected = encoder(torch.stack(windows)).mean((2, 3))
    features = store.labelled_patches(np.arange(len(store))).features
    assert features.dtype == torch.float16 and store.features == encoder.output_size
    torch.testing.assert_close(features.float(), expected, atol=1e-3, rtol=2e-3)


# At full resolution


def test_a_full_patch_in_its_own_place_is_the_photo(
    tmp_path: Path, segments: Segments, photos: list[Path]
) -> None:
    store = make(segments, photos, tmp_path)
    numbers = np.array([5, -1, *range(len(segments.image))])
    patches = full_patches(store, numbers, photos[0].parent)
    assert not patches.masks[1].any() and patches.pictures.dtype == torch.uint8
    for n, number in enumerate(numbers):
        if number < 0:
            continue
        photo = segments.image[number]
        square, side = on_its_square(np.asarray(open_photo(photos[photo]))), max(SIZES[photo])
        one = replace(patches, **{name: values[n : n + 1] for name, values in vars(patches).items()})
        box = torch.from_numpy(store.boxes[number : number + 1])
        box = box + torch.tensor([0.5, 0.5, 0, 0]) / side  # boxes count pixels by their centres
        colours, masks = paste(one, box, (side, side))
        mask = on_its_square(mask_of(segments, number))
        np.testing.assert_array_equal(masks[0, 0].bool(), mask)
        np.testing.assert_allclose(colours[0].permute(1, 2, 0)[mask], square[mask], atol=0.02)


@pytest.mark.parametrize("longest", [1, 9, 14, 20])
def test_full_patches_keep_to_the_length_limit_and_still_land_in_place(
    tmp_path: Path, segments: Segments, photos: list[Path], longest: int
) -> None:
    store = make(segments, photos, tmp_path)
    patches = full_patches(store, np.array([4, 6, 7]), photos[0].parent, longest)
    assert max(patches.pictures.shape[2:]) <= max(longest, 7)
    if longest < 14:
        return
    for n, number in enumerate((4, 6, 7)):
        one = replace(patches, **{name: values[n : n + 1] for name, values in vars(patches).items()})
        _, masks = paste(one, torch.from_numpy(store.boxes[number : number + 1]), (64, 64))
        across, down = (masks[0, 0].any(axis).nonzero() for axis in (0, 1))
        x, y, width, height = (64 * store.boxes[number]).tolist()
        assert across.max() + 1 - across.min() == pytest.approx(width, abs=6)
        assert down.max() + 1 - down.min() == pytest.approx(height, abs=6)
        assert across.float().mean().item() == pytest.approx(x, abs=3)
        assert down.float().mean().item() == pytest.approx(y, abs=3)


def test_stored_patches_land_where_full_ones_do(
    tmp_path: Path, segments: Segments, photos: list[Path]
) -> None:
    store = store_patches(segments, photos, tmp_path, side=64)
    numbers = np.arange(len(store))
    boxes = torch.from_numpy(store.boxes)
    stored = paste(store.patches(numbers), boxes, (64, 64))[1] > 0
    full = paste(full_patches(store, numbers, photos[0].parent), boxes, (64, 64))[1] > 0
    either, both = (stored | full).flatten(1).sum(1), (stored & full).flatten(1).sum(1)
    assert (both / either > 0.75).all() and (both / either).mean() > 0.85


def test_full_patches_of_a_missing_photo_name_it(
    tmp_path: Path, segments: Segments, photos: list[Path]
) -> None:
    store = make(segments, photos, tmp_path)
    photos[1].unlink()
    assert full_patches(store, np.array([0]), photos[0].parent).masks.any()
    with pytest.raises(UserError, match=f"{photos[1].name} does not exist"):
        full_patches(store, np.array([0, 4]), photos[0].parent)


# Interrupted work and unusable photos


def content(store: PatchStore) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in store.folder.iterdir()}


def breaking_off(at: int, work: Callable, error: type[BaseException]) -> Callable:
    """``work``, whose ``at``-th call fails."""
    calls = iter(range(at))

    def broken(*given: object) -> object:
        if next(calls, None) is None:
            raise error
        return work(*given)

    return broken


def recording(opened: list[Path]) -> Callable:
    """``open_annotated``, listing the photos that it opens."""
    return lambda path, size: opened.append(path) or open_annotated(path, size)


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("open_annotated", 0),
        ("open_annotated", 1),
        ("open_annotated", 3),
        ("_record", 0),
        ("_record", 2),
        ("_finish", 0),
    ],
)
def test_work_interrupted_at_any_moment_resumes_to_the_same_bytes(
    tmp_path: Path,
    segments: Segments,
    photos: list[Path],
    encoder: ImageEncoder,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    at: int,
) -> None:
    monkeypatch.setattr(store_building, "CHUNK", 2)
    photos[2].write_bytes(b"no photo")
    whole = content(make(segments, photos, tmp_path / "whole", encoder))
    work = getattr(store_building, name)
    monkeypatch.setattr(store_building, name, breaking_off(at, work, KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        make(segments, photos, tmp_path / "broken", encoder)
    opened: list[Path] = []
    monkeypatch.setattr(store_building, name, work)
    monkeypatch.setattr(store_building, "open_annotated", recording(opened))
    store = make(segments, photos, tmp_path / "broken", encoder)
    assert content(store) == whole
    if name == "_finish":
        assert not opened
    assert not list((tmp_path / "broken").rglob("*.draft"))


def test_finished_photos_are_not_cut_again(
    tmp_path: Path, segments: Segments, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_building, "CHUNK", 2)
    monkeypatch.setattr(store_building, "_record", breaking_off(3, store_building._record, KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        make(segments, photos, tmp_path)
    monkeypatch.undo()
    opened: list[Path] = []
    monkeypatch.setattr(store_building, "open_annotated", recording(opened))
    store = make(segments, photos, tmp_path)
    assert sorted(opened) == photos[4:]
    make(segments, photos, tmp_path)
    assert len(opened) == 1 and len(store) == len(segments.image)


def test_a_torn_record_starts_anew(
    tmp_path: Path, segments: Segments, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_building, "_finish", breaking_off(0, store_building._finish, KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        make(segments, photos, tmp_path)
    monkeypatch.undo()
    (record,) = tmp_path.rglob("progress.json")
    record.write_bytes(b'{"done"')
    assert content(make(segments, photos, tmp_path)) == content(make(segments, photos, tmp_path / "whole"))


@pytest.mark.parametrize("damage", ["cut", "turned", "rotated by EXIF", "cropped"])
def test_an_unusable_photo_is_left_out_with_its_patches_and_a_warning(
    tmp_path: Path, segments: Segments, photos: list[Path], damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = make(segments, photos, tmp_path)
    if damage == "cut":
        photos[1].write_bytes(photos[1].read_bytes()[:200])
    elif damage == "turned":
        open_photo(photos[1]).rotate(90, expand=True).save(photos[1])
    elif damage == "cropped":
        open_photo(photos[1]).crop((0, 0, 23, 37)).save(photos[1])
    else:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        open_photo(photos[1]).save(photos[1], exif=exif)
    with caplog.at_level(logging.WARNING):
        store = make(segments, photos, tmp_path)
    (warning,) = (record.getMessage() for record in caplog.records)
    assert warning.startswith("train: 1 of 5 photos, and the 2 patches in them, are left out: ")
    assert photos[1].name in warning and list(store.lacking) == [photos[1].name]
    wrong = {"turned": (37, 24), "rotated by EXIF": (37, 24), "cropped": (23, 37)}.get(damage)
    assert wrong is None or "{} x {} pixels, not 24 x 37 as annotated".format(*wrong) in warning
    swapped = (
        "annotated: swapped, as by the rotation in EXIF data; save it upright (mogrify -auto-orient), check"
    )
    assert (swapped in warning) == (wrong == (37, 24))
    there = segments.image != 1
    assert (store.classes[there] == good.classes[there]).all() and not store.classes[~there].any()
    every = np.arange(len(store))
    for name in ("pictures", "masks", "labels"):
        made, expected = (
            getattr(store.labelled_patches(every), name),
            getattr(good.labelled_patches(every), name),
        )
        assert torch.equal(made[there], expected[there]) and not made[~there].any()


def test_missing_photos_are_refused_before_any_work(
    tmp_path: Path, segments: Segments, photos: list[Path]
) -> None:
    for path in photos[1:4]:
        path.unlink()
    names = ", ".join(path.name for path in photos[1:4])
    with pytest.raises(UserError, match=f"3 of 5 photos are not .* in {photos[0].parent}: {names}; get them"):
        store_patches(segments, photos, tmp_path / "cache", hint="; get them")
    assert not (tmp_path / "cache").exists()


def test_a_store_of_nothing_is_refused(tmp_path: Path, segments: Segments, photos: list[Path]) -> None:
    for path in photos:
        path.write_bytes(b"no photo")
    for _ in range(2):
        with pytest.raises(UserError, match="none of the 5 photos can be used"):
            make(segments, photos, tmp_path)
    none = {
        name: getattr(segments, name)[:0] for name in ("image", "category", "boxes", "areas", "runs", "ids")
    }
    with pytest.raises(UserError, match="nothing to cut out"):
        make(replace(segments, **none), photos, tmp_path)


def test_a_full_disk_is_noticed_before_any_work(
    tmp_path: Path, segments: Segments, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(store_building.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match=r"take 0.0 GB, and .*patches has 0.0 GB left"):
        make(segments, photos, tmp_path)


def test_any_change_makes_a_new_store(
    tmp_path: Path, segments: Segments, photos: list[Path], encoder: ImageEncoder
) -> None:
    first = make(segments, photos, tmp_path)
    moved = replace(segments, boxes=segments.boxes + 0.25)
    folders = {
        first.folder,
        make(moved, photos, tmp_path).folder,
        make(segments, photos, tmp_path, encoder).folder,
    }
    folders.add(store_patches(segments, photos, tmp_path, side=8, photo_side=PHOTO_SIDE).folder)
    os.utime(photos[0], (0, 0))
    folders.add(make(segments, photos, tmp_path).folder)
    shutil.copytree(photos[0].parent, tmp_path / "twin")  # like photos, times and all, elsewhere
    folders.add(make(segments, [tmp_path / "twin" / photo.name for photo in photos], tmp_path).folder)
    assert len(folders) == 6


def test_real_photos_keep_the_shares_of_their_masks(tmp_path: Path, shared_data: Path) -> None:
    root = shared_data / "coco_composite"
    if not root.is_dir():
        pytest.skip("coco_composite is not at hand")
    ids = [int(path.stem) for path in sorted((root / "images/val2017").iterdir())[:8]]
    segments = read_segments(root, "val2017", only=ids, max_objects=None)
    store = store_patches(
        segments, [root / "images/val2017" / name for name in segments.images.files], tmp_path
    )
    numbers = np.arange(len(store))
    masks = store.photos(np.zeros(len(store), np.int64), numbers[:, None]).masks
    shares = segments.areas / segments.images.sizes[segments.image].max(1) ** 2
    np.testing.assert_allclose(masks.float().mean((1, 2, 3)).numpy(), shares, atol=0.01)
    patches = store.labelled_patches(numbers)
    middle = patches.masks[:, 14:50, 14:50].flatten(1).sum(1) / patches.masks.flatten(1).sum(1)
    assert (middle > 0.99).all()  # the box is the middle half
    own = patches.labels == torch.from_numpy(store.classes).view(-1, 1, 1)
    assert ((own & patches.masks).flatten(1).sum(1) / patches.masks.flatten(1).sum(1)).mean() > 0.8
