"""The segments of COCO's photos, for composites as in Text2Scene (Tan et al. 2019): things (Lin et al. 2014)
and regions of stuff (Caesar et al. 2018), each with its mask.

Masks are COCO's compressed run lengths, in column-major order, and are decoded one at a time.
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

from seq2scene.data.coco.annotations import (
    Annotated,
    Classes,
    Images,
    Instances,
    Licenses,
    read_instances,
    read_panoptic,
    read_regions,
)
from seq2scene.data.coco.entries import file_within, looked_up
from seq2scene.data.processes import forked
from seq2scene.errors import UserError
from seq2scene.progress import progress_bar
from seq2scene.scenes.boxes import inside
from seq2scene.scenes.images import readable
from seq2scene.scenes.run_lengths import area, checked_runs, decoded, encoded

OTHER = "other"  # the super-category of unnamed stuff
REACH = 2  # radius of the ellipse of 5 x 5 pixels by which regions of stuff are opened
TOUCHING = np.ones((3, 3), dtype=bool)  # pixels are connected at sides and corners

Result = TypeVar("Result")


@dataclass(frozen=True)
class Tally:
    """How much was read and left out. images: read; without_stuff: images without annotated stuff.

    crowds: annotations. outside: objects whose box is outside their image. empty: annotations without a
    pixel, or stuff of which opening leaves none. doubles, small: segments. bare: images without a segment.
    crowded: images with too many segments, left out or truncated.
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
class Segments:
    """A segments of N images, at least one in each; those of an image are adjacent and in canonical order:
    things before stuff, in each the lowest bottom edge first, then from left to right, then by class.

    licenses: of the images. image: (A,) int64, indices into ``images``. category: (A,) int64, indices into
    ``names``, of which the first ``things`` are things, the rest super-categories of stuff. boxes: (A, 4)
    float64 left, top, width and height in pixels, inside the image; of things as annotated, of stuff the
    bounding box of the mask. areas: (A,) int64 pixels of the mask. runs: masks as compressed run lengths.
    ids: the number of the annotation in twelve digits and, for stuff, "_" and the number of the connected
    part in five; unique within an image.
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


class Candidate(NamedTuple):
    """A segment that may yet be left out. mask: run lengths, or the labels (height, width) of the pixels in
    the box and the label of the segment.
    """

    name: str
    category: int
    box: tuple[float, float, float, float]
    area: int
    mask: bytes | tuple[np.ndarray, int]


class Segment(NamedTuple):
    """A segment. runs: its mask as run lengths in its image."""

    name: str
    category: int
    box: tuple[float, float, float, float]
    area: int
    runs: bytes


class Region(NamedTuple):
    """An annotation of stuff: its number, the index of its super-category, and its mask (h, w) bool."""

    number: int
    category: int
    mask: np.ndarray


class Stuff(NamedTuple):
    """names: super-categories. counts, crowds: (N,) the number of regions of each image, and of crowds, which
    are left out. regions: of an image.
    """

    names: tuple[str, ...]
    counts: np.ndarray
    crowds: np.ndarray
    regions: Callable[[int], Iterable[Region]]


def read_segments(
    root: Path,
    name: str,
    stuff: Literal["stuff", "panoptic", "none"] = "stuff",
    only: Sequence[int] | None = None,
    overlap: float | None = 0.8,
    min_thing: float = 0.01,
    min_stuff: float = 0.04,
    max_objects: int | None = 11,
    crowded: Literal["leave_out", "cut"] = "leave_out",
    hint: str = "",
    workers: int = 1,
    exported: Classes | None = None,
) -> Segments:
    """The segments of ROOT/annotations/instances_NAME.json and stuff_NAME.json, without crowds, objects whose
    box is outside their image, and stuff of the super-category ``other``. The defaults are those of the
    paper's training set.

    A region of stuff is opened by an ellipse of 5 x 5 pixels, and each connected part is a segment. Images
    without stuff are read too.

    stuff: ``panoptic``: regions of panoptic_NAME.json and the PNG files in panoptic_NAME/, beside it or in
    ROOT, instead of stuff_NAME.json; ``none``: no stuff. only: ids of the images to read; None: all. overlap:
    of two boxes of any class whose intersection over union is at least this the one with more pixels stays;
    None: both. exported: things are read from ROOT/NAME, an annotation tool's export, of these classes.
    min_thing, min_stuff: segments no larger, as a share of the image's pixels, are left out. max_objects,
    crowded: images with more segments are left out (``leave_out``) or truncated (``cut``); None: all are
    kept. workers: number of processes.

    Raises:
        UserError: a file is missing (with ``hint``) or malformed; a segmentation is malformed or does not fit
            its image; a category or an image is unknown.
    """
    path = Path(root) / (f"annotations/instances_{name}.json" if exported is None else name)
    found = read_instances(path, hint, segmentations=True, exported=exported)
    images, things = found.images, len(found.names)
    source = {"stuff": _stuff, "panoptic": _panoptic, "none": _no_stuff}[stuff]
    names, counts, crowds, regions = source(path.parent / f"{stuff}_{name}.json", images, hint)
    for both in sorted({*names} & {*found.names}):
        raise UserError(f'{path}: "{both}" is a thing and a super-category of stuff; rename one')

    def of_image(place: int) -> tuple[list[Segment], Counter[str]]:
        """The segments of an image, in order, and the counts of what was left out."""
        size = images.sizes[place]
        segments = [*_things(found, place, path), *_stuff_segments(regions(place), things)]
        full = [segment for segment in segments if segment.area]
        category, boxes, areas = _columns(full)
        rest = distinct(boxes, areas, overlap)
        large = rest[(areas / size.prod() > np.where(category < things, min_thing, min_stuff))[rest]]
        order = large[canonical_order(boxes[large], category[large], things)]
        tally = Counter(
            without_stuff=int(counts[place] == 0),
            crowds=int(found.crowds[place] + crowds[place]),
            outside=int(found.outside[place]),
            empty=len(segments) - len(full),
            doubles=len(full) - len(rest),
            small=len(rest) - len(large),
            bare=int(not len(order)),
        )
        if max_objects is not None and len(order) > max_objects:
            tally["crowded"] += 1
            order = order[: max_objects if crowded == "cut" else 0]
        return [_packed(full[number], *size) for number in order.tolist()], tally

    places = _chosen(only, images, path).tolist()
    kept: list[tuple[int, Segment]] = []
    tally = Counter(images=len(places))
    with forked(of_image, workers) as each:
        results = shown(each(places), len(places), f"segments of {name}")
        for place, (segments, left_out) in zip(places, results, strict=True):
            kept += [(place, segment) for segment in segments]
            tally.update(left_out)

    category, boxes, areas = _columns([segment for _, segment in kept])
    used, image = np.unique(np.array([place for place, _ in kept], dtype=np.int64), return_inverse=True)
    return Segments(
        images=Images(images.ids[used], images.sizes[used], [images.files[place] for place in used]),
        licenses=Licenses([found.licenses.of_images[place] for place in used], found.licenses.terms),
        image=image,
        category=category,
        boxes=boxes,
        areas=areas,
        runs=[segment.runs for _, segment in kept],
        ids=[segment.name for _, segment in kept],
        names=found.names + names,
        things=things,
        tally=Tally(**tally),
    )


def shown(results: Iterable[Result], total: int, what: str) -> Iterator[Result]:
    """The results as they come, with a progress bar."""
    with progress_bar() as progress:
        yield from progress.track(results, total, description=what)


def mask_of(segments: Segments, number: int) -> np.ndarray:
    """The mask (h, w) bool of a segment in its image."""
    width, height = segments.images.sizes[segments.image[number]].tolist()
    return decoded(segments.runs[number], width, height)


# Which segments, and in which order


def distinct(boxes: np.ndarray, areas: np.ndarray, overlap: float | None) -> np.ndarray:
    """The indices, ascending, of the boxes (A, 4) that no remaining box of a larger area overlaps by
    ``overlap`` (intersection over union) or more; of equal areas (A,) the first remains.
    """
    if overlap is None or len(boxes) < 2:
        return np.arange(len(boxes))
    order = np.argsort(-areas, kind="stable")
    double = coco.iou(boxes[order], boxes[order], [0] * len(boxes)) >= overlap
    stays = np.ones(len(boxes), dtype=bool)
    for number in np.flatnonzero(double.sum(axis=1) > 1).tolist():  # each decision depends on earlier ones
        if stays[number]:
            stays[number + 1 :] &= ~double[number, number + 1 :]
    return np.sort(order[stays])


def canonical_order(boxes: np.ndarray, category: np.ndarray, things: int) -> np.ndarray:
    """Sorts things (the first ``things`` categories) before stuff, then by the lowest bottom edge, then from
    left to right by centres, then by category.
    """
    bottoms, centres = boxes[:, 1] + boxes[:, 3], boxes[:, 0] + boxes[:, 2] / 2
    return np.lexsort((category, centres, -bottoms, category >= things))


def _columns(segments: Sequence[Candidate | Segment]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Categories (A,), boxes (A, 4) and areas (A,)."""
    return (
        np.array([segment.category for segment in segments], dtype=np.int64),
        np.array([segment.box for segment in segments], dtype=np.float64).reshape(-1, 4),
        np.array([segment.area for segment in segments], dtype=np.int64),
    )


