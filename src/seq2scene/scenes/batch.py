"""Batches of scenes and the sentences that tell them: what data hands to tasks."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from seq2scene.scenes.objects import Objects
from seq2scene.sequences.batch import Sentences


@dataclass(frozen=True)
class SceneBatch:
    """B scenes.

    texts: the sentences, B * S of them, those of a scene adjacent; a scene told in fewer has empty ones.
    target: the objects to place, in their canonical order, each scene ended by EOS. truth: for evaluation,
    the whole scenes, neither cut nor put on the grid, with every attribute that the data has; else None.
    rows: (B,) int64 on the CPU, the number of each sample in its split.
    """

    texts: Sentences
    target: Objects
    rows: Tensor
    truth: Objects | None = None

    def __len__(self) -> int:
        return len(self.target)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        truth = None if self.truth is None else self.truth.to(device, non_blocking)
        return replace(
            self,
            texts=self.texts.to(device, non_blocking),
            target=self.target.to(device, non_blocking),
            truth=truth,
        )

    def pin_memory(self) -> Self:
        truth = None if self.truth is None else self.truth.pin_memory()
        return replace(self, texts=self.texts.pin_memory(), target=self.target.pin_memory(), truth=truth)
