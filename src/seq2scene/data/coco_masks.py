"""What COCO's photos are made of, for composites as in Text2Scene (Tan et al. 2019): things (Lin et al. 2014)
and regions of stuff (Caesar et al. 2018), each with its mask.

Masks are kept as COCO's compressed run lengths, down the columns, and become pixels one at a time.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from PIL import Image
from pycocotools import mask as coco
from scipy import ndimage

from seq2scene.data.coco import (
    Annotated,
    Images,
    Instances,
    Licenses,
    read_instances,
    read_regions,
    read_segments,
)
from seq2scene.data.coco_entries import file_within, looked_up
from seq2scene.data.processes import forked
from seq2scene.data.run_lengths import area, checked_runs, decoded, encoded
from seq2scene.errors import UserError
from seq2scene.progress import progress_bar
from seq2scene.scenes.boxes import inside
from seq2scene.scenes.images import readable

OTHER = "other"  # the super-category of stuff that nobody has named
REACH = 2  # of the ellipse of 5 x 5 pixels that regions of stuff are opened with
TOUCHING = np.ones((3, 3), dtype=bool)  # pixels of one part touch at sides or corners

Result = TypeVar("Result")


@dataclass(frozen=True)
class Tally:
    """What was left out on the way. images: so many were read; without_stuff: of so many no stuff is known.

    crowds: annotations. outside: objects that have no box inside their image. empty: annotations without a
    pixel, or of stuff with none left when opened. doubles, small: pieces. bare: images without a piece.
    crowded: images with more pieces than wanted, left out or cut short.
    """

    images: int = 0
    without_stuff: int = 0
    crowds: int = 0
    outside: int = 0
    empty: int = 0
    doubles: int = 0
    small: int = 0
    bare: int = 0
    crowded: int = 0


@dataclass(frozen=True)
class Pieces:
    """A pieces of N images, each of which has one at least; those of an image adjacent and in canonical
    order: things before stuff, in each the lowest bottom edge first, then from left to right, then by class.

    licenses: of the images. image: (A,) int64, places among ``images``. category: (A,) int64, places among
    ``names``, of which the first ``things`` are things, the rest super-categories of stuff. boxes: (A, 4)
    float64 left, top, width and height in pixels, inside the image; of things as annotated, of stuff around
    the mask. areas: (A,) int64 pixels of the mask. runs: of each the mask as compressed run lengths. ids: of
    each its annotation's number, in twelve digits, and of stuff "_" and which part of it, in five; no two in
    an image are alike.
    """

    images: Images
    licenses: Licenses
    image: np.ndarray
    category: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    runs: list[bytes]
    ids: list[str]
    names: tuple[str, ...]
    things: int
    tally: Tally


class Part(NamedTuple):
    """A piece that may be left out. mask: run lengths, or the labels (height, width) of the pixels of its box
    and which of them is its own.
    """

    name: str
    category: int
    box: tuple[float, float, float, float]
    area: int
    mask: bytes | tuple[np.ndarray, int]


class Region(NamedTuple):
    """An annotation of stuff: its number, its super-category's place, and where it is, (h, w) bool."""

    number: int
    category: int
    mask: np.ndarray


class Stuff(NamedTuple):
    """names: super-categories. counts, crowds: (N,) how many regions an image has, and crowds of them, which
    are left out. regions: those of an image.
    """

    names: tuple[str, ...]
    counts: np.ndarray
    crowds: np.ndarray
    regions: Callable[[int], Iterable[Region]]


