"""Composites of COCO photos as used by Text2Scene (Tan et al. 2019): captions, and the segments of the
photos, things and stuff, that composites are made of.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from seq2scene.compositing.compositor import Compositor
from seq2scene.compositing.patch_store import PatchStore
from seq2scene.compositing.store_building import store_patches
from seq2scene.data.coco.annotations import OUTSIDE
from seq2scene.data.coco.entries import file_within
from seq2scene.data.coco.segments import Crowded, Segments
from seq2scene.data.coco.segments_cache import stored_segments
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
from seq2scene.data.scenes.scene_module import Collate, Split
from seq2scene.errors import UserError
from seq2scene.nets.vision.image_encoder import ImageEncoder
from seq2scene.scenes.batch import SceneBatch
from seq2scene.scenes.canonical_order import by_type
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Schema, choose_appearance
from seq2scene.sequences.corpus import how_to_get


@dataclass(kw_only=True, eq=False)
class CompositeModule(PhotoScenes):
    """Composites of photos. The photos of a split and the patches of their segments are cut once and stored
    in the cache (``compositing.store_building``). Left out: photos without a caption or without a segment,
    and the segments that ``data.coco.segments`` leaves out.

    The patches of photos of the training file that are held out may still be retrieved. grid: None: 32
    columns and rows. heads: of size and aspect, as of layouts, and appearance, a vector of ``size`` numbers;
    None: the first two.
    """

    overlap: float | None = 0.8  # of two boxes of this intersection over union the larger stays; None: both
    min_thing: float = 0.01  # things no larger, as a share of the photo's pixels, are left out
    min_stuff: float = 0.04  # the same of segments of stuff
    encoder: ImageEncoder | None = None  # frozen; its features of patches are stored for the patch encoder
    side: int = 64  # pixels of stored patches
    photo_side: int = 128  # pixels of stored photos
    max_objects: int = 11  # of a photo; training photos with more are left out, others truncated
    batch_size: int = 4
    eval_batch_size: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoder is not None and not self.encoder.frozen:
            raise UserError("data.encoder.frozen=false: what it sees is stored, so it cannot learn")
        self._require_positive("side", "photo_side")
        self._grid = unit_grid(self.grid or {"columns": 32, "rows": 32})
        boxes = None if self.heads is None else {k: v for k, v in self.heads.items() if k != "appearance"}
        self._heads = box_heads(boxes)
        self.appearance = choose_appearance((self.heads or {}).get("appearance"))
        self.stores: dict[str, PatchStore] = {}

    def description(self) -> dict[str, Any]:
        store = self.stores["train"]
        return {
            **super().description(),
            "patches": str(store.folder),
            "features": store.features,
            "photo_side": store.photo_side,
            "photos": str(self.photo_folder("train")),
        }

    def use(self, description: Mapping[str, Any]) -> None:
        super().use(description)
        self.photo_side = description.get("photo_side", self.photo_side)  # missing in old checkpoints

    def use_schema(self, schema: Schema) -> None:
        super().use_schema(schema)
        self.appearance = schema.appearance

    def _make_schema(self) -> Schema:
        store = self._store("train")
        return Schema(
            store.names,
            self._grid,
            self._heads,
            self.max_objects,
            self.sentences,
            SQUARE,
            things=store.things,
            appearance=self.appearance,
            order=self.order,
        )

    @property
    def _hint(self) -> str:
        return f"; {how_to_get(self.fetch)}"

    # What subclasses provide

    @property
    def _source(self) -> dict[str, Any]:
        """How ``stored_segments`` reads the annotations."""
        raise NotImplementedError

    def photo_folder(self, split: str) -> Path:
        raise NotImplementedError

    def photo_path(self, split: str, name: str) -> Path:
        """The file of a photo, by its name in the annotations."""
        return file_within(self.photo_folder(split), name, self._instances_file(split))

    def compositor(self, split: str) -> Compositor:
        """Renders the true scenes of a split; after ``setup``."""
        return Compositor.of_split(self.stores[split], self.photo_folder(split), self.schema)

    # Reading

    def _store(self, split: str) -> PatchStore:
        if split not in self.stores:
            kind = self.files[split], self._crowded(split)
            known = next((s for s in self.stores if (self.files[s], self._crowded(s)) == kind), None)
            self.stores[split] = self.stores[known] if known else self._cut(split)
        return self.stores[split]

    def _crowded(self, split: str) -> Crowded:
        """What happens to photos of a split with too many segments."""
        return "leave_out" if split == "train" or self._is_held_out(split) else "cut"

    def _cut(self, split: str) -> PatchStore:
        segments = self._segments(split)
        paths = [self.photo_path(split, name) for name in segments.images.files]
        return store_patches(
            segments,
            paths,
            self.cache,
            self.encoder,
            self.side,
            self.photo_side,
            self.files[split],
            self._hint,
        )

    def _segments(self, split: str) -> Segments:
        segments = stored_segments(
            self.folder,
            self.files[split],
            self.cache,
            **self._source,
            overlap=self.overlap,
            min_thing=self.min_thing,
            min_stuff=self.min_stuff,
            max_objects=self.max_objects,
            crowded=self._crowded(split),
            hint=self._hint,
        )
        tally = segments.tally
        crowded = {"leave_out": "left out", "cut": "cut short"}[self._crowded(split)]
        self._report(
            "%s: %d things and parts of stuff in %d of %d photos; left out: %d crowds, %d %s, %d small "
            "segments, %d doubles, %d without a pixel; %d photos with more than %d are %s; %d photos have no "
            "stuff",
            *(split, len(segments.ids), len(segments.images.ids), tally.images, tally.crowds, tally.outside),
            *(OUTSIDE, tally.small, tally.doubles, tally.empty, tally.crowded, self.max_objects),
            *(crowded, tally.without_stuff),
        )
        return segments

    def _read(self, split: str) -> Split:
        store = self._store(split)
        if blank := self._captions(split).blank.sum():
            self._report("%s: %d captions are empty and left out", split, blank)
        if store.names != self.schema.names:
            raise UserError(
                f"{self.folder}: the classes of {self.files[split]} are not those of the training photos, or "
                "of the checkpoint: all files must have the same, in the same order"
            )
        segments_of = np.bincount(store.photo[store.classes > 0], minlength=len(store.image_ids))
        texts = self._texts(split, store.image_ids)
        captioned = np.asarray(list(map(bool, texts)), dtype=bool)
        usable = self._in_split(split, store.image_ids) & captioned
        chosen = np.flatnonzero((segments_of > 0) & usable)
        if not len(chosen):
            raise UserError(
                f"{self.folder}: no photo of {self.files[split]} has a caption, and segments above "
                f"data.min_thing={self.min_thing} and data.min_stuff={self.min_stuff}"
            )
        objects = lay_out(store, chosen, box_classes(self._heads))
        if self._placing_order == "type":
            objects = by_type(objects, store.things)
        return Split(store.image_ids[chosen].tolist(), objects, [texts[photo] for photo in chosen])

    # Batches

    def _collate(self, split: str, truth: bool) -> Collate:
        base, store = super()._collate(split, truth), self._store(split)
        rows_of_scenes = np.searchsorted(store.image_ids, self.splits[split].numbers)
        scenes, learnt = self._of(split).scenes, self.appearance is not None
        negatives = Negatives(store.classes)

        def collate(rows: np.ndarray) -> SceneBatch:
            batch = base(rows)
            numbers = batch.target.patch_numbers()
            photos = store.photos(rows_of_scenes[scenes[batch.rows.numpy()]], numbers[:, :-1])
            if not learnt:
                return replace(batch, photos=photos)
            own = numbers[numbers >= 0]
            rng = np.random.default_rng([self.seed, *batch.rows.tolist(), *own.tolist()])
            other = negatives.draw(own, rng)
            return replace(
                batch,
                photos=photos,
                positives=store.labelled_patches(own),
                negatives=store.labelled_patches(other),
                paired=torch.from_numpy(other != own),
            )

        return collate


@dataclass(kw_only=True, eq=False)
class CocoComposite(CocoSplits, CompositeModule):
    """ROOT/annotations/{captions,instances,stuff}_NAME.json and the photos of NAME in ROOT/PHOTOS/NAME.

    val_images: their patches may still be retrieved.
    """

    photos: str = "images"  # folder of the photos, under root
    stuff: Literal["stuff", "panoptic"] = "stuff"  # annotations that stuff is read from

    @property
    def _source(self) -> dict[str, Any]:
        return {"stuff": self.stuff}

    def photo_folder(self, split: str) -> Path:
        return self.folder / self.photos / self.files[split]


class Negatives:
    """Draws for each patch another one of its class, uniformly; the patch itself if it is the only one.

    classes: (A,) of all patches.
    """

    def __init__(self, classes: np.ndarray) -> None:
        self.order = np.argsort(classes, kind="stable")
        self.place = np.argsort(self.order)  # of each patch in that order
        self.classes = classes
        self.counts = np.bincount(classes)
        self.first = np.cumsum(self.counts) - self.counts

    def draw(self, numbers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """numbers (P,) -> (P,)."""
        kind = self.classes[numbers]
        own, count = self.place[numbers] - self.first[kind], self.counts[kind]
        step = rng.integers(1, np.maximum(count, 2))  # never 0, so never itself where there are two
        return self.order[self.first[kind] + (own + step) % count]


@dataclass(kw_only=True, eq=False)
class ParkComposite(Park, CocoComposite):
    """The park's photos, written under ``root`` on first use (see ``seq2scene.data.park``)."""

    write = staticmethod(ensure_photos)


def lay_out(store: PatchStore, chosen: np.ndarray, classes: Mapping[str, int]) -> Objects:
    """The segments of the ``chosen`` photos (B,), in ascending order, as scenes in canonical order, which is
    that of the store. Places and extents are exact; classes: how many the attributes size and aspect have.
    """
    segments = np.flatnonzero((store.classes > 0) & np.isin(store.photo, chosen))
    scene = np.searchsorted(chosen, store.photo[segments])
    numbers, boxes = store.classes[segments], store.boxes[segments]
    return padded_boxes(scene, len(chosen), numbers, boxes, classes, patches=segments)
