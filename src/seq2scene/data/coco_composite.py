"""Composites of COCO photos as Text2Scene reads them (Tan et al. 2019): a caption tells what is in a photo,
and the pieces of the photo, things and stuff, are what it is put together from.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from seq2scene.compositing.compositor import Compositor
from seq2scene.compositing.patch_store import PatchStore
from seq2scene.compositing.store_building import store_patches
from seq2scene.data.coco import OUTSIDE, read_captions
from seq2scene.data.coco_entries import file_within
from seq2scene.data.coco_layout import CLASSES, in_split, layout_heads
from seq2scene.data.coco_masks import Pieces
from seq2scene.data.park.choosing import made_by
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.data.pieces_cache import stored_pieces
from seq2scene.data.scene_module import SceneModule, Split, StopWords, VocabularyFrom
from seq2scene.errors import UserError
from seq2scene.nets.vision.image_encoder import ImageEncoder
from seq2scene.scenes.batch import SceneBatch
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import LEAST, MOST, Schema, aspect_classes, choose_appearance, size_classes
from seq2scene.sequences.corpus import how_to_get

SOURCES = {"train": "train2017", "val": "val2017", "test": "val2017"}
ATTRIBUTES = ("size", "aspect")


class CocoComposite(SceneModule):
    """ROOT/annotations/{captions,instances,stuff}_NAME.json and the photos of NAME in ROOT/PHOTOS/NAME. The
    photos of a split and their pieces are cut once and stored in the cache (``compositing.store_building``);
    photos without a caption, and without a piece, are left out, and what ``read_pieces`` leaves out.

    sources: the NAME that each split is read from. val_images: training photos that validate instead of
    those of another NAME, as of ``CocoLayout``; their patches can still be retrieved. stuff: ``stuff`` or
    ``panoptic``, where it is read from. overlap, min_thing, min_stuff: which pieces are left out, see
    ``data.coco_masks``. encoder: a frozen image encoder whose view of each patch is stored too and read by
    the patch encoder; None: none. grid: ``columns`` and ``rows``; None: 32 of each. heads: of size and
    aspect, as of ``CocoLayout``, and appearance, a vector of ``size`` numbers; None: the first two, of 17
    classes. side, photo_side: pixels of stored patches and photos. The rest as of ``SceneModule``.
    """

    def __init__(
        self,
        root: str,
        photos: str = "images",
        sources: dict[str, str] | None = None,
        val_images: int | str | None = None,
        stuff: Literal["stuff", "panoptic"] = "stuff",
        overlap: float | None = 0.8,
        min_thing: float = 0.01,
        min_stuff: float = 0.04,
        encoder: ImageEncoder | None = None,
        side: int = 64,
        photo_side: int = 128,
        grid: dict[str, int] | None = None,
        heads: dict[str, dict[str, Any]] | None = None,
        max_objects: int = 11,
        stop_words: StopWords = "keep",
        max_words: int | None = None,
        min_count: int = 1,
        vocabulary_from: VocabularyFrom = "train",
        glove: str | None = None,
        batch_size: int = 4,
        eval_batch_size: int = 32,
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
        self.files, self.val_images = dict(SOURCES if sources is None else sources), val_images
        if val_images is not None:
            self.files["val"] = self.files["train"]
        if encoder is not None and not encoder.frozen:
            raise UserError("data.encoder.frozen=false: what it sees is stored, so it cannot learn")
        self.photos, self.stuff, self.overlap = photos, stuff, overlap
        self.min_thing, self.min_stuff, self.encoder = min_thing, min_stuff, encoder
        self.side, self.photo_side, self.max_objects = side, photo_side, max_objects
        self._require_positive("max_objects", "side", "photo_side")
        grid = grid or {"columns": 32, "rows": 32}
        self.grid = Grid(grid["columns"], grid["rows"], LEAST, LEAST, MOST, MOST)
        heads = {name: {"classes": CLASSES} for name in ("size", "aspect")} if heads is None else dict(heads)
        self.appearance = choose_appearance(heads.pop("appearance", None))
        self.heads = layout_heads(heads)
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
        self.heads, self.appearance = self.schema.heads, self.schema.appearance
        self.photo_side = description.get("photo_side", self.photo_side)  # older checkpoints do not tell

    def _make_schema(self) -> Schema:
        store = self._store("train")
        return Schema(
            store.names,
            self.grid,
            self.heads,
            self.max_objects,
            self.sentences,
            canvas=(1.0, 1.0),
            things=store.things,
            appearance=self.appearance,
        )

    @property
    def _hint(self) -> str:
        return f"; {how_to_get(self.fetch)}"

    def photo_folder(self, split: str) -> Path:
        return self.folder / self.photos / self.files[split]

    def compositor(self, split: str) -> Compositor:
        """Renders the true scenes of a split; after ``setup``."""
        assert self.schema is not None, "setup first"
        return Compositor.of_split(self.stores[split], self.photo_folder(split), self.schema)

    # Reading

    def _annotations(self, kind: str, split: str) -> Path:
        return self.folder / "annotations" / f"{kind}_{self.files[split]}.json"

    def _captions(self, split: str) -> dict[int, list[str]]:
        """The captions of each photo that has some."""
        found = read_captions(self._annotations("captions", split), self._hint)
        if blank := found.blank.sum():
            self._report("%s: %d captions are empty and left out", split, blank)
        return {n: t for n, t in zip(found.images.ids.tolist(), found.texts, strict=True) if t}

    def _store(self, split: str) -> PatchStore:
        if split not in self.stores:
            kind = self.files[split], self._crowded(split)
            known = next((s for s in self.stores if (self.files[s], self._crowded(s)) == kind), None)
            self.stores[split] = self.stores[known] if known else self._cut(split)
        return self.stores[split]

    def _crowded(self, split: str) -> Literal["leave_out", "cut"]:
        """What becomes of a split's photos with too many pieces."""
        trained = split == "train" or (split == "val" and self.val_images is not None)
        return "leave_out" if trained else "cut"

    def _cut(self, split: str) -> PatchStore:
        pieces, told = self._pieces(split), self._annotations("instances", split)
        paths = [file_within(self.photo_folder(split), name, told) for name in pieces.images.files]
        return store_patches(
            pieces, paths, self.cache, self.encoder, self.side, self.photo_side, self.files[split], self._hint
        )

    def _pieces(self, split: str) -> Pieces:
        pieces = stored_pieces(
            self.folder,
            self.files[split],
            self.cache,
            self.stuff,
            self.overlap,
            self.min_thing,
            self.min_stuff,
            self.max_objects,
            crowded=self._crowded(split),
            hint=self._hint,
        )
        tally = pieces.tally
        crowded = {"leave_out": "left out", "cut": "cut short"}[self._crowded(split)]
        self._report(
            "%s: %d things and parts of stuff in %d of %d photos; left out: %d crowds, %d %s, %d small "
            "pieces, %d doubles, %d without a pixel; %d photos with more than %d are %s; %d photos have no "
            "stuff",
            *(split, len(pieces.ids), len(pieces.images.ids), tally.images, tally.crowds, tally.outside),
            *(OUTSIDE, tally.small, tally.doubles, tally.empty, tally.crowded, self.max_objects),
            *(crowded, tally.without_stuff),
        )
        return pieces

    def _read(self, split: str) -> Split:
        store, captions = self._store(split), self._captions(split)
        if store.names != (self._store("train") if self.schema is None else self.schema).names:
            raise UserError(
                f"{self.folder}: the classes of {self.files[split]} are not those of the training photos, or "
                "of the checkpoint: all files must have the same, in the same order"
            )
        pieces_of = np.bincount(store.photo[store.classes > 0], minlength=len(store.image_ids))
        told = np.asarray([number in captions for number in store.image_ids.tolist()], dtype=bool)
        usable = in_split(split, store.image_ids, self.val_images, self.seed) & told
        chosen = np.flatnonzero((pieces_of > 0) & usable)
        if not len(chosen):
            raise UserError(
                f"{self.folder}: no photo of {self.files[split]} has a caption, and pieces above "
                f"data.min_thing={self.min_thing} and data.min_stuff={self.min_stuff}"
            )
        sizes = {name: self.heads[name].classes if name in self.heads else CLASSES for name in ATTRIBUTES}
        ids = store.image_ids[chosen].tolist()
        return Split(ids, lay_out(store, chosen, sizes), [[[text] for text in captions[n]] for n in ids])

    # Batches

    def _collate(self, split: str, truth: bool):
        base, store = super()._collate(split, truth), self._store(split)
        rows_of_scenes = np.searchsorted(store.image_ids, self.splits[split].numbers)
        scenes, learnt = self._of(split).scenes, self.appearance is not None
        negatives = Negatives(store.classes)

        def collate(rows: np.ndarray) -> SceneBatch:
            batch = base(rows)
            numbers = batch.target.patches.numpy()
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


