"""Readers of COCO's official annotation files (Lin et al. 2014; captions: Chen et al. 2015): images,
captions, boxes and masks, as plain arrays that are small even for the whole data set.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

import numpy as np

from seq2scene.data.archives import DAMAGE
from seq2scene.data.coco.entries import Entries
from seq2scene.errors import UserError
from seq2scene.scenes.boxes import within
from seq2scene.sequences.lines import parse_json
from seq2scene.unpacking import require_sizes

ARCHIVE = "annotations_trainval2017.zip"
OUTSIDE = "objects that have no box inside their image"
MOST_PIXELS = 2**31 - 1  # of an image; mask areas are 32-bit integers


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
    """The captions of each image, in the order of the file; there may be none. blank: (N,) int64, how many
    empty captions of each image are left out.
    """

    images: Images
    texts: list[list[str]]
    blank: np.ndarray


class License(NamedTuple):
    """Name and address of a licence; None if the file has none."""

    name: str | None
    url: str | None


@dataclass(frozen=True)
class Licenses:
    """of_images: the number of each image's licence, or None. terms: the licences by number, as far as the
    file lists them.
    """

    of_images: list[int | None]
    terms: dict[int, License]


@dataclass(frozen=True)
class Annotated:
    """A annotations in N images, those of an image adjacent and in the order of the file.

    category_ids, supercategories: of the categories, in the order of the file. ids: (A,) int64. image,
    category: (A,) int64, indices into ``images`` and the categories. crowds: (N,) int64, how many annotations
    of each image are left out as crowds.
    """

    images: Images
    category_ids: tuple[int, ...]
    supercategories: tuple[str, ...]
    ids: np.ndarray
    image: np.ndarray
    category: np.ndarray
    crowds: np.ndarray


@dataclass(frozen=True)
class Regions(Annotated):
    """segmentations: of each annotation as in the file, unchecked: polygons, each an array of x, y, x, y,
    ...; or run lengths, a dictionary of ``size`` and ``counts``, an array or compressed bytes.
    """

    segmentations: list[Any]


@dataclass(frozen=True)
class Instances(Regions):
    """Objects. names: of the categories, no two alike. boxes: (A, 4) float64 left, top, width and height in
    pixels, each at least partly ``within`` its image. outside: (N,) int64, how many objects of each image are
    left out because their box is outside. segmentations, licenses: read on request.
    """

    names: tuple[str, ...]
    boxes: np.ndarray
    outside: np.ndarray
    licenses: Licenses


@dataclass(frozen=True)
class PanopticSegments(Annotated):
    """Segments, each pixel belonging to one at most, by the maps that ``files`` names, None where there is
    none (Kirillov et al. 2019). ids: as in the map of an image, no two alike. is_thing: of the categories.
    """

    files: list[str | None]
    is_thing: tuple[bool, ...]


def read_captions(path: Path, hint: str = "") -> Captions:
    """Reads captions_NAME.json. Raises UserError if the file is missing (the message ends with ``hint``) or
    malformed.
    """
    parts = read_parts(path, ("images", "annotations"), hint)
    images = _images(parts["images"], path)
    said = Entries(parts["annotations"], "annotations", path)
    texts: list[list[str]] = [[] for _ in images.files]
    blank = np.zeros(len(texts), dtype=np.int64)
    rows = said.places("image_id", images.ids)
    for row, caption in zip(rows.tolist(), said.texts("caption", blank=True), strict=True):
        if caption.strip():
            texts[row].append(caption.strip())
        else:
            blank[row] += 1
    return Captions(images, texts, blank)


def left_out(found: Instances, chosen: np.ndarray) -> str:
    """Describes which objects of the ``chosen`` images (N,) bool are left out; empty if none are."""
    crowds, outside = int(found.crowds[chosen].sum()), int(found.outside[chosen].sum())
    told = [f"{crowds} crowds"] * (crowds > 0) + [f"{outside} {OUTSIDE}"] * (outside > 0)
    return " and ".join(told)


def read_instances(path: Path, hint: str = "", segmentations: bool = False) -> Instances:
    """Reads instances_NAME.json. segmentations: read these too, and the licences of images.

    Raises UserError if the file is missing (the message ends with ``hint``) or malformed.
    """
    shorten, more = (compact, ("licenses",)) if segmentations else (without_segmentation, ())
    parts = read_parts(path, ("images", "annotations", "categories"), hint, more, shorten)
    images, categories, objects = _images(parts["images"], path), *_entries(parts, path)
    image, crowd = objects.places("image_id", images.ids), objects.flags("iscrowd", False)
    boxes = objects.boxes("bbox")
    lies = within(boxes, images.sizes[image])
    order = _by_image(image, ~crowd & lies)
    return Instances(
        **_common(categories, objects, images, image, order, crowd),
        ids=objects.identities()[order],
        segmentations=[objects.entries[n].get("segmentation") for n in order] if segmentations else [],
        names=_names(categories),
        boxes=boxes[order],
        outside=np.bincount(image[~crowd & ~lies], minlength=len(images.ids)),
        licenses=_licenses(parts, images, path) if segmentations else Licenses([None] * len(images.ids), {}),
    )


def read_regions(path: Path, hint: str = "") -> Regions:
    """Reads stuff_NAME.json. Raises UserError as ``read_instances``."""
    parts = read_parts(path, ("images", "annotations", "categories"), hint, shorten=compact)
    images, categories, found = _images(parts["images"], path), *_entries(parts, path)
    image, crowd = found.places("image_id", images.ids), found.flags("iscrowd", False)
    order = _by_image(image, ~crowd)
    return Regions(
        **_common(categories, found, images, image, order, crowd),
        ids=found.identities()[order],
        segmentations=[found.entries[n].get("segmentation") for n in order],
    )


def read_panoptic(path: Path, hint: str = "") -> PanopticSegments:
    """panoptic_NAME.json. Raises UserError as ``read_instances``."""
    parts = read_parts(path, ("images", "annotations", "categories"), hint)
    images, categories, maps = _images(parts["images"], path), *_entries(parts, path)
    places, names = maps.places("image_id", images.ids), maps.texts("file_name")
    lists = maps.values("segments_info")
    files: list[str | None] = [None] * len(images.ids)
    for place, name, segments in zip(places.tolist(), names, lists, strict=True):
        if files[place] is not None or not isinstance(segments, list):
            what = "has a second map" if files[place] is not None else "has no list of segments_info"
            raise UserError(f"{path}: image {images.ids[place]} {what}")
        files[place] = name
    found = Entries([segment for segments in lists for segment in segments], "segments_info", path)
    image = np.repeat(places, [len(segments) for segments in lists])
    ids, crowd = found.whole("id"), found.flags("iscrowd", False)
    order = _by_image(image, ~crowd)
    for number in np.flatnonzero(_repeated(image, ids))[:1]:
        raise found.wrong(number, f"image {images.ids[image[number]]} has two segments of this id")
    return PanopticSegments(
        **_common(categories, found, images, image, order, crowd),
        ids=ids[order],
        files=files,
        is_thing=tuple(categories.flags("isthing").tolist()),
    )


def without_segmentation(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of a file without its mask, for ``read_parts``."""
    entry.pop("segmentation", None)
    return entry


