"""Layouts of COCO photos as used by Text2Scene (Tan et al. 2019): captions, and the boxes of the objects on a
square canvas of side 1.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from seq2scene.data.coco.annotations import Captions, Instances, left_out, read_captions, read_instances
from seq2scene.data.park.choosing import Park
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.data.scenes.scene_module import JoinedCaptions, SceneModule, Split
from seq2scene.errors import UserError
from seq2scene.scenes.boxes import edges, on_square
from seq2scene.scenes.canonical_order import by_type
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import FIRST_CLASS, Objects
from seq2scene.scenes.schema import (
    LEAST,
    MOST,
    Head,
    Schema,
    aspect_classes,
    check_settings,
    choose_heads,
    size_classes,
)
from seq2scene.sequences.corpus import how_to_get
from seq2scene.sequences.lines import read_lines

ATTRIBUTES = ("size", "aspect")
CLASSES = 17  # of each attribute, in the paper
SPLITS = ("train", "val", "test")
SOURCES = {"train": "train2017", "val": "val2017", "test": "val2017"}


@dataclass(kw_only=True, eq=False)
class CocoSplits:
    """Options: the annotation file NAME of each split, and which images of train validate instead."""

    sources: dict[str, str] | None = None  # NAME of each split; None: train2017, and val2017 for both others
    val_images: int | str | None = None  # how many, drawn by seed, or a file of ids, one a line; None: none

    def _split_files(self) -> dict[str, str]:
        files = dict(SOURCES if self.sources is None else self.sources)
        return files if self.val_images is None else {**files, "val": files["train"]}

    def _facts_file(self, split: str) -> Path:
        return super()._facts_file(self.files[split])

    # What of an annotated photo is read, and from where; ``data.coco.exports`` has the same of exports

    def _instances_file(self, split: str) -> Path:
        return self.folder / "annotations" / f"instances_{self.files[split]}.json"

    @cached_property
    def _read_instances(self) -> Callable[[Path], Instances]:
        return cache(partial(read_instances, hint=f"; {how_to_get(self.fetch)}"))

    @cached_property
    def _read_captions(self) -> Callable[[Path], Captions]:
        return cache(partial(read_captions, hint=f"; {how_to_get(self.fetch)}"))

    def _instances(self, split: str) -> Instances:
        found = self._read_instances(self._instances_file(split))
        if found.names != (self._known_names or found.names):
            raise UserError(
                f"{self._instances_file(split)}: its categories are not those "
                "of the training file, or of the checkpoint: all files must have the same, in the same order"
            )
        return found

    def _captions(self, split: str) -> Captions:
        """Of all images of the file of a split."""
        return self._read_captions(self.folder / "annotations" / f"captions_{self.files[split]}.json")

    def _in_split(self, split: str, ids: np.ndarray) -> np.ndarray:
        """(N,) bool: which of the images of a split's annotation file are in the split."""
        return in_split(split, ids, self.val_images, self.seed)

    def _is_held_out(self, split: str) -> bool:
        """Whether a split is taken out of the training file."""
        return split == "val" and self.val_images is not None


@dataclass(kw_only=True, eq=False)
class Boxes:
    """Options: which images and boxes make layouts."""

    filtered: tuple[str, ...] | None = SPLITS  # splits that min_area applies to; None: all
    min_area: float = 0.01  # share of the canvas; smaller boxes are left out, and images without larger ones
    max_objects: int = 9  # of a layout, the first in canonical order


@dataclass(kw_only=True, eq=False)
class CocoBoxes(CocoSplits, Boxes):
    """Options: which images and boxes of COCO make layouts."""

    filtered: tuple[Literal["train", "val", "test"], ...] = SPLITS  # splits that min_area applies to


