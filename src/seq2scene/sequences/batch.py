"""Batches of sentences: the only interface between data modules and tasks."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from seq2scene.sequences.padding import lengths_to_mask


@dataclass(frozen=True)
class Sentences:
    """Right-padded token ids of B sentences.

    ids: (B, T) int64. mask: (B, T) bool, True on real positions. lengths: (B,) int64, always on the CPU, so
    that packing never synchronises with the device.
    """

    ids: Tensor
    mask: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, ids: Tensor, lengths: Tensor) -> "Sentences":
        """From padded ids (B, T) and lengths (B,)."""
        return cls(ids, lengths_to_mask(lengths.to(ids.device), ids.shape[1]), lengths.cpu())

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Sentences":
        move = {"device": device, "non_blocking": non_blocking}
        return replace(self, ids=self.ids.to(**move), mask=self.mask.to(**move))

    def pin_memory(self) -> "Sentences":
        return replace(self, ids=self.ids.pin_memory(), mask=self.mask.pin_memory())


@dataclass(frozen=True)
class ParallelBatch:
    """B sentence pairs.

    source: the input sentences. target: the sentences to write, each ending in EOS (the gold tokens of
    teacher forcing). lines: (B,) int64 on the CPU, the 0-based line of each pair in its corpus. references:
    the original target lines, in which unknown words are not replaced.
    """

    source: Sentences
    target: Sentences
    lines: Tensor
    references: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.source)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "ParallelBatch":
        return replace(
            self, source=self.source.to(device, non_blocking), target=self.target.to(device, non_blocking)
        )

    def pin_memory(self) -> "ParallelBatch":
        return replace(self, source=self.source.pin_memory(), target=self.target.pin_memory())
