"""Layouts of COCO photos as Text2Scene reads them (Tan et al. 2019): a caption tells which objects there are,
and boxes on a square canvas of side 1 where they are.
"""

from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from seq2scene.data.coco import Captions, Instances, left_out, read_captions, read_instances
from seq2scene.data.park.choosing import made_by
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.data.scene_module import SceneModule, Split, StopWords, VocabularyFrom
from seq2scene.errors import UserError
from seq2scene.scenes.boxes import edges, on_square
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
CLASSES = 17  # of each, in the paper
SOURCES = {"train": "train2017", "val": "val2017", "test": "val2017"}


class CocoLayout(SceneModule):
    """ROOT/annotations/captions_NAME.json and instances_NAME.json, or the official archive that holds them.
    Images without a caption are left out, crowds too, and objects that have no box inside their image.

    sources: the NAME that each split is read from; None: train2017, and val2017 for both others. val_images:
    images of the training file that validate instead of those of another, and are not trained on: how many,
    drawn by ``seed``, or a file of their ids, one a line. filtered: the splits whose boxes of ``min_area`` or
    less, as a share of the canvas, are left out, and with them images without larger ones. grid: ``columns``
    and ``rows``; None: 28 of each. heads: the attributes to learn, of size and aspect; None: both, of 17
    classes. The rest as of ``SceneModule``.
    """

    def __init__(
        self,
        root: str,
        sources: dict[str, str] | None = None,
        val_images: int | str | None = None,
        filtered: tuple[Literal["train", "val", "test"], ...] = ("train", "val", "test"),
        min_area: float = 0.01,
        grid: dict[str, int] | None = None,
        heads: dict[str, dict[str, Any]] | None = None,
        max_objects: int = 9,
        stop_words: StopWords = "keep",
        max_words: int | None = None,
        min_count: int = 1,
        vocabulary_from: VocabularyFrom = "train",
        glove: str | None = None,
        batch_size: int = 32,
        eval_batch_size: int = 128,
        pool_batches: int = 50,
        seed: int = 0,
        cache: str = ".cache",
        fetch: str | None = None,
    ) -> None:
        super().__init__(
            root,
            cache,
            stop_words,
            max_words,
            min_count,
            vocabulary_from,
            glove,
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            pool_batches=pool_batches,
            seed=seed,
            fetch=fetch,
        )
        self.files = dict(SOURCES if sources is None else sources)
        if val_images is not None:
            self.files["val"] = self.files["train"]
        self.val_images, self.filtered, self.min_area = val_images, tuple(filtered), min_area
        self.max_objects = max_objects
        self._require_positive("max_objects")
        grid = grid or {"columns": 28, "rows": 28}
        self.grid = Grid(grid["columns"], grid["rows"], LEAST, LEAST, MOST, MOST)
        self.heads = layout_heads(heads)
        self.names: tuple[str, ...] | None = None  # of the object classes

    @cached_property
    def _annotations(self):
        return cache_of_files(self.folder / "annotations", f"; {how_to_get(self.fetch)}")

    def use(self, description: Mapping[str, Any]) -> None:
        super().use(description)
        self.use_schema(self.schema)

    def use_schema(self, schema: Schema) -> None:
        """Takes classes and heads of another module or a checkpoint; call before anything is read."""
        self.schema, self.names, self.heads = schema, schema.names, schema.heads

    def _facts_file(self, split: str) -> Path:
        return super()._facts_file(self.files[split])

    def _make_schema(self) -> Schema:
        return Schema(self.names, self.grid, self.heads, self.max_objects, self.sentences, canvas=(1.0, 1.0))

    def _read(self, split: str) -> Split:
        instances, captions = self._annotations(self.files[split])
        if self.names is None:
            self.names = instances.names
        if instances.names != self.names:
            raise UserError(
                f"{self.folder}/annotations/instances_{self.files[split]}.json: its categories are not those "
                "of the training file, or of the checkpoint: all files must have the same, in the same order"
            )
        ids = instances.images.ids
        texts = dict(zip(captions.images.ids.tolist(), captions.texts, strict=True))
        texts = [[[caption] for caption in texts.get(number, [])] for number in ids.tolist()]
        boxes = on_square(instances.boxes, instances.images.sizes[instances.image])
        wanted = np.ones(len(boxes), dtype=bool)
        told = np.asarray([bool(captions) for captions in texts], dtype=bool)
        own = in_split(split, ids, self.val_images, self.seed)
        usable = own & told
        if split in self.filtered:
            wanted = boxes[:, 2] * boxes[:, 3] > self.min_area
            usable &= np.bincount(instances.image[wanted], minlength=len(ids)) > 0
        chosen = np.flatnonzero(usable)
        self._report("%s: %d of %d images, with captions and boxes to learn", split, len(chosen), len(ids))
        if said := left_out(instances, own):
            self._report("%s: left out: %s", split, said)
        if blank := captions.blank[np.isin(captions.images.ids, ids[own])].sum():
            self._report("%s: %d captions are empty and left out", split, blank)
        if not len(chosen):
            raise UserError(
                f"{self.folder}/annotations/instances_{self.files[split]}.json: no image of the {split} set "
                f"has a caption and a box above data.min_area={self.min_area}"
            )
        sizes = {name: self.heads[name].classes if name in self.heads else CLASSES for name in ATTRIBUTES}
        objects = lay_out(boxes[wanted], instances.category[wanted], instances.image[wanted], chosen, sizes)
        return Split(ids[chosen].tolist(), objects, [texts[image] for image in chosen])


@made_by(ensure_photos)
class ParkLayout(CocoLayout):
    """Layouts of the park's photos, written under ``root`` on first use (see ``seq2scene.data.park``)."""


def cache_of_files(folder: Path, hint: str):
    """A function from NAME to the annotations of that name, each read once."""

    @cache
    def read(name: str) -> tuple[Instances, Captions]:
        instances = read_instances(folder / f"instances_{name}.json", hint)
        return instances, read_captions(folder / f"captions_{name}.json", hint)

    return read


def in_split(split: str, ids: np.ndarray, val_images: int | str | None, seed: int) -> np.ndarray:
    """Which images (N,) of a split's file are in the split, as bool: all, but that those of ``val_images``
    validate instead of being trained on: how many, drawn by ``seed``, or a file of their ids.
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
    """Image ids, one a line; raises UserError where one is not among the ``known``."""
    if not path.is_file():
        raise UserError(f"data.val_images={path}: there is no such file")
    present, ids = set(known.tolist()), []
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            if not line.strip().isdecimal() or int(line) not in present:
                raise UserError(f"{path}, line {number}: there is no image {line.strip()} to train on")
            ids.append(int(line))
    return ids


def layout_heads(given: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Head]:
    """The heads of a config; raises UserError for those that boxes do not have."""
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
    """The boxes (A, 4) on the square of the ``chosen`` images (B,), ascending, as scenes in canonical order:
    the lowest bottom edge first, then from left to right, then by class. Exact in places and extents; with
    their size and aspect among so many ``classes``.
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
