"""Batches of sentences: the only interface between data modules and tasks."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from seq2scene.sequences.padding import lengths_to_mask


@dataclass(frozen=True)
class Sentences:
    """Right-padded token ids of B sentences.

    ids: (B, T) int64. mask: (B, T) bool, True on real positions. lengths: (B,) int64, always on the CPU, so
    that packing never synchronises with the device. places: (N,) int64, where the real positions are in
    ``ids.flatten()``; None if they have not been computed.
    """

    ids: Tensor
    mask: Tensor
    lengths: Tensor
    places: Tensor | None = None

    @classmethod
    def of(cls, ids: Tensor, lengths: Tensor) -> "Sentences":
        """From padded ids (B, T) and lengths (B,)."""
        lengths = lengths.cpu()
        mask = lengths_to_mask(lengths, ids.shape[1])
        return cls(ids, mask.to(ids.device), lengths, _places(mask).to(ids.device))

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Sentences":
        move = {"device": device, "non_blocking": non_blocking}
        return self._each(lambda part: part.to(**move))

    def pin_memory(self) -> "Sentences":
        return self._each(Tensor.pin_memory)

    def _each(self, do: Callable[[Tensor], Tensor]) -> "Sentences":
        places = None if self.places is None else do(self.places)
        return replace(self, ids=do(self.ids), mask=do(self.mask), places=places)

    def real(self, values: Tensor) -> Tensor:
        """The values (B, T, ...) at the real positions: (N, ...). Nothing waits for the device if ``places``
        are known.
        """
        places = _places(self.mask) if self.places is None else self.places
        return values.flatten(0, 1).index_select(0, places)


def _places(mask: Tensor) -> Tensor:
    return mask.flatten().nonzero().squeeze(1)


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