def compact(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with its segmentation as in ``Instances``, which takes a quarter of the memory of lists of
    numbers; malformed ones stay as they are, to be refused with the annotation's id.
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


def read_parts(
    path: Path,
    parts: Sequence[str],
    hint: str = "",
    optional: Sequence[str] = (),
    shorten: Callable[[dict[str, Any]], dict[str, Any]] = without_segmentation,
) -> dict[str, list[dict[str, Any]]]:
    """The lists ``parts`` of an annotation file, and the ``optional`` ones, empty if it lacks them.
    ``shorten`` is applied to each entry, and to each JSON object in it, while the file is being parsed.

    A missing ROOT/annotations/NAME.json is read from ROOT/annotations_trainval2017.zip.

    Raises:
        UserError: there is neither, or it is not JSON, or lacks one of the parts.
    """
    found = parse_json(_bytes(path, hint), str(path), shorten)
    found = found if isinstance(found, dict) else {}
    found |= {part: [] for part in optional if found.get(part) is None}
    for part in (*parts, *optional):
        if not isinstance(found.get(part), list):
            raise UserError(f'{path}: it has no list "{part}", as this file of COCO must have')
    return {part: found[part] for part in (*parts, *optional)}


def _bytes(path: Path, hint: str) -> bytes:
    if path.is_file():
        try:
            return path.read_bytes()
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from None
    root = path.parent.parent
    archive = root / ARCHIVE
    if not archive.is_file():
        raise UserError(f"{path}: there is no such file{hint}")
    try:
        with ZipFile(archive) as packed:
            entry = packed.getinfo(path.relative_to(root).as_posix())
            require_sizes(archive, [entry])
            return packed.read(entry)
    except KeyError:
        raise UserError(f"{path}: there is no such file, nor is it in {archive}{hint}") from None
    except (*DAMAGE, OSError) as error:
        raise UserError(f"{archive}: a damaged archive ({error}); delete it and get it again") from error


def _images(entries: list[Any], path: Path) -> Images:
    found = Entries(entries, "images", path)
    ids, files = found.identities(), found.texts("file_name")
    sizes = np.stack([found.whole("width"), found.whole("height")], axis=1)
    bad = (sizes < 1).any(axis=1) | (sizes.prod(axis=1, dtype=np.float64) > MOST_PIXELS)
    for number in np.flatnonzero(bad)[:1]:
        width, height = sizes[number]
        raise found.wrong(number, f"{width} x {height} pixels; 1 x 1 is the least, {MOST_PIXELS:,} the most")
    order = np.argsort(ids)
    return Images(ids[order], sizes[order], [files[number] for number in order])


def _entries(parts: dict[str, list[Any]], path: Path) -> tuple[Entries, Entries]:
    """Categories and annotations."""
    return Entries(parts["categories"], "categories", path), Entries(
        parts["annotations"], "annotations", path
    )


def _names(categories: Entries) -> tuple[str, ...]:
    names = categories.texts("name")
    for name, count in Counter(names).items():
        if count > 1:
            raise UserError(f'{categories.path}: {count} categories are called "{name}"; rename all but one')
    return tuple(names)


def _common(
    categories: Entries,
    entries: Entries,
    images: Images,
    image: np.ndarray,
    order: np.ndarray,
    crowd: np.ndarray,
) -> dict[str, Any]:
    """The fields of ``Annotated`` of the ``entries`` in ``order``. image: the index of each entry's image."""
    ids = categories.identities()
    ascending = np.argsort(ids)
    category = ascending[entries.places("category_id", ids[ascending])]
    return {
        "images": images,
        "category_ids": tuple(ids.tolist()),
        "supercategories": tuple(categories.texts("supercategory", default="")),
        "image": image[order],
        "category": category[order],
        "crowds": np.bincount(image[crowd], minlength=len(images.ids)),
    }


def _by_image(image: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The indices of the entries to keep, image by image."""
    order = np.argsort(image, kind="stable")
    return order[kept[order]]


def _repeated(*columns: np.ndarray) -> np.ndarray:
    """Which rows (N,) repeat an earlier one."""
    rows = np.stack(columns, axis=1)
    _, first = np.unique(rows, axis=0, return_index=True)
    return ~np.isin(np.arange(len(rows)), first)


def _licenses(parts: dict[str, list[Any]], images: Images, path: Path) -> Licenses:
    known, told = (Entries(parts[part], part, path) for part in ("licenses", "images"))
    terms = [License(entry.get("name"), entry.get("url")) for entry in known.entries]
    saying = [entry for entry in told.entries if entry.get("license") not in (None, "")]
    saying = Entries(saying, "images", path)
    numbers = dict(zip(saying.whole("id").tolist(), saying.whole("license").tolist(), strict=True))
    of_images = [numbers.get(image) for image in images.ids.tolist()]
    return Licenses(of_images, dict(zip(known.identities().tolist(), terms, strict=True)))
