"""Layouts and composites of photos that were annotated with Label Studio, CVAT, Roboflow or another tool that
exports COCO's format.
"""

from dataclasses import dataclass, replace
from typing import Any

from seq2scene.data.coco.annotations import Classes
from seq2scene.data.coco.exports import ExportedSplits, originals
from seq2scene.data.coco.segments import Segments
from seq2scene.data.scenes.coco_composite import CompositeModule
from seq2scene.data.scenes.coco_layout import Boxes, LayoutModule


@dataclass(kw_only=True, eq=False)
class ExportedBoxes(ExportedSplits, Boxes):
    """Options: which boxes of an export make layouts."""

    filtered: tuple[str, ...] | None = None  # splits that min_area applies to; None: all


def shared_photos(data: "ExportedLayout | ExportedComposite", split: str) -> tuple[int, int, str]:
    """How many photos of a split are in the training set too, by their names, and how many it has."""
    names = {}
    for one in ("train", split):
        images = data._instances(one).images
        known = dict(zip(images.ids.tolist(), originals(images), strict=True))
        names[one] = [known[number] for number in data.splits[one].numbers]
    training = set(names["train"])
    return sum(name in training for name in names[split]), len(names[split]), "photos"


@dataclass(kw_only=True, eq=False)
class ExportedLayout(ExportedBoxes, LayoutModule):
    """The boxes of an export and the captions of its photos; the photos themselves are not read."""

    _shared = shared_photos


@dataclass(kw_only=True, eq=False)
class ExportedComposite(ExportedSplits, CompositeModule):
    """The polygons or masks of an export, all of them things, the captions of its photos, and the photos."""

    _shared = shared_photos

    @property
    def _hint(self) -> str:
        return "; check data.root, data.photos, the folder of the photos, and the names of the files"

    @property
    def _source(self) -> dict[str, Any]:
        return {"stuff": "none", "exported": Classes(self._known_names or self._instances("train").names)}

    def _segments(self, split: str) -> Segments:
        """The segments, of photos by their names in the folder of the photos."""
        found = super()._segments(split)
        files = self.photo_names(split, found.images.files)
        return replace(found, images=replace(found.images, files=files))
