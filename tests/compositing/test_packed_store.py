"""A packed store is cut anew into the same patches, up to what JPEG loses."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_patch_cutting import PHOTO_SIDE, SIDE, SIZES, make_segments

from seq2scene.compositing.packed_store import PACKED, PHOTOS, holds_patches, open_patches, pack
from seq2scene.compositing.patch_store import PatchStore
from seq2scene.compositing.store_building import store_patches
from seq2scene.errors import UserError


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Smooth, so that JPEG keeps them."""
    folder = tmp_path_factory.mktemp("photos")
    for name, size in zip(make_segments().images.files, SIZES, strict=True):
        Image.linear_gradient("L").resize(size).convert("RGB").save(folder / name, quality=95)
    return folder


@pytest.fixture(scope="module")
def store(photos: Path, tmp_path_factory) -> PatchStore:
    segments = make_segments()
    paths = [photos / name for name in segments.images.files]
    return store_patches(segments, paths, tmp_path_factory.mktemp("cache"), None, SIDE, PHOTO_SIDE)


def test_it_has_the_patches_of_the_first_photos(store: PatchStore, photos: Path, tmp_path: Path) -> None:
    pack(store, photos, tmp_path / "packed", 3)
    assert holds_patches(tmp_path / "packed") and not holds_patches(photos)
    again = open_patches(tmp_path / "packed")
    some = np.flatnonzero(store.photo < 3)
    assert len(again) == len(some) < len(store)
    assert (again.names, again.things, again.terms) == (store.names, store.things, store.terms)
    for name in ("classes", "photo", "ids"):
        assert np.array_equal(getattr(again, name), getattr(store, name)[some])
    for name in ("boxes", "ratios"):
        np.testing.assert_allclose(getattr(again, name), getattr(store, name)[some], atol=1e-3)
    for name in ("image_ids", "files", "sizes", "licenses"):
        assert np.array_equal(getattr(again, name), getattr(store, name)[:3])
    ours, theirs = again.labelled_patches(np.arange(len(again))), store.labelled_patches(some)
    assert (ours.masks == theirs.masks).float().mean() > 0.98
    assert (ours.pictures.float() - theirs.pictures.float()).abs().mean() < 4
    assert again.credit(1) == store.credit(1)


def test_its_folder_is_gone_when_nobody_uses_it(store: PatchStore, photos: Path, tmp_path: Path) -> None:
    pack(store, photos, tmp_path / "packed", 2)
    again = open_patches(tmp_path / "packed")
    folder = again.folder
    assert folder.is_dir()
    del again
    assert not folder.exists()


def test_a_missing_photo_and_a_damaged_list_are_named(store, photos: Path, tmp_path: Path) -> None:
    pack(store, photos, tmp_path / "packed", 2)
    (tmp_path / "packed" / PHOTOS / str(store.files[1])).unlink()
    with pytest.raises(UserError, match=f"1 of 2 photos are not where .*{store.files[1]}"):
        open_patches(tmp_path / "packed")
    (tmp_path / "packed" / PACKED).write_bytes(gzip.compress(b"{}"))
    with pytest.raises(UserError, match=f"{PACKED} is damaged"):
        open_patches(tmp_path / "packed")


def test_what_a_stranger_may_state_of_it_is_checked(store, photos: Path, tmp_path: Path) -> None:
    """Among others run lengths that are not those of the photo, for which pycocotools writes past its memory,
    and boxes and sides that would take any memory.
    """
    pack(store, photos, tmp_path / "packed", 2)
    file = tmp_path / "packed" / PACKED
    content = gzip.decompress(file.read_bytes())
    run = json.loads(content)["runs"][0]
    faults = {
        "files": ["../a.jpg", "/etc/hostname", "a/b.jpg", "", 300 * "x"],
        "runs": [run[:-1], run + run, "0", ""],
        "boxes": [[0, 0, 1e6, 1e6], [-9, 0, 5, 5], [0, 0, 0, 1]],
        "sides": [2**40, 0],
        "sizes": [[2**20, 2**20], [0, 1]],
        "image": [2, 1, -1],
        "category": [-1, 10**6, 0.5],
        "ids": ["x"],
        "licenses": [0.5, "x"],
        "annotations": [1],
    }
    for name, value in ((name, value) for name, values in faults.items() for value in values):
        stated = json.loads(content)
        stated[name][0] = value
        file.write_bytes(gzip.compress(json.dumps(stated).encode(), 1))
        said = r"is no name of a file|the order of their photos|: its counts are no|" + name
        with pytest.raises(UserError, match=rf"{PACKED}.*({said})"):
            open_patches(tmp_path / "packed")