@made_by(ensure_photos)
class ParkComposite(CocoComposite):
    """The park's photos, written under ``root`` on first use (see ``seq2scene.data.park``)."""


def lay_out(store: PatchStore, chosen: np.ndarray, classes: Mapping[str, int]) -> Objects:
    """The pieces of the ``chosen`` photos (B,), ascending, as scenes in canonical order, which is that of the
    store; exact in places and extents, with their size and aspect among so many ``classes``.
    """
    pieces = np.flatnonzero((store.classes > 0) & np.isin(store.photo, chosen))
    scene = np.searchsorted(chosen, store.photo[pieces])
    counts = np.bincount(scene, minlength=len(chosen))
    step = np.arange(len(pieces)) - (np.cumsum(counts) - counts)[scene]
    numbers = torch.full((len(chosen), int(counts.max())), -1)
    numbers[torch.from_numpy(scene), torch.from_numpy(step)] = torch.from_numpy(pieces)
    present = numbers >= 0
    boxes = torch.from_numpy(store.boxes)[numbers.clamp(min=0)] * present.unsqueeze(2)
    places, extents = boxes.split(2, dim=2)
    attributes = {
        "size": size_classes(*extents.unbind(2), classes["size"]) * present,
        "aspect": aspect_classes(*extents.unbind(2), classes["aspect"]) * present,
    }
    kinds = torch.from_numpy(store.classes)[numbers.clamp(min=0)] * present
    return Objects(kinds, places, attributes, extents, numbers)
