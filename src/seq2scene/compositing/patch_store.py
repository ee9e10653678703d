"""The photos of a split and the objects cut out of them, on disk: arrays that are read by rows, without a
photo being opened (the composites of Text2Scene, Tan et al. 2019).

A folder of .npy files. Of A objects: ``classes``, ``boxes``, ``ratios``, ``middles``, ``photo``, ``ids``;
``pictures``, ``masks`` and ``labels``, what ``Cuts`` are made of, masks eight pixels a byte; ``features``,
where a classifier was asked; ``photo_masks``, on the photo's square; ``runs`` and ``run_ends``, the masks as
COCO's compressed run lengths at the photo's own size. Of N photos: ``photo_pictures``, on the square,
``image_ids``, ``files``, ``sizes``, ``licenses``. ``facts.json`` is the rest.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seq2scene.errors import UserError
from seq2scene.scenes.objects import FIRST_CLASS
from seq2scene.scenes.patch_crops import Cuts
from seq2scene.scenes.photos import Patches, Photos

FACTS = "facts.json"


class PatchStore:
    """A objects of N photos. Both are named by their numbers, from 0; -1 is none, and what is read of it is 0
    everywhere.

    names: of the object classes, ``FIRST_CLASS`` and on; ``things`` of them are things, stuff the rest.
    classes: (A,) int64; 0 where the photo could not be used: nothing is stored of such an object.
    boxes: (A, 4) float32 centre x, y, width and height as shares of the photo's square, in which it lies at
    the bottom on the left. photo: (A,) int64. ids: (A,) text, as the annotations have them. ratios: (A,)
    float32 width over height in the photo.
    image_ids: (N,) int64. files: (N,) text. sizes: (N, 2) int64 widths and heights in pixels. licenses: (N,)
    int64, -1 where unknown; terms: name and address of each, as far as they are known.
    lacking: of each file that could not be used why not. side, photo_side: pixels of cuts and of photos.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        facts = read_facts(folder)
        self.names: tuple[str, ...] = tuple(facts["names"])
        self.things: int = facts["things"]
        self.side: int = facts["side"]
        self.photo_side: int = facts["photo_side"]
        self.lacking: dict[str, str] = facts["lacking"]
        self.terms = {int(number): tuple(said) for number, said in facts["terms"].items()}
        # small enough to be held in memory
        self.classes, self.boxes, self.ratios, self.photo = map(
            self._whole, ("classes", "boxes", "ratios", "photo")
        )
        self.image_ids, self.sizes, self.licenses = map(self._whole, ("image_ids", "sizes", "licenses"))
        self._middles, self._run_ends = self._whole("middles"), self._whole("run_ends")
        self.ids, self.files = self._mapped("ids"), self._mapped("files")
        self._pictures, self._masks, self._labels = map(self._mapped, ("pictures", "masks", "labels"))
        self._photo_pictures, self._photo_masks = map(self._mapped, ("photo_pictures", "photo_masks"))
        self._runs = self._mapped("runs")
        self._features = self._mapped("features") if facts["features"] else None

    @classmethod
    def open(cls, folder: Path | str) -> "PatchStore":
        """Raises UserError where there is no finished store."""
        return cls(Path(folder))

    def __reduce__(self) -> tuple:  # another process opens it anew instead of being sent gigabytes
        return PatchStore.open, (self.folder,)

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def first_stuff(self) -> int:
        return FIRST_CLASS + self.things

    @property
    def features(self) -> int:
        """The size of the classifier's vectors; 0 where there are none."""
        return 0 if self._features is None else self._features.shape[1]

    def cuts(self, numbers: np.ndarray) -> Cuts:
        """The objects ``numbers`` (N,) as the patch encoder sees them."""
        return Cuts(
            pictures=_read(self._pictures, numbers),
            masks=_unpacked(_read(self._masks, numbers), self.side),
            labels=_read(self._labels, numbers),
            features=None if self._features is None else _read(self._features, numbers),
        )

    def photos(self, rows: np.ndarray, numbers: np.ndarray) -> Photos:
        """The photos ``rows`` (B,), uint8, and where in them the objects ``numbers`` (B, T) are."""
        masks = _unpacked(_read(self._photo_masks, numbers), self.photo_side)
        return Photos(_read(self._photo_pictures, rows), masks)

    def patches(self, numbers: np.ndarray) -> Patches:
        """The objects ``numbers``, (N,) or (B, T), to be pasted: pictures (..., 3, side, side) uint8,
        stretched to squares, and masks (..., 1, side, side) bool. Boxes are the middle half, but for the
        rounding of windows to whole pixels.
        """
        masks = _unpacked(_read(self._masks, numbers), self.side)
        rows = np.maximum(numbers, 0)  # a box must have an area, even where nothing is to be seen
        return Patches(
            pictures=_read(self._pictures, numbers),
            masks=masks.unsqueeze(-3),
            boxes=torch.from_numpy(self._middles[rows]),
            ratios=torch.from_numpy(self.ratios[rows]),
        )

    def run(self, number: int) -> bytes:
        """The mask of an object as COCO's compressed run lengths, at the photo's own size."""
        first, end = self._run_ends[number : number + 2]
        return self._runs[first:end].tobytes()

    def _whole(self, name: str) -> np.ndarray:
        return np.load(self.folder / f"{name}.npy")

    def _mapped(self, name: str) -> np.ndarray:
        return np.load(self.folder / f"{name}.npy", mmap_mode="r")


def packed(masks: np.ndarray) -> np.ndarray:
    """Masks (N, side, side) bool -> (N, bytes), eight pixels each, as a store keeps them."""
    return np.packbits(masks.reshape(len(masks), masks.shape[1] * masks.shape[2]), axis=1)


def read_facts(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder} is no store of patches, or not a finished one ({error}): make it anew"
        ) from error


def _read(array: np.ndarray, numbers: np.ndarray) -> Tensor:
    """Rows of an array, 0 for those of number -1."""
    rows = np.asarray(array[np.maximum(numbers, 0)])
    rows[numbers < 0] = 0
    return torch.from_numpy(rows)


def _unpacked(masks: Tensor, side: int) -> Tensor:
    """(..., bytes) -> (..., side, side) bool."""
    bits = np.unpackbits(masks.numpy(), axis=-1, count=side * side)
    return torch.from_numpy(bits.view(bool)).unflatten(-1, (side, side))
