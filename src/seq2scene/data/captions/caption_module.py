"""Base of the data sets of captions: vocabulary and batches, whatever is captioned."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from seq2scene.data.text.monolingual import MonolingualModule
from seq2scene.errors import UserError
from seq2scene.sequences.batching import (
    EqualLengths,
    EvaluationBatches,
    LengthBatches,
    Loader,
    cut_sentences,
    padding_efficiency,
)
from seq2scene.sequences.caption_batch import CaptionBatch
from seq2scene.sequences.corpus import Text


@dataclass(kw_only=True, eq=False)
class CaptionModule(MonolingualModule):
    """Images and their captions. In training each caption is a sample; validation and test see each image
    once, its first caption as target, all of them as references. Subclasses provide the images.
    """

    language: str = "en"
    lowercase: bool = True
    min_count: int = 5
    max_length: int | None = 50
    batch_by: Literal["sentences", "tokens", "length"] = "sentences"  # LengthBatches, or EqualLengths

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_positive("min_count")

    # What subclasses provide

    def references(self, split: str) -> list[tuple[str, ...]]:
        """All captions of each image, as in the file, each on one line."""
        raise NotImplementedError

    def image_name(self, split: str, row: int) -> str:
        """The name of an image, by its number in the split."""
        raise NotImplementedError

    def images_of(self, split: str, rows: np.ndarray) -> dict[str, Any]:
        """The fields of ``CaptionBatch`` that hold images, by their numbers in the split."""
        raise NotImplementedError

    def drawable(self, split: str, rows: np.ndarray) -> dict[str, Any]:
        """As ``images_of``, in a form that can be drawn."""
        return self.images_of(split, rows)

    # Reading

    def _text(self, split: str) -> Text:
        """All captions of a split, a line each, those of an image adjacent."""
        return lines_as_text([line for lines in self.references(split) for line in lines], Path(self.root))

    # Batches

    def _training_loader(self) -> Loader:
        lengths = self.corpora["train"].lengths
        limit = np.inf if self.max_length is None else self.max_length
        kept = np.flatnonzero((lengths > 0) & (lengths <= limit))
        if len(kept) == 0:
            raise UserError(
                f"no training caption is left of {len(lengths)} with max_length={self.max_length}"
            )
        counts = [len(lines) for lines in self.references("train")]
        self._report("training on %d of %d captions of %d images", len(kept), len(lengths), len(counts))
        plan = self._plan(lengths[kept] + 1)
        self.padding_efficiency = {"target": padding_efficiency(plan.batches(0), lengths[kept] + 1)}
        images = np.repeat(np.arange(len(counts)), counts)
        return self._loader(plan, self._collate("train", kept, images[kept]))

    def _plan(self, lengths: np.ndarray) -> LengthBatches | EqualLengths:
        if self.batch_by == "length":
            return EqualLengths(lengths, self.batch_size, self.seed, **self._ranks())
        return LengthBatches(
            lengths,
            lengths,
            size=self.batch_size,
            by=self.batch_by,
            pool_batches=self.pool_batches,
            seed=self.seed,
            **self._ranks(),
        )

    def _evaluation_loader(self, split: str) -> Loader:
        counts = np.asarray([len(lines) for lines in self.references(split)])
        first = np.cumsum(counts) - counts
        lengths = self.corpora[split].lengths[first]
        plan = EvaluationBatches(lengths, lengths, self.eval_batch_size, **self._ranks())
        return self._loader(plan, self._collate(split, first, np.arange(len(counts))))

    def _collate(
        self, split: str, captions: np.ndarray, images: np.ndarray
    ) -> Callable[[np.ndarray], CaptionBatch]:
        """Collates samples, each one of ``captions`` with its image among ``images``, by numbers in the
        split.
        """
        references = self.references(split)

        def collate(rows: np.ndarray) -> CaptionBatch:
            target, numbers = cut_sentences(self.corpora[split], captions[rows], True), images[rows]
            return CaptionBatch(
                **{"images": None, **self.images_of(split, numbers)},
                target=target,
                rows=torch.from_numpy(numbers),
                references=tuple(references[number] for number in numbers),
            )

        return collate


def lines_as_text(lines: list[str], path: Path) -> Text:
    """Lines as a ``Text``, so that ``seq2scene.sequences.corpus`` caches whatever it computes from them.

    path: names the text in messages.
    """
    encoded = [line.encode() for line in lines]
    data = b"\n".join([*encoded, b""])
    ends = np.cumsum([len(line) + 1 for line in encoded]) - 1
    starts = np.concatenate([[0], ends[:-1] + 1])
    digest = hashlib.sha256(data).hexdigest()
    return Text(path, digest, np.frombuffer(data, dtype=np.uint8), starts, ends)