@dataclass(kw_only=True, eq=False)
class LayoutModule(JoinedCaptions, SceneModule):
    """Layouts of photos, from the annotations that ``CocoSplits`` or ``ExportedSplits`` reads. Images without
    a caption are left out, and so are boxes outside their image.

    heads: of size and aspect, 17 classes of each by default.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._grid = unit_grid(self.grid or {"columns": 28, "rows": 28})
        self._heads = layout_heads(self.heads)
        self.names: tuple[str, ...] | None = None  # of the object classes

    def use(self, description: Mapping[str, Any]) -> None:
        super().use(description)
        self.use_schema(self.schema)

    def use_schema(self, schema: Schema) -> None:
        """Takes classes and heads from another module or a checkpoint; call before anything is read."""
        self.schema, self.names, self._heads = schema, schema.names, schema.heads

    @property
    def _known_names(self) -> tuple[str, ...] | None:
        return self.names

    def _make_schema(self) -> Schema:
        square = (1.0, 1.0)
        return Schema(
            self.names,
            self._grid,
            self._heads,
            self.max_objects,
            self.sentences,
            square,
            order=self.order,
        )

    def _read(self, split: str) -> Split:
        instances, captions = self._instances(split), self._captions(split)
        self.names = instances.names
        ids = instances.images.ids
        texts = dict(zip(captions.images.ids.tolist(), captions.texts, strict=True))
        texts = [[[caption] for caption in texts.get(number, [])] for number in ids.tolist()]
        boxes = on_square(instances.boxes, instances.images.sizes[instances.image])
        wanted = np.ones(len(boxes), dtype=bool)
        told = np.asarray([bool(captions) for captions in texts], dtype=bool)
        own = self._in_split(split, ids)
        areas = boxes[:, 2] * boxes[:, 3]
        usable = own & told
        if self.filtered is None or split in self.filtered:
            wanted = areas > self.min_area
            usable &= np.bincount(instances.image[wanted], minlength=len(ids)) > 0
        chosen = np.flatnonzero(usable)
        self._report("%s: %d of %d images, with captions and boxes to learn", split, len(chosen), len(ids))
        if said := left_out(instances, own):
            self._report("%s: left out: %s", split, said)
        if small := int((~wanted & usable[instances.image]).sum()):
            self._report("%s: %d boxes are no larger than data.min_area=%g", split, small, self.min_area)
        if blank := captions.blank[np.isin(captions.images.ids, ids[own])].sum():
            self._report("%s: %d captions are empty and left out", split, blank)
        if not len(chosen):
            raise UserError(
                f"{self._instances_file(split)}: no image of the {split} set "
                f"has a caption and a box above data.min_area={self.min_area}; of its {own.sum()} images "
                f"{(own & told).sum()} have captions, and the largest box has "
                f"{areas.max(initial=0):.2g} of the canvas"
            )
        of_boxes = boxes[wanted], instances.category[wanted], instances.image[wanted]
        objects = lay_out(*of_boxes, chosen, box_classes(self._heads))
        if self._placing_order == "type":
            objects = by_type(objects)
        return Split(ids[chosen].tolist(), objects, [texts[image] for image in chosen])


@dataclass(kw_only=True, eq=False)
class CocoLayout(CocoBoxes, LayoutModule):
    """ROOT/annotations/captions_NAME.json and instances_NAME.json, or the official archive that holds them.
    Crowds are left out.
    """


@dataclass(kw_only=True, eq=False)
class ParkLayout(Park, CocoLayout):
    """Layouts of the park's photos, written under ``root`` on first use (see ``seq2scene.data.park``)."""

    write = staticmethod(ensure_photos)


def unit_grid(size: Mapping[str, int]) -> Grid:
    """A grid of ``columns`` and ``rows`` on the square canvas of side 1."""
    return Grid(size["columns"], size["rows"], LEAST, LEAST, MOST, MOST)


def box_classes(heads: Mapping[str, Head]) -> dict[str, int]:
    """How many classes the size and the aspect of boxes have, also where they are not learnt."""
    return {name: heads[name].classes if name in heads else CLASSES for name in ATTRIBUTES}


