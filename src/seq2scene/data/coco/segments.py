"""The segments of COCO's photos, for composites as in Text2Scene (Tan et al. 2019): things (Lin et al. 2014)
and regions of stuff (Caesar et al. 2018), each with its mask.

Masks are COCO's compressed run lengths, in column-major order, and are decoded one at a time.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypedDict, TypeVar

import numpy as np
from pycocotools import mask as coco
from scipy import ndimage

from seq2scene.data.coco.annotations import Classes, Images, Instances, Licenses, read_instances
from seq2scene.data.coco.stuff import Region, no_stuff, of_panoptic, of_regions
from seq2scene.data.processes import forked
from seq2scene.errors import UserError
from seq2scene.progress import progress_bar
from seq2scene.scenes.boxes import inside
from seq2scene.scenes.run_lengths import area, checked_runs, decoded, encoded

REACH = 2  # radius of the ellipse of 5 x 5 pixels by which regions of stuff are opened
TOUCHING = np.ones((3, 3), dtype=bool)  # pixels are connected at sides and corners

Crowded = Literal["leave_out", "cut"]
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


class Filters(TypedDict):
    """The options of ``read_segments`` by which segments are left out."""

    overlap: float | None
    min_thing: float
    min_stuff: float
    max_objects: int | None


def read_segments(
    root: Path,
    name: str,
    stuff: Literal["stuff", "panoptic", "none"] = "stuff",
    only: Sequence[int] | None = None,
    overlap: float | None = 0.8,
    min_thing: float = 0.01,
    min_stuff: float = 0.04,
    max_objects: int | None = 11,
    crowded: Crowded = "leave_out",
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
    filters = Filters(overlap=overlap, min_thing=min_thing, min_stuff=min_stuff, max_objects=max_objects)
    source = {"stuff": of_regions, "panoptic": of_panoptic, "none": no_stuff}[stuff]
    names, counts, crowds, regions = source(path.parent / f"{stuff}_{name}.json", images, hint)
    for both in sorted({*names} & {*found.names}):
        raise UserError(f'{path}: "{both}" is a thing and a super-category of stuff; rename one')

    def of_image(image: int) -> tuple[list[Segment], Counter[str]]:
        """The segments of an image, in order, and the counts of what is left out."""
        candidates = [*_things(found, image, path), *_stuff_segments(regions(image), things)]
        width, height = images.sizes[image].tolist()
        chosen, tally = _selected(candidates, things, width * height, filters, crowded)
        tally.update(
            without_stuff=int(counts[image] == 0),
            crowds=int(found.crowds[image] + crowds[image]),
            outside=int(found.outside[image]),
        )
        return [_packed(candidate, width, height) for candidate in chosen], tally

    wanted = _chosen(only, images, path).tolist()
    kept: list[tuple[int, Segment]] = []
    tally = Counter(images=len(wanted))
    with forked(of_image, workers) as each:
        results = shown(each(wanted), len(wanted), f"segments of {name}")
        for image, (segments, left_out) in zip(wanted, results, strict=True):
            kept += [(image, segment) for segment in segments]
            tally.update(left_out)

    category, boxes, areas = _columns([segment for _, segment in kept])
    used, owners = np.unique(np.array([image for image, _ in kept], dtype=np.int64), return_inverse=True)
    return Segments(
        images=Images(images.ids[used], images.sizes[used], [images.files[image] for image in used]),
        licenses=Licenses([found.licenses.of_images[image] for image in used], found.licenses.terms),
        image=owners,
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


def _selected(
    candidates: Sequence[Candidate], things: int, pixels: int, filters: Filters, crowded: Crowded
) -> tuple[list[Candidate], Counter[str]]:
    """The segments of an image of so many ``pixels`` that remain, in canonical order, and the counts of those
    left out.
    """
    full = [candidate for candidate in candidates if candidate.area]
    category, boxes, areas = _columns(full)
    rest = distinct(boxes, areas, filters["overlap"])
    least = np.where(category < things, filters["min_thing"], filters["min_stuff"])
    large = rest[(areas / pixels > least)[rest]]
    order = large[canonical_order(boxes[large], category[large], things)]
    tally = Counter(
        empty=len(candidates) - len(full),
        doubles=len(full) - len(rest),
        small=len(rest) - len(large),
        bare=int(not len(order)),
    )
    most = filters["max_objects"]
    if most is not None and len(order) > most:
        tally["crowded"] += 1
        order = order[: most if crowded == "cut" else 0]
    return [full[number] for number in order.tolist()], tally


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
        raise UserError(f"{path}: there is no image {number} to read")
    return np.searchsorted(images.ids, wanted)


# The segments of an image


def _things(found: Instances, image: int, path: Path) -> Iterator[Candidate]:
    width, height = found.images.sizes[image].tolist()
    rows = np.arange(*np.searchsorted(found.image, [image, image + 1]))
    boxes = inside(found.boxes[rows], found.images.sizes[image])
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
