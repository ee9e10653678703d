"""The annotations of COCO (Lin et al. 2014; captions: Chen et al. 2015) in their official JSON files: images,
captions, boxes, masks. What is kept of them are plain arrays, small even for the whole data set.
"""

import json
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
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


class License(NamedTuple):
    """What a file says of one; None where it says nothing."""

    name: str | None
    url: str | None


@dataclass(frozen=True)
class Licenses:
    """of_images: of each of N images the number of its license, or None. terms: what the numbers stand for,
    as far as the file says.
    """

    of_images: list[int | None]
    terms: dict[int, License]


@dataclass(frozen=True)
class Instances:
    """A objects in N images, those of an image adjacent and in the order of the file; crowds are left out.

    category_ids, names, supercategories: of the categories, in the order of the file. ids: (A,) int64.
    image, category: (A,) int64, places among ``images`` and ``names``. boxes: (A, 4) float64 left, top, width
    and height in pixels. segmentations: where they were asked for, of each object what the file says, not yet
    checked: polygons, each an array of x, y, x, y, ...; or run lengths, a dictionary of their ``size`` and
    ``counts``, an array or compressed bytes.
    """

    images: Images
    category_ids: tuple[int, ...]
    names: tuple[str, ...]
    supercategories: tuple[str, ...]
    ids: np.ndarray
    image: np.ndarray
    category: np.ndarray
    boxes: np.ndarray
    licenses: Licenses
    segmentations: list[Any]


@dataclass(frozen=True)
class Segments:
    """A segments of N images, each pixel of which belongs to one at most, by the maps that ``files`` names
    (of an image without one None); those of an image adjacent; crowds are left out (Kirillov et al. 2019).

    category_ids, supercategories, is_thing: of the categories, in the order of the file. ids: (A,) int64, as
    in the map. image, category: (A,) int64, places among ``images`` and the categories.
    """

    images: Images
    files: list[str | None]
    category_ids: tuple[int, ...]
    supercategories: tuple[str, ...]
    is_thing: tuple[bool, ...]
    ids: np.ndarray
    image: np.ndarray
    category: np.ndarray


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


def read_instances(path: Path, hint: str = "", segmentations: bool = False) -> Instances:
    """instances_NAME.json or stuff_NAME.json. Raises UserError, which ends with ``hint`` where there is no
    such file, if it is missing or no file of objects.
    """
    shorten = compact if segmentations else without_segmentation
    parts = read_parts(path, ("images", "annotations", "categories"), hint, ("licenses",), shorten)
    images = _images(parts["images"], path)
    categories = _fields(parts["categories"], ("id", "name"), "categories", path)
    category_ids = [number for number, _ in categories]

    fields = _fields(parts["annotations"], ("id", "image_id", "category_id", "bbox"), "annotations", path)
    ids, image, category, boxes = zip(*fields, strict=True) if fields else ([], [], [], [])
    rows = _places(image, images.ids, "annotations", "image_id", path)
    kinds = _kinds(category, category_ids, "annotations", path)
    annotations = parts["annotations"]
    crowd = np.asarray([bool(entry.get("iscrowd", 0)) for entry in annotations], dtype=bool)
    order = np.argsort(rows, kind="stable")
    order = order[~crowd[order]]
    return Instances(
        images=images,
        category_ids=tuple(category_ids),
        names=tuple(name for _, name in categories),
        supercategories=_supercategories(parts["categories"]),
        ids=_whole(ids, "annotations", "id", path)[order],
        image=rows[order],
        category=kinds[order],
        boxes=_boxes(boxes, ids, path)[order],
        licenses=_licenses(parts, images, path),
        segmentations=[annotations[entry].get("segmentation") for entry in order] if segmentations else [],
    )


