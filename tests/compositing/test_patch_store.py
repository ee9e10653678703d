"""A store of patches is read by rows, returns masks as they were packed, and zeros for the number -1."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from seq2scene.compositing.pasting import paste
from seq2scene.compositing.patch_store import PatchStore, packed
from seq2scene.errors import UserError

OBJECTS, PHOTOS, SIDE, PHOTO_SIDE = 5, 3, 6, 7  # masks that fill no whole bytes


def contents(seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)

    def byte(*shape: int) -> np.ndarray:
        return draw.integers(1, 256, shape, dtype=np.uint8)

    return {
        "pictures": byte(OBJECTS, 3, SIDE, SIDE),
        "masks": draw.random((OBJECTS, SIDE, SIDE)) < 0.5,
        "labels": byte(OBJECTS, SIDE, SIDE),
        "features": draw.normal(size=(OBJECTS, 4)).astype(np.float16),
        "photo_pictures": byte(PHOTOS, 3, PHOTO_SIDE, PHOTO_SIDE),
        "photo_masks": draw.random((OBJECTS, PHOTO_SIDE, PHOTO_SIDE)) < 0.5,
        "classes": np.array([3, 4, 5, 0, 4]),
        "boxes": draw.random((OBJECTS, 4)).astype(np.float32),
        "ratios": np.float32([0.5, 1, 2, 1, 3]),
        "middles": np.float32([[3, 3, 3, 3]] * OBJECTS),
        "photo": np.array([0, 0, 1, 2, 2]),
        "ids": np.array(["000000000001", "000000000002_00001", "7", "8", "9"]),
        "runs": np.frombuffer(b"abcdefghi", dtype=np.uint8),
        "run_ends": np.array([0, 2, 2, 5, 8, 9]),
        "image_ids": np.array([7, 8, 139]),
        "files": np.array(["7.jpg", "8.jpg", "139.jpg"]),
        "sizes": np.array([[4, 5], [6, 7], [8, 9]]),
        "licenses": np.array([1, -1, 1]),
    }


def write(folder: Path, without: tuple[str, ...] = ()) -> Path:
    folder.mkdir()
    for name, values in contents().items():
        if name not in without:
            np.save(folder / f"{name}.npy", packed(values) if values.dtype == bool else values)
    facts = {"names": ["dog", "cat", "sky"], "things": 2, "side": SIDE, "photo_side": PHOTO_SIDE}
    facts |= {
        "features": "features" not in without,
        "terms": {"1": ["free", None]},
        "lacking": {"139.jpg": "?"},
    }
    (folder / "facts.json").write_text(json.dumps(facts))
    return folder


@pytest.fixture
def store(tmp_path: Path) -> PatchStore:
    return PatchStore.open(write(tmp_path / "store"))


def test_labelled_patches_are_the_rows_that_were_put_in(store: PatchStore) -> None:
    numbers, given = np.array([4, 0, 4, 2]), contents()
    patches = store.labelled_patches(numbers)
    assert (len(store), len(patches), store.features) == (OBJECTS, 4, 4)
    for name in ("pictures", "masks", "labels", "features"):
        assert torch.equal(getattr(patches, name), torch.from_numpy(given[name][numbers])), name
    assert patches.masks.dtype == torch.bool and patches.pictures.dtype == patches.labels.dtype == torch.uint8


def test_a_store_without_features_has_patches_without_them(tmp_path: Path) -> None:
    store = PatchStore.open(write(tmp_path / "store", without=("features",)))
    assert store.labelled_patches(np.array([1])).features is None and store.features == 0


def test_photos_come_with_masks_that_are_empty_for_minus_one(store: PatchStore) -> None:
    rows, numbers, given = np.array([2, 0]), np.array([[3, 4, -1], [1, -1, -1]]), contents()
    photos = store.photos(rows, numbers)
    assert torch.equal(photos.pictures, torch.from_numpy(given["photo_pictures"][rows]))
    expected = given["photo_masks"][numbers] & (numbers >= 0)[:, :, None, None]
    assert torch.equal(photos.masks, torch.from_numpy(expected)) and photos.masks.dtype == torch.bool


def test_patches_are_stretched_pictures_that_know_their_ratios(store: PatchStore) -> None:
    numbers, given = np.array([[2, 0], [4, -1]]), contents()
    patches = store.patches(numbers)
    there = numbers >= 0
    assert torch.equal(patches.pictures[there], torch.from_numpy(given["pictures"][numbers[there]]))
    assert torch.equal(patches.masks[there][:, 0], torch.from_numpy(given["masks"][numbers[there]]))
    assert patches.boxes.shape == (2, 2, 4) and patches.ratios[0].tolist() == [2, 0.5]
    assert not patches.masks[~there].any() and not patches.pictures[~there].any()
    colours, masks = paste(patches.flatten(), torch.full((4, 4), 0.5), (8, 8))
    assert colours.isfinite().all() and not masks[3].any() and masks[:3].any()


def test_facts_of_objects_and_photos(store: PatchStore) -> None:
    assert store.names == ("dog", "cat", "sky") and store.things == 2 and store.first_stuff == 5
    assert store.classes.tolist() == [3, 4, 5, 0, 4] and store.photo.tolist() == [0, 0, 1, 2, 2]
    assert store.ids[1] == "000000000002_00001" and store.files[2] == "139.jpg"
    assert [store.run(number) for number in range(OBJECTS)] == [b"ab", b"", b"cde", b"fgh", b"i"]
    assert store.terms[1] == ("free", None) and store.licenses.tolist() == [1, -1, 1]
    assert store.lacking == {"139.jpg": "?"}


def test_pickling_sends_the_folder_not_the_arrays(store: PatchStore) -> None:
    packet = pickle.dumps(store)
    assert len(packet) < 500
    again = pickle.loads(packet)
    assert torch.equal(
        again.labelled_patches(np.arange(5)).labels, store.labelled_patches(np.arange(5)).labels
    )


def test_an_unfinished_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere is no store of patches"):
        PatchStore.open(tmp_path / "nowhere")
