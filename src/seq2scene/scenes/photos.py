"""Photos and the patches cut out of them, as tensors (Text2Scene's composites, Tan et al. 2019).

A segment is an annotated region of a photo, a thing or an area of stuff. A patch is cut out of the photo
around a segment, with margins.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Patches:
    """Patches to paste, padded to a common size; leading axes (N,) or (B, T).

    pictures: (..., 3, h, w) RGB from 0 to 255. masks: (..., 1, h, w) from 0 to 1, 1 on the segment. boxes:
    (..., 4) the segment's centre x, y, width and height in pixels of the picture, whose first pixel spans 0
    to 1. ratios: (...,) aspect ratio (width / height) of the segment before its picture was stretched; None
    if it was not, and the box gives the ratio.
    """

    pictures: Tensor
    masks: Tensor
    boxes: Tensor
    ratios: Tensor | None = None

    def flatten(self) -> Self:
        """(B, T) patches as (B T,)."""
        return self.map(lambda tensor: tensor.flatten(0, 1))

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """The patches with each of their tensors changed."""
        return replace(
            self,
            pictures=change(self.pictures),
            masks=change(self.masks),
            boxes=change(self.boxes),
            ratios=None if self.ratios is None else change(self.ratios),
        )


@dataclass(frozen=True)
class LabelledPatches:
    """N patches as the patch encoder sees them: each is a window around the segment's box, of twice its width
    and height, resized to side x side pixels, so that the box fills the middle half.

    pictures: (N, 3, side, side) uint8, RGB, black beyond the photo's border. masks: (N, side, side) bool, the
    segment. labels: (N, side, side) uint8, the class of each pixel, 0 for none. features: (N, F) float16, a
    frozen classifier's features of the picture, or None.
    """

    pictures: Tensor
    masks: Tensor
    labels: Tensor
    features: Tensor | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: Tensor | slice) -> Self:
        return self._map(lambda tensor: tensor[index])

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        return self._map(Tensor.pin_memory)

    def _map(self, change: Callable[[Tensor], Tensor]) -> Self:
        features = None if self.features is None else change(self.features)
        return replace(
            self,
            pictures=change(self.pictures),
            masks=change(self.masks),
            labels=change(self.labels),
            features=features,
        )


@dataclass(frozen=True)
class Photos:
    """The square photos of B scenes, with the masks of T segments each.

    pictures: (B, 3, side, side) RGB from 0 to 255. masks: (B, T, side, side) bool.
    """

    pictures: Tensor
    masks: Tensor

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        return self._map(Tensor.pin_memory)

    def _map(self, change: Callable[[Tensor], Tensor]) -> Self:
        return replace(self, pictures=change(self.pictures), masks=change(self.masks))
