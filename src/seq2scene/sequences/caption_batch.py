"""Batches of images and captions: what data hands to tasks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from seq2scene.sequences.batch import Sentences


@dataclass(frozen=True)
class CaptionBatch:
    """B images, each with a caption to write.

    images: (B, 3, H, W) uint8, photos in red, green and blue, which the image encoder normalises; or None,
    where ``features`` has what a frozen encoder made of them: maps (B, D, y, x), half precision as stored.
    target: the captions, each ending in EOS (the gold of teacher forcing). rows: (B,) int64 on the CPU, the
    number of each image in its split. references: for evaluation, all captions of each image, as they stand
    in the file.
    """

    images: Tensor | None
    target: Sentences
    rows: Tensor
    references: tuple[tuple[str, ...], ...] = ()
    features: Tensor | None = None

    def __len__(self) -> int:
        return len(self.target)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        return self._each(lambda part: part.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        return self._each(lambda part: part.pin_memory())

    def _each(self, do: Callable) -> Self:
        images = None if self.images is None else do(self.images)
        features = None if self.features is None else do(self.features)
        return replace(self, images=images, features=features, target=do(self.target))
