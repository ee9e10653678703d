"""Batches of plain text for language models: sentences, or windows of streams."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.batching import cut_sentences
from seq2scene.sequences.corpus import Corpus
from seq2scene.sequences.padding import shift_right


@dataclass(frozen=True)
class TextBatch:
    """B sentences, or windows of B streams.

    previous: (B, T) int64, the model's input: the token before each gold one, BOS at the beginning of a line.
    target: the gold tokens, EOS at the end of each line. continues: the rows continue those of the previous
    batch, so the model's state is carried over; otherwise it starts at zero. goes_on: the next batch
    continues this one.
    """

    previous: Tensor
    target: Sentences
    continues: bool = False
    goes_on: bool = False

    def __len__(self) -> int:
        return len(self.target)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "TextBatch":
        previous = self.previous.to(device, non_blocking=non_blocking)
        return replace(self, previous=previous, target=self.target.to(device, non_blocking))

    def pin_memory(self) -> "TextBatch":
        return replace(self, previous=self.previous.pin_memory(), target=self.target.pin_memory())


def sentence_batch(gold: Sentences, bos: int) -> TextBatch:
    """Sentences that end in EOS, each read from BOS."""
    return TextBatch(shift_right(gold.ids, bos), gold)


def collate_lines(corpus: Corpus, rows: np.ndarray) -> TextBatch:
    """The lines ``rows`` (B,) of a corpus, each a separate sentence."""
    return sentence_batch(cut_sentences(corpus, rows, True), corpus.vocabulary.bos)
