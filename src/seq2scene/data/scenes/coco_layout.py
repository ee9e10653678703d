"""Layouts of COCO photos as used by Text2Scene (Tan et al. 2019): captions, and the boxes of the objects on a
square canvas of side 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seq2scene.data.coco.annotations import left_out
from seq2scene.data.coco.splits import CocoSplits
from seq2scene.data.park.choosing import Park
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.data.scenes.photo_scenes import (
    SQUARE,
    PhotoScenes,
    box_classes,
    box_heads,
    padded_boxes,
    unit_grid,
)
from seq2scene.data.scenes.scene_module import Split
from seq2scene.data.text_module import DataModule
from seq2scene.errors import UserError
from seq2scene.scenes.boxes import edges, on_square
from seq2scene.scenes.canonical_order import by_type
from seq2scene.scenes.objects import FIRST_CLASS, Objects
from seq2scene.scenes.schema import Schema

SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "val", "test")


@dataclass(kw_only=True, eq=False)
class Boxes(DataModule):
    """Options: which images and boxes make layouts."""

    min_area: float = 0.01  # share of the canvas; smaller boxes are left out, and images without larger ones
    max_objects: int = 9  # of a layout, the first in canonical order


@dataclass(kw_only=True, eq=False)
class CocoBoxes(CocoSplits, Boxes):
    """Options: which images and boxes of COCO make layouts."""

    filtered: tuple[SplitName, ...] = SPLITS  # splits that min_area applies to


@dataclass(kw_only=True, eq=False)
class LayoutModule(PhotoScenes):
    """Layouts of photos. Images without a caption are left out, and so are boxes outside their image.

    heads: of size and aspect, 17 classes of each by default.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._grid = unit_grid(self.grid or {"columns": 28, "rows": 28})
        self._heads = box_heads(self.heads)

    def _make_schema(self) -> Schema:
        return Schema(
            self._instances("train").names,
            self._grid,
            self._heads,
            self.max_objects,
            self.sentences,
            SQUARE,
            order=self.order,
        )

    def _read(self, split: str) -> Split:
        instances = self._instances(split)
        self._known_names = instances.names
        ids, image = instances.images.ids, instances.image
        texts = self._texts(split, ids)
        boxes = on_square(instances.boxes, instances.images.sizes[image])
        areas = boxes[:, 2] * boxes[:, 3]
        own = self._in_split(split, ids)
        captioned = own & np.asarray(list(map(bool, texts)), dtype=bool)
        large, usable = np.ones(len(boxes), dtype=bool), captioned
        if self.filtered is None or split in self.filtered:
            large = areas > self.min_area
            usable = captioned & (np.bincount(image[large], minlength=len(ids)) > 0)
        chosen = np.flatnonzero(usable)
        self._report("%s: %d of %d images, with captions and boxes to learn", split, len(chosen), len(ids))
        self._report_left_out(split, own, int((~large & usable[image]).sum()))
        if not len(chosen):
            raise UserError(
                f"{self._instances_file(split)}: no image of the {split} set "
                f"has a caption and a box above data.min_area={self.min_area}; of its {own.sum()} images "
                f"{captioned.sum()} have captions, and the largest box has "
                f"{areas.max(initial=0):.2g} of the canvas"
            )
        classes = box_classes(self._heads)
        objects = lay_out(boxes[large], instances.category[large], image[large], chosen, classes)
        if self._placing_order == "type":
            objects = by_type(objects)
        return Split(ids[chosen].tolist(), objects, [texts[number] for number in chosen])

    def _report_left_out(self, split: str, own: np.ndarray, small: int) -> None:
        """Reports what is left out of the images (N,) bool that are in a split."""
        instances, captions = self._instances(split), self._captions(split)
        if objects := left_out(instances, own):
            self._report("%s: left out: %s", split, objects)
        if small:
            self._report("%s: %d boxes are no larger than data.min_area=%g", split, small, self.min_area)
        if blank := captions.blank[np.isin(captions.images.ids, instances.images.ids[own])].sum():
            self._report("%s: %d captions are empty and left out", split, blank)


@dataclass(kw_only=True, eq=False)
class CocoLayout(CocoBoxes, LayoutModule):
    """ROOT/annotations/captions_NAME.json and instances_NAME.json, or the official archive that holds them.
    Crowds are left out.
    """


@dataclass(kw_only=True, eq=False)
class ParkLayout(Park, CocoLayout):
    """Layouts of the park's photos, written under ``root`` on first use (see ``seq2scene.data.park``)."""

    write = staticmethod(ensure_photos)


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
    return padded_boxes(scene, len(chosen), categories[order] + FIRST_CLASS, boxes[order], classes)
