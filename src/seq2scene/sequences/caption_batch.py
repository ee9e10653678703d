"""Batches of images and captions: what data hands to tasks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from seq2scene.sequences.batch import Sentences


@dataclass(frozen=True)
class Layouts:
    """Objects of B images, S places of each, padded at the end, S at least 1.

    classes: (B, S) int64, the number of each object's class, 0 where there is none. boxes: (B, S, 4) float32
    centre x, y, width and height as shares of a square canvas, y downwards.
    """

    classes: Tensor
    boxes: Tensor

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def mask(self) -> Tensor:
        """(B, S) bool: True where there is an object."""
        return self.classes != 0

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        moved = (part.to(device, non_blocking=non_blocking) for part in (self.classes, self.boxes))
        return type(self)(*moved)

    def pin_memory(self) -> Self:
        return type(self)(self.classes.pin_memory(), self.boxes.pin_memory())


@dataclass(frozen=True)
class CaptionBatch:
    """B images, each with a caption to write.

    images: (B, 3, H, W) uint8, photos in red, green and blue, which the image encoder normalises; or None,
    where ``features`` has what a frozen encoder made of them: maps (B, D, y, x), half precision as stored; or
    where ``layouts`` tells which objects there are, and nobody sees a photo.
    target: the captions, each ending in EOS (the gold of teacher forcing). rows: (B,) int64 on the CPU, the
    number of each image in its split. references: for evaluation, all captions of each image, as they stand
    in the file.
    """

    images: Tensor | None
    target: Sentences
    rows: Tensor
    references: tuple[tuple[str, ...], ...] = ()
    features: Tensor | None = None
    layouts: Layouts | None = None

    def __len__(self) -> int:
        return len(self.target)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        return self._each(lambda part: part.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        return self._each(lambda part: part.pin_memory())

    def _each(self, do: Callable[[Any], Any]) -> Self:
        parts = {name: getattr(self, name) for name in ("images", "features", "layouts", "target")}
        return replace(self, **{name: do(part) for name, part in parts.items() if part is not None})