def read_pieces(
    root: Path,
    name: str,
    stuff: Literal["stuff", "panoptic"] = "stuff",
    only: Sequence[int] | None = None,
    overlap: float | None = 0.8,
    min_thing: float = 0.01,
    min_stuff: float = 0.04,
    max_objects: int | None = 11,
    crowded: Literal["leave_out", "cut"] = "leave_out",
    hint: str = "",
    workers: int = 1,
) -> Pieces:
    """The pieces of ROOT/annotations/instances_NAME.json and stuff_NAME.json; crowds are left out, objects
    that have no box inside their image, and stuff of the super-category ``other``. The defaults are those of
    the paper's training set.

    A region of stuff is opened with an ellipse of 5 x 5 pixels, and each connected part is a piece. Images
    without stuff are read all the same.

    stuff: ``panoptic``: regions of panoptic_NAME.json and the PNG files in panoptic_NAME/, beside it or in
    ROOT, instead of stuff_NAME.json. only: ids of the images to read; None: all. overlap: of two boxes whose
    intersection over union is at least this, whatever their classes, the one with more pixels stays; None:
    both. min_thing, min_stuff: pieces of this share of the image's pixels or less are left out. max_objects:
    images with more pieces are left out or ``cut`` to the first, as ``crowded`` says; None: all are kept.
    workers: so many processes share the images.

    Raises:
        UserError: a file is missing (with ``hint``), or no such file of COCO; a segmentation is none, or of
            another size than its image; a category or an image is not known.
    """
    path = Path(root) / "annotations" / f"instances_{name}.json"
    found = read_instances(path, hint, segmentations=True)
    images, things = found.images, len(found.names)
    source = {"stuff": _stuff, "panoptic": _panoptic}[stuff]
    names, counts, crowds, regions = source(path.with_name(f"{stuff}_{name}.json"), images, hint)
    for category in sorted({*names} & {*found.names}):
        raise UserError(f'{path}: "{category}" is a thing and a super-category of stuff; rename one')

    def of_image(place: int) -> tuple[list[Part], Counter[str]]:
        """The pieces of an image, in order, and what was left out of it."""
        size = images.sizes[place]
        parts = [*_things(found, place, path), *_parts(regions(place), things)]
        full = [part for part in parts if part.area]
        category, boxes, areas = _columns(full)
        rest = distinct(boxes, areas, overlap)
        large = rest[(areas / size.prod() > np.where(category < things, min_thing, min_stuff))[rest]]
        order = large[canonical_order(boxes[large], category[large], things)]
        tally = Counter(
            without_stuff=int(counts[place] == 0),
            crowds=int(found.crowds[place] + crowds[place]),
            outside=int(found.outside[place]),
            empty=len(parts) - len(full),
            doubles=len(full) - len(rest),
            small=len(rest) - len(large),
            bare=int(not len(order)),
        )
        if max_objects is not None and len(order) > max_objects:
            tally["crowded"] += 1
            order = order[: max_objects if crowded == "cut" else 0]
        return [_packed(full[number], *size) for number in order.tolist()], tally

    places = _chosen(only, images, path).tolist()
    kept: list[tuple[int, Part]] = []
    tally = Counter(images=len(places))
    with forked(of_image, workers) as each:
        results = shown(each(places), len(places), f"pieces of {name}")
        for place, (parts, left_out) in zip(places, results, strict=True):
            kept += [(place, part) for part in parts]
            tally.update(left_out)

    category, boxes, areas = _columns([part for _, part in kept])
    used, image = np.unique(np.array([place for place, _ in kept], dtype=np.int64), return_inverse=True)
    return Pieces(
        images=Images(images.ids[used], images.sizes[used], [images.files[place] for place in used]),
        licenses=Licenses([found.licenses.of_images[place] for place in used], found.licenses.terms),
        image=image,
        category=category,
        boxes=boxes,
        areas=areas,
        runs=[part.mask for _, part in kept],
        ids=[part.name for _, part in kept],
        names=found.names + names,
        things=things,
        tally=Tally(**tally),
    )


def shown(results: Iterable[Result], total: int, what: str) -> Iterator[Result]:
    """The results, one after another, with a progress bar."""
    with progress_bar() as progress:
        yield from progress.track(results, total, description=what)


def mask_of(pieces: Pieces, number: int) -> np.ndarray:
    """Where a piece is in its image: (h, w) bool."""
    width, height = pieces.images.sizes[pieces.image[number]].tolist()
    return decoded(pieces.runs[number], width, height)


# Which pieces, and in which order


def distinct(boxes: np.ndarray, areas: np.ndarray, overlap: float | None) -> np.ndarray:
    """The places, ascending, of those boxes (A, 4) that none of those with a larger area that stay overlaps
    by ``overlap`` or more (intersection over union); of equal areas (A,) the first stays.
    """
    if overlap is None or len(boxes) < 2:
        return np.arange(len(boxes))
    order = np.argsort(-areas, kind="stable")
    double = coco.iou(boxes[order], boxes[order], [0] * len(boxes)) >= overlap
    stays = np.ones(len(boxes), dtype=bool)
    for number in np.flatnonzero(double.sum(axis=1) > 1).tolist():  # each decision hangs on those before
        if stays[number]:
            stays[number + 1 :] &= ~double[number, number + 1 :]
    return np.sort(order[stays])


