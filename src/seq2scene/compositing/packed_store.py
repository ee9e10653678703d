"""A patch store to pass on: a few hundred kilobytes, from which the store is cut anew whenever it is opened.

A folder with ``segments.json.gz``, the segments of some of the store's photos, and these photos as JPEG files
in ``photos/``. Cutting takes a second for a hundred photos.
"""

import gzip
import weakref
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np

from seq2scene.arrays import undamaged
from seq2scene.compositing.patch_store import FACTS, PatchStore
from seq2scene.compositing.store_building import Segments, store_patches
from seq2scene.errors import UserError
from seq2scene.json_text import to_json
from seq2scene.scenes.images import open_photo
from seq2scene.scenes.objects import FIRST_CLASS
from seq2scene.sequences.lines import read_json

PACKED, PHOTOS = "segments.json.gz", "photos"
QUALITY = 70  # of the JPEG files


def holds_patches(folder: Path) -> bool:
    """Whether a folder is a patch store, packed or not."""
    return (folder / FACTS).is_file() or (folder / PACKED).is_file()


def open_patches(folder: Path) -> PatchStore:
    """The store in a folder. A packed one is cut into a temporary folder, which is deleted when nobody uses
    the store any more.

    Raises UserError if the folder holds none, or if a file is missing or damaged.
    """
    if not (folder / PACKED).is_file():
        return PatchStore.open(folder)
    segments, sides = _read(folder / PACKED)
    paths = [folder / PHOTOS / name for name in segments.images.files]
    place = TemporaryDirectory(prefix="seq2scene-")
    try:
        store = store_patches(segments, paths, place.name, None, *sides, what=None)
    except BaseException:
        place.cleanup()
        raise
    weakref.finalize(store, place.cleanup)
    return store


def pack(store: PatchStore, photos: Path, folder: Path, count: int) -> None:
    """Packs the first ``count`` photos of a store, which lie in the folder ``photos``, into a new ``folder``.

    Raises UserError if a photo is missing or damaged, or for a store with features of a classifier.
    """
    if store.features:
        raise UserError(f"{store.folder}: patches with features of a classifier cannot be packed")
    rows = np.unique(store.photo[store.classes > 0])[:count]
    patches = np.flatnonzero((store.classes > 0) & np.isin(store.photo, rows))
    sizes, files = store.sizes[rows], [str(name) for name in store.files[rows]]
    (folder / PHOTOS).mkdir(parents=True)
    for name in files:
        open_photo(photos / name).save(folder / PHOTOS / name, "JPEG", quality=QUALITY, optimize=True)
    image = np.searchsorted(rows, store.photo[patches])
    stated = {
        "names": store.names,
        "things": store.things,
        "sides": [store.side, store.photo_side],
        "ids": store.image_ids[rows].tolist(),
        "sizes": sizes.tolist(),
        "files": files,
        "licenses": [None if number < 0 else number for number in store.licenses[rows].tolist()],
        "terms": store.terms,
        "image": image.tolist(),
        "category": (store.classes[patches] - FIRST_CLASS).tolist(),
        "boxes": _in_pixels(store.boxes[patches], sizes[image]).round(2).tolist(),
        "runs": [store.run(number).decode("ascii") for number in patches.tolist()],
        "annotations": [str(name) for name in store.ids[patches]],
    }
    (folder / PACKED).write_bytes(gzip.compress(to_json(stated).encode(), mtime=0))


def _in_pixels(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The inverse of ``scenes.boxes.on_square``: (A, 4) left, top, width and height in the photo."""
    side = sizes.max(1, keepdims=True)
    centres, extents = np.split(boxes * side, 2, axis=1)
    centres[:, 1] -= side[:, 0] - sizes[:, 1]
    return np.concatenate([centres - (extents - 1) / 2, extents], axis=1)


def _read(path: Path) -> tuple[Segments, tuple[int, int]]:
    """The segments, and the sides of patches and of photos. Raises UserError if the file is damaged, or names
    a photo outside the folder.
    """
    stated: dict[str, Any] = read_json(path)
    with undamaged(path):
        for name in stated["files"]:
            if not name or name != Path(name).name:
                raise ValueError(f"{name[:80]} is no name of a file")
        terms = {int(number): tuple(named) for number, named in stated["terms"].items()}
        side, photo_side = stated["sides"]
        segments = SimpleNamespace(
            images=SimpleNamespace(
                ids=np.asarray(stated["ids"]), sizes=np.asarray(stated["sizes"]), files=stated["files"]
            ),
            licenses=SimpleNamespace(of_images=stated["licenses"], terms=terms),
            image=np.asarray(stated["image"]),
            category=np.asarray(stated["category"]),
            boxes=np.asarray(stated["boxes"], dtype=np.float64),
            runs=[run.encode("ascii") for run in stated["runs"]],
            ids=stated["annotations"],
            names=tuple(stated["names"]),
            things=stated["things"],
        )
        return segments, (side, photo_side)
