"""Scenes as tensors: object classes, places and attributes, in the order of placement."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

PAD, SOS, EOS = 0, 1, 2  # special object classes: padding, start and end of a scene
FIRST_CLASS = 3


@dataclass(frozen=True)
class Objects:
    """Up to T objects of each of B scenes, padded at the end.

    classes: (B, T) int64, ``FIRST_CLASS`` and above for objects; EOS may follow the last one, then PAD.
    places: (B, T, 2) float32, the centres of the objects in canvas units, y downwards; 0 where there is no
    object.
    attributes: by head name, (B, T) int64, 0 where there is no object.
    extents: (B, T, 2) float32, exact widths and heights in canvas units, if known independently of class and
    attributes; else None.
    patches: (B, T) int64, the patch number of each object cut out of a photo, -1 where there is none; else
    None.
    """

    classes: Tensor
    places: Tensor
    attributes: dict[str, Tensor]
    extents: Tensor | None = None
    patches: Tensor | None = None

    @classmethod
    def of(cls, classes: Tensor, places: Tensor, attributes: dict[str, Tensor]) -> Self:
        """Objects of ``classes`` (B, T); ``places`` and ``attributes`` become 0 where there is no object."""
        present = classes >= FIRST_CLASS
        kept = {name: values * present for name, values in attributes.items()}
        return cls(classes, places * present.unsqueeze(2), kept)

    def __len__(self) -> int:
        return len(self.classes)

    def patch_numbers(self) -> np.ndarray:
        """``patches``, of scenes whose objects were cut out of photos."""
        assert self.patches is not None, "the objects of a composite have patches"
        return self.patches.numpy()

    @property
    def present(self) -> Tensor:
        """(B, T) bool: True where there is an object."""
        return self.classes >= FIRST_CLASS

    def __getitem__(self, index: Tensor | slice) -> Self:
        """Only the scenes ``index`` (any,)."""
        return self._map(lambda tensor: tensor[index])

    def cut(self, steps: int) -> Self:
        """The first ``steps`` positions of every scene."""
        return self._map(lambda tensor: tensor[:, :steps])

    def at(self, step: int) -> Self:
        """Only position ``step`` of every scene, T = 1."""
        return self._map(lambda tensor: tensor[:, step : step + 1])

    def beside(self, other: Self) -> Self:
        """The objects of each scene followed by those of ``other``; extents are dropped."""
        patches = None
        if self.patches is not None and other.patches is not None:
            patches = torch.cat([self.patches, other.patches], dim=1)
        return replace(
            self,
            classes=torch.cat([self.classes, other.classes], dim=1),
            places=torch.cat([self.places, other.places], dim=1),
            attributes={
                name: torch.cat([values, other.attributes[name]], dim=1)
                for name, values in self.attributes.items()
            },
            extents=None,
            patches=patches,
        )

    def take(self, order: Tensor) -> Self:
        """The objects at positions ``order`` (B, any) int64 of each scene, none where it is -1."""
        scenes = torch.arange(len(order), device=order.device).unsqueeze(1)
        taken = self._map(lambda tensor: tensor[scenes, order.clamp(min=0)])
        return replace(taken, classes=taken.classes.where(order >= 0, PAD))

    def previous(self) -> Tensor:
        """(B, T) the previous class at each step, SOS first: the object decoder's input under teacher
        forcing.
        """
        return torch.cat([torch.full_like(self.classes[:, :1], SOS), self.classes[:, :-1]], dim=1)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        return self._map(Tensor.pin_memory)

    def _map(self, change: Callable[[Tensor], Tensor]) -> Self:
        return replace(
            self,
            classes=change(self.classes),
            places=change(self.places),
            attributes={name: change(values) for name, values in self.attributes.items()},
            extents=None if self.extents is None else change(self.extents),
            patches=None if self.patches is None else change(self.patches),
        )
