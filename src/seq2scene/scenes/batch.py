"""Batches of scenes with the sentences that describe them, as data modules yield them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from seq2scene.scenes.facts import Facts
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.photos import LabelledPatches, Photos
from seq2scene.sequences.batch import Sentences


@dataclass(frozen=True)
class SceneBatch:
    """B scenes.

    texts: B * S sentences, those of a scene adjacent; scenes with fewer than S are padded with empty ones.
    target: the objects to place, in canonical order, each scene ending in EOS. truth: for evaluation, the
    full scenes, neither truncated nor snapped to the grid, with every attribute in the data; else None. rows:
    (B,) int64 on the CPU, the index of each sample in its split. facts: for evaluation and self-critical
    training, the facts that each text states, if the data provides them; else None. stated: for other
    training, these facts as (F, 4) int64, see ``scenes.statements``; else None.

    For composites, photos: with the masks of the objects. positives: the patches of the P target objects,
    scene by scene. negatives: for each, another patch of its class. paired: (P,) bool, False if the class has
    no other patch, so that the negative is the positive itself.
    """

    texts: Sentences
    target: Objects
    rows: Tensor
    truth: Objects | None = None
    facts: tuple[Facts, ...] | None = None
    stated: Tensor | None = None
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
        kept = ("rows", "facts")
        parts = {name: part for name, part in vars(self).items() if name not in kept and part is not None}
        return replace(self, **{name: change(part) for name, part in parts.items()})
