"""Base of the data sets of scenes that are photos with annotated objects: layouts and composites."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seq2scene.data.coco.annotations import Captions, Instances
from seq2scene.data.scenes.scene_module import SceneModule
from seq2scene.errors import UserError
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

ATTRIBUTES = ("size", "aspect")
CLASSES = 17  # of each attribute, in the paper
SQUARE = (1.0, 1.0)  # the canvas


@dataclass(kw_only=True, eq=False)
class PhotoScenes(SceneModule):
    """Photos with several captions, of one sentence each, and annotated objects, as boxes on a square canvas
    of side 1. ``CocoSplits`` or ``ExportedSplits`` reads the annotations.

    joined: in training a text is so many captions of its photo, drawn independently, less those that
    ``drop_sentences`` leaves out; models then also read texts of so many sentences. Validation and test texts
    are single captions.
    """

    joined: int = 1

    def __post_init__(self) -> None:
        self.sentences, self.mix_texts = self.joined, self.joined > 1
        super().__post_init__()
        self._require_positive("joined")
        self._known_names: tuple[str, ...] | None = None  # of the object classes

    def use_schema(self, schema: Schema) -> None:
        super().use_schema(schema)
        self._known_names, self._heads = schema.names, schema.heads

    def _texts(self, split: str, ids: np.ndarray) -> list[list[list[str]]]:
        """The captions of the photos ``ids`` (N,), each a text of one sentence; a photo may have none."""
        found = self._captions(split)
        captions = dict(zip(found.images.ids.tolist(), found.texts, strict=True))
        return [[[caption] for caption in captions.get(number, [])] for number in ids.tolist()]

    # What ``CocoSplits`` and ``ExportedSplits`` provide

    def _instances_file(self, split: str) -> Path:
        """The file of the annotated objects."""
        raise NotImplementedError

    def _instances(self, split: str) -> Instances:
        """The objects in the file of a split. Raises UserError if its classes are not the known ones."""
        raise NotImplementedError

    def _captions(self, split: str) -> Captions:
        """The captions of all photos in the file of a split."""
        raise NotImplementedError

    def _in_split(self, split: str, ids: np.ndarray) -> np.ndarray:
        """(N,) bool: which of the photos in the file of a split are in the split."""
        raise NotImplementedError

    def _is_held_out(self, split: str) -> bool:
        """Whether a split is taken out of the training file."""
        raise NotImplementedError


def unit_grid(size: Mapping[str, int]) -> Grid:
    """A grid of ``columns`` and ``rows`` on the square canvas of side 1."""
    return Grid(size["columns"], size["rows"], LEAST, LEAST, MOST, MOST)


def box_heads(given: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Head]:
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


def box_classes(heads: Mapping[str, Head]) -> dict[str, int]:
    """How many classes the size and the aspect of boxes have, also where they are not learnt."""
    return {name: heads[name].classes if name in heads else CLASSES for name in ATTRIBUTES}


def padded_boxes(
    scene: np.ndarray,
    scenes: int,
    classes: np.ndarray,
    boxes: np.ndarray,
    attribute_classes: Mapping[str, int],
    patches: np.ndarray | None = None,
) -> Objects:
    """Boxes as ``scenes``, each in the order given. Places and extents are exact.

    scene: (A,) ascending, the scene of each box. classes: (A,) from ``FIRST_CLASS`` on. boxes: (A, 4) centre
    x, y, width and height as shares of the canvas. attribute_classes: how many the attributes size and aspect
    have. patches: (A,) patch numbers, of objects cut out of photos.
    """
    counts = np.bincount(scene, minlength=scenes)
    step = np.arange(len(scene)) - (np.cumsum(counts) - counts)[scene]
    where = torch.from_numpy(scene), torch.from_numpy(step)

    def padded(values: np.ndarray, blank: int = 0) -> Tensor:
        rows = torch.from_numpy(values)
        whole = rows.new_full((scenes, max(int(counts.max()), 1), *rows.shape[1:]), blank)
        whole[where] = rows
        return whole

    padded_classes = padded(classes)
    places, extents = padded(boxes).split(2, dim=2)
    widths, heights = extents.unbind(2)
    present = padded_classes >= FIRST_CLASS
    attributes = {
        "size": size_classes(widths, heights, attribute_classes["size"]) * present,
        "aspect": aspect_classes(widths, heights, attribute_classes["aspect"]) * present,
    }
    numbers = None if patches is None else padded(patches, -1)
    return Objects(padded_classes, places, attributes, extents, numbers)