def canonical_order(boxes: np.ndarray, category: np.ndarray, things: int) -> np.ndarray:
    """Things, which are the first so many categories, before stuff; then the lowest bottom edge first; then
    from left to right, by centres; then by category.
    """
    bottoms, centres = boxes[:, 1] + boxes[:, 3], boxes[:, 0] + boxes[:, 2] / 2
    return np.lexsort((category, centres, -bottoms, category >= things))


def _columns(parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Categories (A,), boxes (A, 4) and areas (A,)."""
    return (
        np.array([part.category for part in parts], dtype=np.int64),
        np.array([part.box for part in parts], dtype=np.float64).reshape(-1, 4),
        np.array([part.area for part in parts], dtype=np.int64),
    )


def _chosen(only: Sequence[int] | None, images: Images, path: Path) -> np.ndarray:
    """The places, ascending, of the images to read."""
    if only is None:
        return np.arange(len(images.ids))
    wanted = np.unique(np.asarray(only, dtype=np.int64))
    for number in np.setdiff1d(wanted, images.ids)[:1]:
        raise UserError(f"{path}: there is no image {number}, which was asked for")
    return np.searchsorted(images.ids, wanted)


# The parts of an image


def _things(found: Instances, place: int, path: Path) -> Iterator[Part]:
    width, height = found.images.sizes[place].tolist()
    rows = np.arange(*np.searchsorted(found.image, [place, place + 1]))
    boxes = inside(found.boxes[rows], found.images.sizes[place])
    for row, box in zip(rows.tolist(), boxes.tolist(), strict=True):
        number = int(found.ids[row])
        runs = checked_runs(found.segmentations[row], width, height, f"{path}: annotation {number}")
        pixels = area(runs, width, height)
        yield Part(f"{number:012}", int(found.category[row]), tuple(box), pixels, runs)


def _parts(regions: Iterable[Region], things: int) -> Iterator[Part]:
    """The connected parts of opened regions; of one of which nothing is left, a part without an area."""
    for number, category, mask in regions:
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        if not len(rows):
            yield Part(f"{number:012}", things + category, (0, 0, 0, 0), 0, b"")
            continue
        top, left = max(rows[0] - REACH, 0), max(columns[0] - REACH, 0)
        window = mask[top : rows[-1] + REACH + 1, left : columns[-1] + REACH + 1]
        labels, count = ndimage.label(opened(window), TOUCHING)
        areas = np.bincount(labels.ravel(), minlength=count + 1)[1:].tolist()
        for k, (pixels, (y, x)) in enumerate(zip(areas, ndimage.find_objects(labels), strict=True), start=1):
            box = (left + x.start, top + y.start, x.stop - x.start, y.stop - y.start)
            yield Part(f"{number:012}_{k:05}", things + category, box, pixels, (labels[y, x], k))
        if not count:
            yield Part(f"{number:012}", things + category, (0, 0, 0, 0), 0, b"")


def _packed(part: Part, width: int, height: int) -> Part:
    """A part with its mask as run lengths in its image."""
    if isinstance(part.mask, bytes):
        return part
    labels, own = part.mask
    left, top, columns, rows = part.box
    mask = np.zeros((height, width), dtype=bool, order="F")
    mask[top : top + rows, left : left + columns] = labels == own
    return part._replace(mask=encoded(mask))


def opened(mask: np.ndarray) -> np.ndarray:
    """What an ellipse of 5 x 5 pixels covers of a mask (h, w) bool where it fits into it; it may reach over
    the edge, as in OpenCV.
    """
    fits = _gathered(np.pad(mask, REACH, constant_values=True), np.logical_and)
    return _gathered(np.pad(fits, REACH), np.logical_or)


def _gathered(padded: np.ndarray, join: np.ufunc) -> np.ndarray:
    """For each pixel, those of the ellipse around it joined: rows of 1, 5, 5, 5 and 1 pixels."""
    height, width = (side - 2 * REACH for side in padded.shape)
    centre, rows = padded[:, REACH : REACH + width], padded[:, :width]
    for k in range(1, 2 * REACH + 1):
        rows = join(rows, padded[:, k : k + width])
    joined = join(centre[:height], centre[2 * REACH :])
    for k in range(1, 2 * REACH):
        joined = join(joined, rows[k : k + height])
    return joined


# Where stuff comes from


def _stuff(path: Path, images: Images, hint: str) -> Stuff:
    """stuff_NAME.json."""
    found = read_regions(path, hint)
    names, kinds = _classes(found, [True] * len(found.category_ids), path)
    kind = kinds[found.category]
    rows = np.flatnonzero(kind >= 0)
    starts, crowds = _starts(found, rows, images, path)

    def regions(place: int) -> Iterator[Region]:
        width, height = images.sizes[place].tolist()
        for row in rows[starts[place] : starts[place + 1]].tolist():
            number = int(found.ids[row])
            runs = checked_runs(found.segmentations[row], width, height, f"{path}: annotation {number}")
            yield Region(number, int(kind[row]), decoded(runs, width, height))

    return Stuff(names, np.diff(starts), crowds, regions)


def _panoptic(path: Path, images: Images, hint: str) -> Stuff:
    """panoptic_NAME.json and its maps."""
    found = read_segments(path, hint)
    folder = next((f for f in (path.with_suffix(""), path.parent.parent / path.stem) if f.is_dir()), None)
    if folder is None:
        raise UserError(f"{path.with_suffix('')}: there is no such folder of PNG files{hint}")
    names, kinds = _classes(found, [not thing for thing in found.is_thing], path)
    kind = kinds[found.category]
    rows = np.flatnonzero(kind >= 0)
    starts, _ = _starts(found, rows, images, path)
    files = [name if name is None else file_within(folder, name, path) for name in found.files]

    def regions(place: int) -> Iterator[Region]:
        here = rows[starts[place] : starts[place + 1]]
        if len(here):
            labels = _segment_map(files[found.image[here[0]]], images.sizes[place], hint)
        for row in here.tolist():
            yield Region(int(found.ids[row]), int(kind[row]), labels == found.ids[row])

    none = np.zeros(len(images.ids), dtype=np.int64)  # its crowds are of things, which the instances count
    return Stuff(names, np.diff(starts), none, regions)


def _segment_map(path: Path, size: np.ndarray, hint: str) -> np.ndarray:
    """The number of the segment that each pixel (h, w) belongs to: red + 256 green + 256^2 blue."""
    if not path.is_file():
        raise UserError(f"{path}: there is no such file{hint}")
    with readable(path), Image.open(path) as picture:
        colours = np.asarray(picture.convert("RGB"))
    height, width, _ = colours.shape
    if [width, height] != size.tolist():
        raise UserError(f"{path}: {width} x {height} pixels, but its image has {size[0]} x {size[1]}")
    return colours @ np.array([1, 256, 256**2])


def _classes(found: Annotated, is_stuff: Sequence[bool], path: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """The super-categories of stuff, in the order of their first categories' numbers, and of each category
    (C,) the place of its own among them, or -1.
    """
    told = zip(found.category_ids, found.supercategories, is_stuff, strict=True)
    kinds = sorted(kind[:2] for kind in told if kind[2])
    for number, own in kinds:
        if not own:
            raise UserError(f"{path}: category {number} has no supercategory, by which stuff is told apart")
    names = tuple(dict.fromkeys(own for _, own in kinds if own != OTHER))
    places = {number: names.index(own) for number, own in kinds if own != OTHER}
    return names, np.array([places.get(number, -1) for number in found.category_ids], dtype=np.int64)


def _starts(found: Annotated, rows: np.ndarray, images: Images, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Where those of each of ``images`` begin among the chosen ``rows`` of a file's annotations; last, how
    many these are: (N + 1,). And how many crowds of each are left out: (N,). Raises UserError for an image
    that is none of them.
    """
    own = found.images
    places, known = looked_up(own.ids, images.ids)
    for number in own.ids[~known][:1]:
        raise UserError(f"{path}: image {number} is not in the file of the instances; get both files again")
    for row in np.flatnonzero((images.sizes[places] != own.sizes).any(axis=1))[:1]:
        here, there = ("{} x {}".format(*sizes) for sizes in (own.sizes[row], images.sizes[places[row]]))
        raise UserError(
            f"{path}: image {own.ids[row]} has {here} pixels, but {there} in the file of the instances"
        )
    crowds = np.zeros(len(images.ids), dtype=np.int64)
    crowds[places] = found.crowds
    return np.searchsorted(places[found.image[rows]], np.arange(len(images.ids) + 1)), crowds
