"""The annotations of COCO (Lin et al. 2014; captions: Chen et al. 2015) in their official JSON files: images,
captions, boxes. What is kept of them are plain arrays, small even for the whole data set.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from seq2scene.errors import UserError

ARCHIVE = "annotations_trainval2017.zip"


@dataclass(frozen=True)
class Images:
    """N images. ids: (N,) int64, ascending. sizes: (N, 2) int64 widths and heights in pixels. files: their
    names.
    """

    ids: np.ndarray
    sizes: np.ndarray
    files: list[str]


@dataclass(frozen=True)
class Captions:
    """What people said of images: of each the captions, in the order of the file, maybe none."""

    images: Images
    texts: list[list[str]]


@dataclass(frozen=True)
class Instances:
    """A objects in N images, those of an image adjacent and in the order of the file; crowds are left out.

    category_ids, names, supercategories: of the categories, in the order of the file. ids: (A,) int64.
    image, category: (A,) int64, places among ``images`` and ``names``. boxes: (A, 4) float64 left, top, width
    and height in pixels.
    """

    images: Images
    category_ids: tuple[int, ...]
    names: tuple[str, ...]
    supercategories: tuple[str, ...]
    ids: np.ndarray
    image: np.ndarray
    category: np.ndarray
    boxes: np.ndarray


def read_captions(path: Path, hint: str = "") -> Captions:
    """captions_NAME.json. Raises UserError, which ends with ``hint`` where there is no such file, if it is
    missing or no file of captions.
    """
    parts = read_parts(path, ("images", "annotations"), hint)
    images = _images(parts["images"], path)
    fields = _fields(parts["annotations"], ("image_id", "caption"), "annotations", path)
    texts: list[list[str]] = [[] for _ in images.files]
    rows = _places([image for image, _ in fields], images.ids, "annotations", "image_id", path)
    for entry, (row, (_, caption)) in enumerate(zip(rows.tolist(), fields, strict=True)):
        if not isinstance(caption, str):
            raise UserError(f'{path}: entry {entry} of "annotations": its caption is no text: {caption!r}')
        texts[row].append(caption.strip())
    return Captions(images, texts)


def read_instances(path: Path, hint: str = "") -> Instances:
    """instances_NAME.json. Raises UserError, which ends with ``hint`` where there is no such file, if it is
    missing or no file of objects.
    """
    parts = read_parts(path, ("images", "annotations", "categories"), hint)
    images = _images(parts["images"], path)
    categories = _fields(parts["categories"], ("id", "name"), "categories", path)
    category_ids = [number for number, _ in categories]
    ascending = np.argsort(_whole(category_ids, "categories", "id", path))

    fields = _fields(parts["annotations"], ("id", "image_id", "category_id", "bbox"), "annotations", path)
    ids, image, category, boxes = zip(*fields, strict=True) if fields else ([], [], [], [])
    rows = _places(image, images.ids, "annotations", "image_id", path)
    kinds = _places(category, np.asarray(category_ids)[ascending], "annotations", "category_id", path)
    crowd = np.asarray([bool(entry.get("iscrowd", 0)) for entry in parts["annotations"]], dtype=bool)
    order = np.argsort(rows, kind="stable")
    order = order[~crowd[order]]
    return Instances(
        images=images,
        category_ids=tuple(category_ids),
        names=tuple(name for _, name in categories),
        supercategories=tuple(str(entry.get("supercategory", "")) for entry in parts["categories"]),
        ids=_whole(ids, "annotations", "id", path)[order],
        image=rows[order],
        category=ascending[kinds][order],
        boxes=_boxes(boxes, ids, path)[order],
    )


def read_parts(
    path: Path, parts: Sequence[str], hint: str = "", drop: Sequence[str] = ("segmentation",)
) -> dict[str, list[dict[str, Any]]]:
    """The lists ``parts`` of an annotation file, the fields ``drop`` left out while it is parsed.

    Where there is no file ROOT/annotations/NAME.json it is read out of ROOT/annotations_trainval2017.zip.

    Raises:
        UserError: there is neither, or it is no JSON, or lacks one of the parts.
    """

    def without(entry: dict[str, Any]) -> dict[str, Any]:
        for name in drop:
            entry.pop(name, None)
        return entry

    try:
        found = json.loads(_bytes(path, hint), object_hook=without)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8; get the file again") from error
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}, line {error.lineno}, column {error.colno}: no JSON ({error.msg}); get the file again"
        ) from error
    for part in parts:
        if not isinstance(found, dict) or not isinstance(found.get(part), list):
            raise UserError(f'{path}: it has no list "{part}", as this file of COCO must have')
    return {part: found[part] for part in parts}


def _bytes(path: Path, hint: str) -> bytes:
    if path.is_file():
        return path.read_bytes()
    root = path.parent.parent
    archive = root / ARCHIVE
    if not archive.is_file():
        raise UserError(f"{path}: there is no such file{hint}")
    try:
        with ZipFile(archive) as packed:
            return packed.read(path.relative_to(root).as_posix())
    except KeyError:
        raise UserError(f"{path}: there is no such file, nor is it in {archive}{hint}") from None
    except (BadZipFile, OSError) as error:
        raise UserError(f"{archive}: a damaged archive ({error}); delete it and get it again") from error


def _images(entries: list[dict[str, Any]], path: Path) -> Images:
    fields = _fields(entries, ("id", "width", "height", "file_name"), "images", path)
    ids, widths, heights, files = zip(*fields, strict=True) if fields else ([], [], [], [])
    numbers = _whole(ids, "images", "id", path)
    sizes = np.stack([_whole(widths, "images", "width", path), _whole(heights, "images", "height", path)], 1)
    for entry in np.flatnonzero((sizes < 1).any(1))[:1]:
        raise UserError(
            f"{path}: image {ids[entry]} has {widths[entry]} x {heights[entry]} pixels; 1 x 1 is the least"
        )
    order = np.argsort(numbers, kind="stable")
    for entry in np.flatnonzero(np.diff(numbers[order]) == 0)[:1]:
        raise UserError(f"{path}: there are two images {numbers[order][entry]}; leave one out")
    return Images(numbers[order], sizes[order], [str(files[entry]) for entry in order])


def _fields(entries: list[Any], names: Sequence[str], part: str, path: Path) -> list[tuple]:
    """Of each entry the values of some of its fields."""
    try:
        return [tuple(entry[name] for name in names) for entry in entries]
    except (KeyError, TypeError):
        for number, entry in enumerate(entries):
            for name in names:
                if not isinstance(entry, dict) or name not in entry:
                    raise UserError(f'{path}: entry {number} of "{part}" has no {name}') from None
        raise


def _whole(values: Sequence[Any], part: str, field: str, path: Path) -> np.ndarray:
    """Whole numbers (N,) int64."""
    for number, value in enumerate(values):
        if not isinstance(value, int):
            raise UserError(f'{path}: entry {number} of "{part}": its {field} is no whole number: {value!r}')
    return np.asarray(values, dtype=np.int64)


def _places(ids: Sequence[Any], known: np.ndarray, part: str, field: str, path: Path) -> np.ndarray:
    """Where each id is among the ``known`` ones, which ascend."""
    wanted = _whole(ids, part, field, path)
    places = np.searchsorted(known, wanted)
    missing = np.append(known, -1)[places] != wanted
    for number in np.flatnonzero(missing)[:1]:
        raise UserError(f'{path}: entry {number} of "{part}": there is no such {field}: {wanted[number]}')
    return places


def _boxes(boxes: Sequence[Any], ids: Sequence[int], path: Path) -> np.ndarray:
    try:
        found = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        if len(found) == len(ids) and np.isfinite(found).all():
            return found
    except (ValueError, TypeError):
        pass
    for number, box in zip(ids, boxes, strict=True):
        good = isinstance(box, list) and len(box) == 4 and all(isinstance(v, int | float) for v in box)
        if not good or not np.isfinite(box).all():
            raise UserError(f"{path}: annotation {number}: bbox is left, top, width and height, not {box!r}")
    raise UserError(f"{path}: its boxes cannot be read; get the file again")