def _chosen(only: Sequence[int] | None, images: Images, path: Path) -> np.ndarray:
    """The indices, ascending, of the images to read."""
    if only is None:
        return np.arange(len(images.ids))
    wanted = np.unique(np.asarray(only, dtype=np.int64))
    for number in np.setdiff1d(wanted, images.ids)[:1]:
        raise UserError(f"{path}: there is no image {number}, which was asked for")
    return np.searchsorted(images.ids, wanted)


# The segments of an image


def _things(found: Instances, place: int, path: Path) -> Iterator[Candidate]:
    width, height = found.images.sizes[place].tolist()
    rows = np.arange(*np.searchsorted(found.image, [place, place + 1]))
    boxes = inside(found.boxes[rows], found.images.sizes[place])
    for row, box in zip(rows.tolist(), boxes.tolist(), strict=True):
        number = int(found.ids[row])
        runs = checked_runs(found.segmentations[row], width, height, f"{path}: annotation {number}")
        pixels = area(runs, width, height)
        yield Candidate(f"{number:012}", int(found.category[row]), tuple(box), pixels, runs)


def _stuff_segments(regions: Iterable[Region], things: int) -> Iterator[Candidate]:
    """The connected parts of opened regions; a region of which nothing is left yields one of area 0."""
    for number, category, mask in regions:
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        if not len(rows):
            yield Candidate(f"{number:012}", things + category, (0, 0, 0, 0), 0, b"")
            continue
        top, left = max(rows[0] - REACH, 0), max(columns[0] - REACH, 0)
        window = mask[top : rows[-1] + REACH + 1, left : columns[-1] + REACH + 1]
        labels, count = ndimage.label(opened(window), TOUCHING)
        areas = np.bincount(labels.ravel(), minlength=count + 1)[1:].tolist()
        for k, (pixels, (y, x)) in enumerate(zip(areas, ndimage.find_objects(labels), strict=True), start=1):
            box = (left + x.start, top + y.start, x.stop - x.start, y.stop - y.start)
            yield Candidate(f"{number:012}_{k:05}", things + category, box, pixels, (labels[y, x], k))
        if not count:
            yield Candidate(f"{number:012}", things + category, (0, 0, 0, 0), 0, b"")