def in_split(split: str, ids: np.ndarray, val_images: int | str | None, seed: int) -> np.ndarray:
    """Which images (N,) of a split's annotation file are in the split, as bool: all, except that those of
    ``val_images`` (how many, drawn by ``seed``, or a file of their ids) move from train to val.
    """
    if val_images is None or split == "test":
        return np.ones(len(ids), dtype=bool)
    if isinstance(val_images, int):
        if not 0 < val_images < len(ids):
            raise UserError(f"data.val_images={val_images}: there are {len(ids)} to draw from")
        held = np.zeros(len(ids), dtype=bool)
        held[np.random.default_rng(seed).permutation(len(ids))[:val_images]] = True
    else:
        held = np.isin(ids, read_ids(Path(val_images), ids))
    return held if split == "val" else ~held


def read_ids(path: Path, known: np.ndarray) -> list[int]:
    """Image ids, one per line; raises UserError for an id that is not ``known``."""
    if not path.is_file():
        raise UserError(f"data.val_images={path}: there is no such file")
    present, ids = {str(image): image for image in known.tolist()}, []
    for number, line in enumerate(read_lines(path), start=1):
        if told := line.strip():
            image = told.lstrip("0") or "0"
            if image not in present:
                raise UserError(f"{path}, line {number}: there is no image {told[:40]} to train on")
            ids.append(present[image])
    return ids


def layout_heads(given: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Head]:
    """The heads of a config; raises UserError for attributes that boxes do not have."""
    given = {name: {"classes": CLASSES} for name in ATTRIBUTES} if given is None else given
    classes = dict.fromkeys(ATTRIBUTES, CLASSES)
    for name in classes.keys() & given.keys():
        check_settings(name, given[name], ("classes", "weight", "only"))
        classes[name] = given[name]["classes"]
    if classes["size"] < 2:
        raise UserError(f"heads.size.classes={classes['size']}: a box has one of at least 2 sizes")
    if classes["aspect"] < 3 or classes["aspect"] % 2 == 0:
        raise UserError(
            f"heads.aspect.classes={classes['aspect']}: an odd number, from 3, for 1/n, ..., 1, ..., n"
        )
    return choose_heads(given, classes)


def lay_out(
    boxes: np.ndarray,
    categories: np.ndarray,
    images: np.ndarray,
    chosen: np.ndarray,
    classes: Mapping[str, int],
) -> Objects:
    """The boxes (A, 4) of the ``chosen`` images (B,), in ascending order, as scenes in canonical order: the
    lowest bottom edge first, then from left to right, then by class. Places and extents are exact; classes:
    how many the attributes size and aspect have.
    """
    bottoms = edges(boxes)[1][:, 1]
    order = np.lexsort((categories, boxes[:, 0], -bottoms, images))
    order = order[np.isin(images[order], chosen)]
    scene = np.searchsorted(chosen, images[order])
    counts = np.bincount(scene, minlength=len(chosen))
    step = np.arange(len(order)) - (np.cumsum(counts) - counts)[scene]
    at = torch.from_numpy(scene), torch.from_numpy(step)
    padded = torch.zeros(len(chosen), max(int(counts.max()), 1), 4)
    padded[at] = torch.from_numpy(boxes[order])
    numbers = torch.zeros(padded.shape[:2], dtype=torch.int64)
    numbers[at] = torch.from_numpy(categories[order]) + FIRST_CLASS
    places, extents = padded.split(2, dim=2)
    widths, heights = extents.unbind(2)
    attributes = {
        "size": size_classes(widths, heights, classes["size"]),
        "aspect": aspect_classes(widths, heights, classes["aspect"]),
    }
    present = numbers >= FIRST_CLASS
    return Objects(numbers, places, {name: v * present for name, v in attributes.items()}, extents)
