"""The photos of a split and the patches cut out of them, on disk: arrays that are read by rows, without
opening a photo (the composites of Text2Scene, Tan et al. 2019).

A folder of .npy files. For A patches: ``classes``, ``boxes``, ``ratios``, ``photo`` and ``ids``;
``pictures``, ``masks`` and ``labels``, as in ``LabelledPatches``, with eight pixels of a mask per byte;
``middles``, the segment's box in these pictures; ``features``, if there is a classifier; ``photo_masks``, on
the photo's square; ``runs`` and ``run_ends``, the masks as COCO's compressed run lengths at the photo's own
size. For N photos: ``photo_pictures``, on the square, ``image_ids``, ``files``, ``sizes`` and ``licenses``.
``facts.json`` has the rest.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seq2scene.arrays import read_array, undamaged
from seq2scene.errors import UserError
from seq2scene.scenes.objects import FIRST_CLASS
from seq2scene.scenes.photos import LabelledPatches, Patches, Photos

FACTS = "facts.json"
CHUNK = 4096  # patches read at a time


class PatchStore:
    """A patches of N photos. Both are numbered from 0; -1 stands for none, which reads as zeros.

    names: of the object classes from ``FIRST_CLASS`` on; the first ``things`` are things, the rest stuff.
    classes: (A,) int64; 0 where the photo could not be used, so that nothing of the patch is stored. boxes:
    (A, 4) float32 centre x, y, width and height of the segment as shares of the photo's square, in which the
    photo lies at the bottom left. photo: (A,) int64, which photo each patch comes from. ids: (A,) text, of
    the annotations. ratios: (A,) float32 width over height in the photo. image_ids: (N,) int64. files: (N,)
    text. sizes: (N, 2) int64 widths and heights in pixels. licenses: (N,) int64, -1 where unknown. terms:
    name and address of each licence, as far as they are known. lacking: why each unusable file could not be
    used. side, photo_side: pixels of patches and of photos.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / FACTS).is_file():
            raise UserError(f"{folder} is no store of patches")
        with undamaged(folder / FACTS):
            facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
            self.names: tuple[str, ...] = tuple(facts["names"])
            self.things: int = facts["things"]
            self.side: int = facts["side"]
            self.photo_side: int = facts["photo_side"]
            self.lacking: dict[str, str] = facts["lacking"]
            self.terms = {int(number): tuple(named) for number, named in facts["terms"].items()}
            has_features = bool(facts["features"])
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
        self._features = self._mapped("features") if has_features else None

    @classmethod
    def open(cls, folder: Path | str) -> "PatchStore":
        """Raises Damaged if the folder is not a finished store, or a file of it is damaged."""
        return cls(Path(folder))

    def __reduce__(self) -> tuple:  # other processes open the folder instead of receiving gigabytes
        return PatchStore.open, (self.folder,)

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def first_stuff(self) -> int:
        return FIRST_CLASS + self.things

    @property
    def features(self) -> int:
        """The size of the classifier's vectors; 0 without a classifier."""
        return 0 if self._features is None else self._features.shape[1]

    def labelled_patches(self, numbers: np.ndarray) -> LabelledPatches:
        """The patches ``numbers`` (N,) as the patch encoder sees them."""
        return LabelledPatches(
            pictures=_read(self._pictures, numbers),
            masks=_unpacked(_read(self._masks, numbers), self.side),
            labels=_read(self._labels, numbers),
            features=None if self._features is None else _read(self._features, numbers),
        )

    def photos(self, rows: np.ndarray, numbers: np.ndarray) -> Photos:
        """The photos ``rows`` (B,), uint8, with the masks of the segments ``numbers`` (B, T)."""
        masks = _unpacked(_read(self._photo_masks, numbers), self.photo_side)
        return Photos(_read(self._photo_pictures, rows), masks)

    def patches(self, numbers: np.ndarray) -> Patches:
        """The patches ``numbers``, (N,) or (B, T), to be pasted: pictures (..., 3, side, side) uint8,
        stretched to squares, and masks (..., 1, side, side) bool. Boxes are the middle half, up to the
        rounding of windows to whole pixels.
        """
        masks = _unpacked(_read(self._masks, numbers), self.side)
        rows = np.maximum(numbers, 0)  # even the box of an empty patch must have an area
        return Patches(
            pictures=_read(self._pictures, numbers),
            masks=masks.unsqueeze(-3),
            boxes=torch.from_numpy(self._middles[rows]),
            ratios=torch.from_numpy(self.ratios[rows]),
        )

    def fullness(self) -> np.ndarray:
        """(A,) the share of its box that each segment fills: the middle half of its patch."""
        edge, found = self.side // 4, np.zeros(len(self), dtype=np.float32)
        inner = slice(edge, self.side - edge)
        for first in range(0, len(self), CHUNK):
            some = np.arange(first, min(first + CHUNK, len(self)))
            masks = _unpacked(_read(self._masks, some), self.side)
            found[some] = masks[:, inner, inner].float().mean((1, 2)).numpy()
        return found

    def broken(self, things: float, stuff: float) -> np.ndarray:
        """(A,) bool: patches of segments that others hide in part, or that have holes where things stood.
        They fill less of their box than ``things`` or ``stuff`` times what the fullest twentieth of their
        class do.
        """
        fullness, broken = self.fullness(), np.zeros(len(self), dtype=bool)
        for number in np.unique(self.classes[self.classes > 0]):
            of_class = self.classes == number
            least = (things if number < self.first_stuff else stuff) * np.quantile(fullness[of_class], 0.95)
            broken |= of_class & (fullness < least)
        return broken

    def run(self, number: int) -> bytes:
        """The mask of a patch as COCO's compressed run lengths, at the photo's own size."""
        first, end = self._run_ends[number : number + 2]
        return self._runs[first:end].tobytes()

    def credit(self, number: int) -> dict[str, Any]:
        """Where a patch comes from: its photo's file name, the id of its annotation, and the name and address
        of the photo's licence, None if unknown.
        """
        photo = self.photo[number]
        terms = self.terms.get(int(self.licenses[photo]))
        known = None if terms is None else dict(zip(("name", "url"), terms, strict=True))
        return {"photo": str(self.files[photo]), "id": str(self.ids[number]), "license": known}

    def number(self, credit: Mapping[str, Any]) -> int:
        """The number of the patch of a ``credit``, by its photo and id; KeyError where there is none."""
        for number in np.flatnonzero(self.ids == str(credit["id"])).tolist():
            if str(self.files[self.photo[number]]) == credit["photo"]:
                return number
        raise KeyError(credit["id"])

    def _whole(self, name: str) -> np.ndarray:
        return read_array(self.folder / f"{name}.npy")

    def _mapped(self, name: str) -> np.ndarray:
        return read_array(self.folder / f"{name}.npy", "r")


def packed(masks: np.ndarray) -> np.ndarray:
    """Masks (N, side, side) bool -> (N, bytes), eight pixels per byte, as they are stored."""
    return np.packbits(masks.reshape(len(masks), masks.shape[1] * masks.shape[2]), axis=1)


def _read(array: np.ndarray, numbers: np.ndarray) -> Tensor:
    """Rows of an array; zeros for the number -1."""
    rows = np.asarray(array[np.maximum(numbers, 0)])
    rows[numbers < 0] = 0
    return torch.from_numpy(rows)


def _unpacked(masks: Tensor, side: int) -> Tensor:
    """(..., bytes) -> (..., side, side) bool."""
    bits = np.unpackbits(masks.numpy(), axis=-1, count=side * side)
    return torch.from_numpy(bits.view(bool)).unflatten(-1, (side, side))