def _packed(found: Candidate, width: int, height: int) -> Segment:
    if isinstance(found.mask, bytes):
        return Segment(*found[:4], found.mask)
    labels, own = found.mask
    left, top, columns, rows = map(int, found.box)
    mask = np.zeros((height, width), dtype=bool, order="F")
    mask[top : top + rows, left : left + columns] = labels == own
    return Segment(*found[:4], encoded(mask))


def opened(mask: np.ndarray) -> np.ndarray:
    """Morphological opening of a mask (h, w) bool by an ellipse of 5 x 5 pixels, which may extend beyond the
    edge, as in OpenCV.
    """
    fits = _gathered(np.pad(mask, REACH, constant_values=True), np.logical_and)
    return _gathered(np.pad(fits, REACH), np.logical_or)


def _gathered(padded: np.ndarray, join: np.ufunc) -> np.ndarray:
    """Reduces the ellipse around each pixel by ``join``: rows of 1, 5, 5, 5 and 1 pixels."""
    height, width = (side - 2 * REACH for side in padded.shape)
    centre, rows = padded[:, REACH : REACH + width], padded[:, :width]
    for k in range(1, 2 * REACH + 1):
        rows = join(rows, padded[:, k : k + width])
    joined = join(centre[:height], centre[2 * REACH :])
    for k in range(1, 2 * REACH):
        joined = join(joined, rows[k : k + height])
    return joined


# Where stuff comes from


def _no_stuff(path: Path, images: Images, hint: str) -> Stuff:
    none = np.zeros(len(images.ids), dtype=np.int64)
    return Stuff((), none, none, lambda place: ())


def _stuff(path: Path, images: Images, hint: str) -> Stuff:
    """Reads stuff_NAME.json."""
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
    """Reads panoptic_NAME.json and its maps."""
    found = read_panoptic(path, hint)
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

    none = np.zeros(len(images.ids), dtype=np.int64)  # its crowds are things, which the instances count
    return Stuff(names, np.diff(starts), none, regions)


def _segment_map(path: Path, size: np.ndarray, hint: str) -> np.ndarray:
    """The id of the segment of each pixel (h, w): red + 256 green + 256^2 blue."""
    if not path.is_file():
        raise UserError(f"{path}: there is no such file{hint}")
    with readable(path), Image.open(path) as picture:
        colours = np.asarray(picture.convert("RGB"))
    height, width, _ = colours.shape
    if [width, height] != size.tolist():
        raise UserError(f"{path}: {width} x {height} pixels, but its image has {size[0]} x {size[1]}")
    return colours @ np.array([1, 256, 256**2])


def _classes(found: Annotated, is_stuff: Sequence[bool], path: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """The super-categories of stuff, in the order of their first categories' numbers, and the index (C,) of
    each category's among them, or -1.
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
    """The offsets (N + 1,) of each image among the chosen ``rows`` of a file's annotations, and the number
    (N,) of its crowds, which are left out. Raises UserError for an image that is not among ``images``.
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
