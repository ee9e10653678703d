"""Regions of stuff in COCO's photos: of the annotations of stuff (Caesar et al. 2018), or of panoptic ones
(Kirillov et al. 2019).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from seq2scene.data.coco.annotations import Annotated, Images, read_panoptic, read_regions
from seq2scene.data.coco.entries import file_within, looked_up
from seq2scene.errors import UserError
from seq2scene.scenes.images import readable
from seq2scene.scenes.run_lengths import checked_runs, decoded

OTHER = "other"  # the super-category of unnamed stuff


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


def no_stuff(path: Path, images: Images, hint: str) -> Stuff:
    none = np.zeros(len(images.ids), dtype=np.int64)
    return Stuff((), none, none, lambda image: ())


def of_regions(path: Path, images: Images, hint: str) -> Stuff:
    """Reads stuff_NAME.json."""
    found = read_regions(path, hint)
    names, kinds = _classes(found, [True] * len(found.category_ids), path)
    kind = kinds[found.category]
    rows = np.flatnonzero(kind >= 0)
    starts, crowds = _starts(found, rows, images, path)

    def regions(image: int) -> Iterator[Region]:
        width, height = images.sizes[image].tolist()
        for row in rows[starts[image] : starts[image + 1]].tolist():
            number = int(found.ids[row])
            runs = checked_runs(found.segmentations[row], width, height, f"{path}: annotation {number}")
            yield Region(number, int(kind[row]), decoded(runs, width, height))

    return Stuff(names, np.diff(starts), crowds, regions)


def of_panoptic(path: Path, images: Images, hint: str) -> Stuff:
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

    def regions(image: int) -> Iterator[Region]:
        here = rows[starts[image] : starts[image + 1]]
        if len(here):
            labels = _segment_map(files[found.image[here[0]]], images.sizes[image], hint)
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
    every = zip(found.category_ids, found.supercategories, is_stuff, strict=True)
    stuff = sorted((number, name) for number, name, is_one in every if is_one)
    for number, name in stuff:
        if not name:
            raise UserError(f"{path}: category {number} has no supercategory, the class of its regions")
    names = tuple(dict.fromkeys(name for _, name in stuff if name != OTHER))
    indices = {number: names.index(name) for number, name in stuff if name != OTHER}
    return names, np.array([indices.get(number, -1) for number in found.category_ids], dtype=np.int64)


def _starts(found: Annotated, rows: np.ndarray, images: Images, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The offsets (N + 1,) of each image among the chosen ``rows`` of a file's annotations, and the number
    (N,) of its crowds, which are left out. Raises UserError for an image that is not among ``images``.
    """
    own = found.images
    indices, known = looked_up(own.ids, images.ids)
    for number in own.ids[~known][:1]:
        raise UserError(f"{path}: image {number} is not in the file of the instances; get both files again")
    for row in np.flatnonzero((images.sizes[indices] != own.sizes).any(axis=1))[:1]:
        here, there = ("{} x {}".format(*sizes) for sizes in (own.sizes[row], images.sizes[indices[row]]))
        raise UserError(
            f"{path}: image {own.ids[row]} has {here} pixels, but {there} in the file of the instances"
        )
    crowds = np.zeros(len(images.ids), dtype=np.int64)
    crowds[indices] = found.crowds
    return np.searchsorted(indices[found.image[rows]], np.arange(len(images.ids) + 1)), crowds
