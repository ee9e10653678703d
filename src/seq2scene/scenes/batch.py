"""Batches of scenes and the sentences that tell them: what data hands to tasks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from seq2scene.scenes.objects import Objects
from seq2scene.scenes.photos import LabelledPatches, Photos
from seq2scene.sequences.batch import Sentences


@dataclass(frozen=True)
class SceneBatch:
    """B scenes.

    texts: the sentences, B * S of them, those of a scene adjacent; a scene told in fewer has empty ones.
    target: the objects to place, in their canonical order, each scene ended by EOS. truth: for evaluation,
    the whole scenes, neither cut nor put on the grid, with every attribute that the data has; else None.
    rows: (B,) int64 on the CPU, the number of each sample in its split.

    Of composites: photos: with the masks of the objects. positives: the patches of the P objects of the
    target, scene by scene. negatives: for each of them another patch of its class. paired: (P,) bool, False
    if the class has no other patch, so that the negative is the patch itself.
    """

    texts: Sentences
    target: Objects
    rows: Tensor
    truth: Objects | None = None
    photos: Photos | None = None
    positives: LabelledPatches | None = None
    negatives: LabelledPatches | None = None
    paired: Tensor | None = None

    def __len__(self) -> int:
        return len(self.target)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        return self._map(lambda part: part.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        return self._map(lambda part: part.pin_memory())

    def _map(self, change: Callable[[Any], Any]) -> Self:
        parts = {name: part for name, part in vars(self).items() if name != "rows" and part is not None}
        return replace(self, **{name: change(part) for name, part in parts.items()})
