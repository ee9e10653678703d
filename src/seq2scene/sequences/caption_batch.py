"""Batches of images and captions, passed from data modules to tasks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor

from seq2scene.sequences.batch import Sentences


@dataclass(frozen=True)
class Layouts:
    """Objects of B images or scenes, right-padded to S objects, S at least 1.

    classes: (B, S) int64, each object's class, 0 on padding. boxes: (B, S, 4) float32 centre x, y, width and
    height as fractions of a square canvas, y pointing down. attributes: of clip art, by name, (B, S) int64, 0
    on padding.
    """

    classes: Tensor
    boxes: Tensor
    attributes: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def mask(self) -> Tensor:
        """(B, S) bool: True for real objects."""
        return self.classes != 0

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        return self._each(lambda part: part.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        return self._each(Tensor.pin_memory)

    def _each(self, do: Callable[[Tensor], Tensor]) -> Self:
        attributes = {name: do(values) for name, values in self.attributes.items()}
        return type(self)(do(self.classes), do(self.boxes), attributes)


@dataclass(frozen=True)
class CaptionBatch:
    """B images, each with a caption to write.

    images: (B, 3, H, W) uint8, RGB photos, to be normalised by the image encoder; None if ``features`` has
    the maps (B, D, y, x) of a frozen encoder, in half precision as stored, or if ``layouts`` has the objects
    instead of a photo.
    target: the captions, each ending in EOS (the gold tokens of teacher forcing). rows: (B,) int64 on the
    CPU, the index of each image in its split. references: all original captions of each image.
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