def read_segments(path: Path, hint: str = "") -> Segments:
    """panoptic_NAME.json. Raises UserError, which ends with ``hint`` where there is no such file, if it is
    missing or no file of segments.
    """
    parts = read_parts(path, ("images", "annotations", "categories"), hint)
    images = _images(parts["images"], path)
    categories = _fields(parts["categories"], ("id", "isthing"), "categories", path)
    category_ids = [number for number, _ in categories]

    maps = _fields(parts["annotations"], ("image_id", "file_name", "segments_info"), "annotations", path)
    rows = _places([image for image, _, _ in maps], images.ids, "annotations", "image_id", path)
    files: list[str | None] = [None] * len(images.ids)
    entries, owner = [], []
    for row, (image, file, segments) in zip(rows.tolist(), maps, strict=True):
        if files[row] is not None or not isinstance(segments, list):
            what = "has a second map" if files[row] is not None else "has no list of segments_info"
            raise UserError(f"{path}: image {image} {what}")
        files[row] = str(file)
        entries += segments
        owner += [row] * len(segments)
    fields = _fields(entries, ("id", "category_id"), "segments_info", path)
    ids, category = zip(*fields, strict=True) if fields else ([], [])
    image = np.asarray(owner, dtype=np.int64)
    crowd = np.asarray([bool(entry.get("iscrowd", 0)) for entry in entries], dtype=bool)
    order = np.argsort(image, kind="stable")
    order = order[~crowd[order]]
    return Segments(
        images=images,
        files=files,
        category_ids=tuple(category_ids),
        supercategories=_supercategories(parts["categories"]),
        is_thing=tuple(bool(thing) for _, thing in categories),
        ids=_whole(ids, "segments_info", "id", path)[order],
        image=image[order],
        category=_kinds(category, category_ids, "segments_info", path)[order],
    )


def without_segmentation(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of a file as ``read_parts`` keeps it where masks do not matter."""
    entry.pop("segmentation", None)
    return entry


def compact(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with its segmentation as ``Instances`` holds it, a quarter of what lists of numbers take; what
    is none stays as it is, for whoever knows the annotation to refuse.
    """
    counts, polygons = entry.get("counts"), entry.get("segmentation")
    with suppress(ValueError, TypeError, OverflowError):
        if isinstance(counts, str):
            entry["counts"] = counts.encode("ascii")
        elif isinstance(counts, list):
            entry["counts"] = array("q", counts)
        if isinstance(polygons, list):
            entry["segmentation"] = [array("d", polygon) for polygon in polygons]
    return entry


def inside(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Boxes in pixels (A, 4) left, top, width, height, moved into images of ``sizes`` (A, 2) at the left and
    the top and cut off at the right and the bottom, as Text2Scene does it: at least a pixel wide and high
    where they began inside, else without an extent or with a negative one.
    """
    first = np.maximum(boxes[:, :2], 0)
    last = np.minimum(sizes - 1, first + np.maximum(boxes[:, 2:] - 1, 0))
    return np.concatenate([first, last - first + 1], axis=1)


def read_parts(
    path: Path,
    parts: Sequence[str],
    hint: str = "",
    optional: Sequence[str] = (),
    shorten: Callable[[dict[str, Any]], dict[str, Any]] = without_segmentation,
) -> dict[str, list[dict[str, Any]]]:
    """The lists ``parts`` of an annotation file, and the ``optional`` ones, empty where it has none. Each
    entry, and each one in it, is kept as ``shorten`` returns it while the file is still being parsed.

    Where there is no file ROOT/annotations/NAME.json it is read out of ROOT/annotations_trainval2017.zip.

    Raises:
        UserError: there is neither, or it is no JSON, or lacks one of the parts.
    """
    try:
        found = json.loads(_bytes(path, hint).decode("utf-8-sig"), object_hook=shorten)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8; get the file again") from error
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}, line {error.lineno}, column {error.colno}: no JSON ({error.msg}); get the file again"
        ) from error
    found = ({part: [] for part in optional} | found) if isinstance(found, dict) else {}
    for part in (*parts, *optional):
        if not isinstance(found.get(part), list):
            raise UserError(f'{path}: it has no list "{part}", as this file of COCO must have')
    return {part: found[part] for part in (*parts, *optional)}


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


def _licenses(parts: dict[str, list[dict[str, Any]]], images: Images, path: Path) -> Licenses:
    numbers = {entry["id"]: entry.get("license") for entry in parts["images"]}
    for image, number in numbers.items():
        if not isinstance(number, int | None):
            raise UserError(f"{path}: image {image}: its license is no whole number: {number!r}")
    known = [number for (number,) in _fields(parts["licenses"], ("id",), "licenses", path)]
    terms = [License(entry.get("name"), entry.get("url")) for entry in parts["licenses"]]
    known = _whole(known, "licenses", "id", path).tolist()
    return Licenses([numbers[image] for image in images.ids.tolist()], dict(zip(known, terms, strict=True)))


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


def _kinds(ids: Sequence[Any], categories: Sequence[Any], part: str, path: Path) -> np.ndarray:
    """The place of each id among the ``categories``."""
    known = _whole(categories, "categories", "id", path)
    ascending = np.argsort(known)
    return ascending[_places(ids, known[ascending], part, "category_id", path)]


def _supercategories(categories: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(str(entry.get("supercategory", "")) for entry in categories)


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
