"""Photos that objects are cut out of, and what is cut out of them, as tensors."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Patches:
    """Objects cut out of photos, padded to one size; leading axes (N,) or (B, T).

    pictures: (..., 3, h, w) red, green and blue from 0 to 255. masks: (..., 1, h, w) from 0 to 1, where the
    object is. boxes: (..., 4) its centre x, y, width and height in pixels of the picture, whose first pixel
    lies from 0 to 1. ratios: (...,) width over height of the object before its picture was stretched; None
    where it was not and the box says so.
    """

    pictures: Tensor
    masks: Tensor
    boxes: Tensor
    ratios: Tensor | None = None

    def flatten(self) -> Self:
        """(B, T) of them as (B T,)."""
        ratios = None if self.ratios is None else self.ratios.flatten()
        return Patches(
            self.pictures.flatten(0, 1), self.masks.flatten(0, 1), self.boxes.flatten(0, 1), ratios
        )


@dataclass(frozen=True)
class Photos:
    """The photos that B scenes were taken from, square, and where in them each of T objects is.

    pictures: (B, 3, side, side) red, green and blue from 0 to 255. masks: (B, T, side, side) bool.
    """

    pictures: Tensor
    masks: Tensor

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        return Photos(*(each.to(device, non_blocking=non_blocking) for each in (self.pictures, self.masks)))

    def pin_memory(self) -> Self:
        return Photos(self.pictures.pin_memory(), self.masks.pin_memory())
