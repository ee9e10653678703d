"""Objects cut out of photos, as the patch encoder of Text2Scene's composites sees them (Tan et al. 2019)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Cuts:
    """N objects, each in a window around it of twice its box's width and height, stretched to side x side
    pixels, so that its box fills the middle half.

    pictures: (N, 3, side, side) uint8, red, green and blue, black beyond the photo's edge. masks:
    (N, side, side) bool, where the object is. labels: (N, side, side) uint8, the class of each pixel, 0 where
    there is none. features: (N, F) float16, what a frozen classifier makes of the picture; else None.
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
