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
from seq2scene.scenes.boxes import within
from seq2scene.scenes.images import LONGEST_NAME, open_photo
from seq2scene.scenes.objects import FIRST_CLASS
from seq2scene.scenes.run_lengths import checked_runs
from seq2scene.sequences.lines import read_json

PACKED, PHOTOS = "segments.json.gz", "photos"
QUALITY = 70  # of the JPEG files
MOST_PIXELS, MOST_SIDE = 2**15, 2**10  # of a side of a photo; of a patch, or of a photo's square


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
    a photo outside the folder: it may be a stranger's.
    """
    stated: dict[str, Any] = read_json(path)
    with undamaged(path):
        files, names, annotations, runs = (
            _texts(stated, name) for name in ("files", "names", "annotations", "runs")
        )
        for name in files:
            if not name or name != Path(name).name or len(name.encode()) > LONGEST_NAME:
                raise ValueError(f"{name[:80]} is no name of a file")
        photos, patches, things = len(files), len(annotations), stated["things"]
        sizes = _numbers(stated, "sizes", (photos, 2), 1, MOST_PIXELS)
        image = _numbers(stated, "image", (patches,), 0, photos - 1)
        boxes = np.asarray(stated["boxes"], dtype=np.float64)
        inside = boxes.shape == (patches, 4) and within(boxes, sizes[image]).all()
        if not inside or (boxes[:, :2] < -1).any() or (boxes[:, :2] + boxes[:, 2:] > sizes[image] + 1).any():
            raise ValueError("boxes are not all inside their photos")
        if len(runs) != patches or (np.diff(image) < 0).any():
            raise ValueError("patches are not in the order of their photos")
        if type(things) is not int or not 0 <= things <= len(names):
            raise ValueError(f"{things} things of {len(names)} names")
        side, photo_side = _numbers(stated, "sides", (2,), 1, MOST_SIDE).tolist()
        segments = SimpleNamespace(
            images=SimpleNamespace(
                ids=_numbers(stated, "ids", (photos,), 0, 2**63 - 1), sizes=sizes, files=files
            ),
            licenses=_licenses(stated, photos),
            image=image,
            category=_numbers(stated, "category", (patches,), 0, len(names) - 1),
            boxes=boxes,
            runs=[
                checked_runs({"size": [h, w], "counts": run.encode("ascii")}, w, h, f"{path}: runs")
                for run, (w, h) in zip(runs, sizes[image].tolist(), strict=True)
            ],
            ids=annotations,
            names=tuple(names),
            things=things,
        )
        return segments, (side, photo_side)


def _licenses(stated: dict[str, Any], photos: int) -> SimpleNamespace:
    of_images = stated["licenses"]
    known = [number for number in of_images if number is not None]
    _numbers({"licenses": [0, *known]}, "licenses", (1 + len(known),), 0, 2**63 - 1)
    if len(of_images) != photos:
        raise ValueError("there is not one of licenses for each photo")
    terms = {int(number): (name, url) for number, (name, url) in stated["terms"].items()}
    return SimpleNamespace(of_images=of_images, terms=terms)


def _texts(stated: dict[str, Any], name: str) -> list[str]:
    if not isinstance(stated[name], list) or not all(isinstance(one, str) for one in stated[name]):
        raise ValueError(f"{name} are no list of texts")
    return stated[name]


def _numbers(stated: dict[str, Any], name: str, shape: tuple[int, ...], least: int, most: int) -> np.ndarray:
    found = np.asarray(stated[name])
    if found.dtype != np.int64 or found.shape != shape or (found < least).any() or (found > most).any():
        raise ValueError(f"{name} are not {shape} whole numbers from {least} to {most}")
    return found
