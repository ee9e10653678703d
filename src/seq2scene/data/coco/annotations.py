"""Readers of COCO's official annotation files (Lin et al. 2014; captions: Chen et al. 2015), and of boxes and
masks that annotation tools export in this format: images, captions, boxes and masks, as plain arrays that are
small even for the whole data set.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Self
from zipfile import ZipFile

import numpy as np

from seq2scene.data.archives import DAMAGE
from seq2scene.data.coco.entries import Entries, is_text, sized_images
from seq2scene.errors import UserError
from seq2scene.scenes.boxes import clipped, within
from seq2scene.sequences.lines import parse_json
from seq2scene.unpacking import require_sizes

ARCHIVE = "annotations_trainval2017.zip"
OUTSIDE = "objects that have no box inside their image"
MOST_PIXELS = 2**31 - 1  # of an image; mask areas are 32-bit integers


@dataclass(frozen=True)
class Images:
    """N images. ids: (N,) int64, ascending. sizes: (N, 2) int64 widths and heights in pixels. files: their
    names. originals: their names before an annotation tool renamed them, "" where it does not record them.
    """

    ids: np.ndarray
    sizes: np.ndarray
    files: list[str]
    originals: list[str] = field(default_factory=list)


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

    def take(self, order: np.ndarray) -> Self:
        """Only the annotations ``order`` (any,)."""
        return replace(self, ids=self.ids[order], image=self.image[order], category=self.category[order])


@dataclass(frozen=True)
class Regions(Annotated):
    """segmentations: of each annotation as in the file, unchecked: polygons, each an array of x, y, x, y,
    ...; or run lengths, a dictionary of ``size`` and ``counts``, an array or compressed bytes.
    """

    segmentations: list[Any]


@dataclass(frozen=True)
class Classes:
    """The classes that are read of an annotation tool's export. names: these, in this order; None: those with
    ``least`` objects or more, in the order of the file.
    """

    names: tuple[str, ...] | None = None
    least: int = 1


@dataclass(frozen=True)
class Instances(Regions):
    """Objects. names: of the categories, no two alike. boxes: (A, 4) float64 left, top, width and height in
    pixels, each at least partly ``within`` its image. outside: (N,) int64, how many objects of each image are
    left out because their box is outside. segmentations, licenses: read on request.

    Of an export, clipped: how many boxes reached a pixel or more beyond their image; others: how many objects
    each class has that is not among its ``Classes``; unsized: the files of images that are left out, as they
    have neither a size nor annotations.
    """

    names: tuple[str, ...]
    boxes: np.ndarray
    outside: np.ndarray
    licenses: Licenses
    clipped: int = 0
    others: dict[str, int] = field(default_factory=dict)
    unsized: list[str] = field(default_factory=list)


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
    captions = Entries(parts["annotations"], "annotations", path)
    texts: list[list[str]] = [[] for _ in images.files]
    blank = np.zeros(len(texts), dtype=np.int64)
    rows = captions.indices("image_id", images.ids)
    for row, caption in zip(rows.tolist(), captions.texts("caption", blank=True), strict=True):
        if caption.strip():
            texts[row].append(caption.strip())
        else:
            blank[row] += 1
    return Captions(images, texts, blank)


def left_out(found: Instances, chosen: np.ndarray) -> str:
    """Describes which objects of the ``chosen`` images (N,) bool are left out; empty if none are."""
    crowds, outside = int(found.crowds[chosen].sum()), int(found.outside[chosen].sum())
    counts = (crowds, "crowds"), (outside, OUTSIDE)
    return " and ".join(f"{count} {what}" for count, what in counts if count)


def read_instances(
    path: Path, hint: str = "", segmentations: bool = False, exported: Classes | None = None
) -> Instances:
    """Reads instances_NAME.json. segmentations: read these too, and the licences of images.

    exported: the file is the export of an annotation tool, of which these classes are read. Its crowds are
    objects like any others, as tools mark masks that are not polygons as crowds, a missing segmentation is an
    empty one, boxes are clipped to their image, and images without a size must have no annotations.

    Raises UserError if the file is missing (the message ends with ``hint``) or malformed.
    """
    shorten, besides = (compact, ("licenses",)) if segmentations else (without_segmentation, ())
    parts = read_parts(path, ("images", "annotations", "categories"), hint, besides, shorten)
    unsized = list[str]()
    if exported is not None:
        parts["images"], unsized = sized_images(parts, path)
    images, categories, objects = _images(parts["images"], path), *_entries(parts, path)
    image, crowd = objects.indices("image_id", images.ids), objects.flags("iscrowd", False)
    crowd &= exported is None
    boxes, sizes = objects.boxes("bbox"), images.sizes[image]
    lies = within(boxes, sizes)
    kept = ~crowd & lies
    found = _annotated(categories, objects, objects.identities(), images, image, crowd)
    beyond, others = np.zeros(len(boxes), dtype=bool), dict[str, int]()
    if exported is None:
        names = _names(categories)
    else:
        beyond = ((boxes[:, :2] <= -1) | (boxes[:, :2] + boxes[:, 2:] >= sizes + 1)).any(axis=1)
        boxes[lies] = clipped(boxes[lies], sizes[lies])
        counts = np.bincount(found.category[kept], minlength=len(categories))
        numbers, names, others = _classes_of(categories, counts, exported)
        found = _renumbered(found, numbers, len(names))
        kept &= found.category >= 0
    order = _by_image(image, kept)
    masks = [objects.entries[n].get("segmentation") for n in order] if segmentations else []
    return Instances(
        **vars(found.take(order)),
        segmentations=masks if exported is None else [mask or [] for mask in masks],
        names=names,
        boxes=boxes[order],
        outside=np.bincount(image[~crowd & ~lies], minlength=len(images.ids)),
        licenses=_licenses(parts, images, path) if segmentations else Licenses([None] * len(images.ids), {}),
        clipped=int((beyond & kept).sum()),
        others=others,
        unsized=unsized,
    )


def read_regions(path: Path, hint: str = "") -> Regions:
    """Reads stuff_NAME.json. Raises UserError as ``read_instances``."""
    parts = read_parts(path, ("images", "annotations", "categories"), hint, shorten=compact)
    images, categories, found = _images(parts["images"], path), *_entries(parts, path)
    image, crowd = found.indices("image_id", images.ids), found.flags("iscrowd", False)
    order = _by_image(image, ~crowd)
    return Regions(
        **vars(_annotated(categories, found, found.identities(), images, image, crowd).take(order)),
        segmentations=[found.entries[n].get("segmentation") for n in order],
    )


def read_panoptic(path: Path, hint: str = "") -> PanopticSegments:
    """panoptic_NAME.json. Raises UserError as ``read_instances``."""
    parts = read_parts(path, ("images", "annotations", "categories"), hint)
    images, categories, maps = _images(parts["images"], path), *_entries(parts, path)
    rows, names = maps.indices("image_id", images.ids), maps.texts("file_name")
    lists = maps.values("segments_info")
    files: list[str | None] = [None] * len(images.ids)
    for row, name, segments in zip(rows.tolist(), names, lists, strict=True):
        if files[row] is not None or not isinstance(segments, list):
            what = "has a second map" if files[row] is not None else "has no list of segments_info"
            raise UserError(f"{path}: image {images.ids[row]} {what}")
        files[row] = name
    found = Entries([segment for segments in lists for segment in segments], "segments_info", path)
    image = np.repeat(rows, [len(segments) for segments in lists])
    ids, crowd = found.whole("id"), found.flags("iscrowd", False)
    order = _by_image(image, ~crowd)
    for number in np.flatnonzero(_repeated(image, ids))[:1]:
        raise found.wrong(number, f"image {images.ids[image[number]]} has two segments of this id")
    return PanopticSegments(
        **vars(_annotated(categories, found, ids, images, image, crowd).take(order)),
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
            raise UserError(
                f'{path}: it has no list "{part}", as this file of COCO must have: is it in that format?'
            )
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
    return Images(
        ids[order],
        sizes[order],
        [files[number] for number in order],
        [_original(entries[number]) for number in order],
    )


def _original(image: dict[str, Any]) -> str:
    """The name of an image before its upload to Roboflow, or ""."""
    extra = image.get("extra")
    name = extra.get("name") if isinstance(extra, dict) else None
    return name if is_text(name) else ""


def _entries(parts: dict[str, list[Any]], path: Path) -> tuple[Entries, Entries]:
    """Categories and annotations."""
    categories = Entries(parts["categories"], "categories", path)
    return categories, Entries(parts["annotations"], "annotations", path)


def _names(categories: Entries) -> tuple[str, ...]:
    names = categories.texts("name")
    for name, count in Counter(names).items():
        if count > 1:
            raise UserError(f'{categories.path}: {count} categories are called "{name}"; rename all but one')
    return tuple(names)


def _classes_of(
    categories: Entries, counts: np.ndarray, wanted: Classes
) -> tuple[np.ndarray, tuple[str, ...], dict[str, int]]:
    """The class (C,) of each category, -1 for none, the names of the classes, and the numbers of objects of
    the categories that are none.

    counts: (C,) objects of each category.
    """
    names = [name.strip() for name in categories.texts("name")]
    chosen = wanted.names
    if chosen is None:
        chosen = tuple(names[n] for n in np.flatnonzero(counts >= max(wanted.least, 1)))
        for name, count in Counter(chosen).items():
            if count > 1:
                raise UserError(f'{categories.path}: {count} classes are called "{name}"; rename all but one')
    if not chosen:
        raise UserError(
            f"{categories.path}: none of its {len(names)} classes has {max(wanted.least, 1)} objects within "
            "their images: no annotations were exported, or data.min_boxes is too large"
        )
    numbers = np.array([chosen.index(name) if name in chosen else -1 for name in names], dtype=np.int64)
    return numbers, chosen, {names[n]: int(counts[n]) for n in np.flatnonzero(numbers < 0)}


def _renumbered(found: Annotated, numbers: np.ndarray, classes: int) -> Annotated:
    """The annotations with one of the ``numbers`` (C,), -1 for none, for each category."""
    ids, supercategories = [-1] * classes, [""] * classes
    for category, number in enumerate(numbers.tolist()):
        if number >= 0:
            ids[number] = found.category_ids[category]
            supercategories[number] = found.supercategories[category]
    return replace(
        found,
        category_ids=tuple(ids),
        supercategories=tuple(supercategories),
        category=numbers[found.category],
    )


def _annotated(
    categories: Entries,
    entries: Entries,
    ids: np.ndarray,
    images: Images,
    image: np.ndarray,
    crowd: np.ndarray,
) -> Annotated:
    """All ``entries``, in the order of the file. ids, image, crowd: (A,) the number of each, the index of its
    image, and whether it is a crowd.
    """
    numbers = categories.identities()
    ascending = np.argsort(numbers)
    return Annotated(
        images=images,
        category_ids=tuple(numbers.tolist()),
        supercategories=tuple(categories.texts("supercategory", default="")),
        ids=ids,
        image=image,
        category=ascending[entries.indices("category_id", numbers[ascending])],
        crowds=np.bincount(image[crowd], minlength=len(images.ids)),
    )


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
    known = Entries(parts["licenses"], "licenses", path)
    terms = [License(entry.get("name"), entry.get("url")) for entry in known.entries]
    named = [image for image in parts["images"] if image.get("license") not in (None, "")]
    licensed = Entries(named, "images", path)
    numbers = dict(zip(licensed.whole("id").tolist(), licensed.whole("license").tolist(), strict=True))
    of_images = [numbers.get(image) for image in images.ids.tolist()]
    return Licenses(of_images, dict(zip(known.identities().tolist(), terms, strict=True)))
