"""Captions of photos: COCO (Chen et al. 2015), and the splits of Karpathy and Fei-Fei (2015)."""

import hashlib
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from seq2scene.data.caption_files import Captioned, read_coco, read_karpathy
from seq2scene.data.features import Features, stored_features
from seq2scene.data.images import read_photo
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.data.text_module import TextModule, named_splits
from seq2scene.errors import UserError
from seq2scene.nets.image_encoder import ImageEncoder
from seq2scene.sequences import corpus
from seq2scene.sequences.batching import (
    EvaluationBatches,
    LengthBatches,
    Loader,
    cut_sentences,
    padding_efficiency,
)
from seq2scene.sequences.caption_batch import CaptionBatch
from seq2scene.sequences.corpus import Corpus, Text
from seq2scene.sequences.equal_lengths import EqualLengths
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import choose
from seq2scene.sequences.vocabulary import Vocabulary


class CocoCaptions(TextModule):
    """Photos and their captions. In training each caption is a sample; validation and test see each photo
    once, its first caption as target, all of them as references.

    train, val: [annotations of COCO, folder of photos], or [file of Karpathy, folder of photos, split ...]
    with the splits of it that are taken, relative to ``root``; tests: name -> the same. Without tests, as
    COCO has no captions of its test photos, every second photo of val is ``test``, and val the rest.
    encoder: the image encoder; where it is frozen and ``store`` is set, what it makes of the photos is stored
    (``data.features``) and batches bring that, else photos. tokenizer: whitespace, moses, treebank, bpe,
    unigram or character; vocabulary_size is the pieces of bpe and unigram. min_count, max_size: which tokens
    of the training captions the vocabulary lists. max_length: longer training captions are left out; None
    keeps all. batch_by: sentences or tokens, of like length (``LengthBatches``), or length: sentences of
    exactly one length, as in the paper. batch_size: captions of one rank. eval_batch_size: photos in a batch
    of validation and test. cache: folder for tokenised text and features.
    """

    def __init__(
        self,
        train: list[str],
        val: list[str],
        encoder: ImageEncoder,
        tests: dict[str, list[str]] | None = None,
        root: str = ".",
        language: str = "en",
        tokenizer: str = "moses",
        lowercase: bool = True,
        vocabulary_size: int = 8000,
        min_count: int = 5,
        max_size: int | None = None,
        max_length: int | None = 50,
        batch_by: Literal["sentences", "tokens", "length"] = "sentences",
        batch_size: int = 64,
        eval_batch_size: int = 128,
        pool_batches: int = 100,
        seed: int = 0,
        store: bool = True,
        cache: str = ".cache",
        fetch: str | None = None,
    ) -> None:
        super().__init__(named_splits(train, val, tests or {"test": val}), root, cache, fetch)
        self.halved = not tests  # val is halved for a test set
        self.encoder, self.store = encoder, store and encoder.frozen
        self.code, self.tokenizer, self.lowercase = language, tokenizer, lowercase
        self.vocabulary_size, self.min_count, self.max_size = vocabulary_size, min_count, max_size
        self.max_length, self.batch_by = max_length, batch_by
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.pool_batches, self.seed = pool_batches, seed
        for split, names in self.files.items():
            if len(names) < 2:
                raise UserError(f"data: {split} must be [annotations, folder of photos], not {names}")
        self._require_positive("batch_size", "eval_batch_size", "pool_batches", "min_count")
        self.language: Language | None = None
        self.corpora: dict[str, Corpus] = {}
        self._splits: dict[str, Captioned] = {}
        self._features: dict[str, Features] = {}

    # What the model and generation must know

    def description(self) -> dict[str, Any]:
        """The language, and the maps (D, y, x) that the image encoder makes; known after ``setup``."""
        assert self.language is not None, "setup first"
        maps = [self.encoder.output_size, *self.encoder.map_size]
        return {"language": self.language.state(), "language_code": self.code, "maps": maps}

    def use(self, description: Mapping[str, Any]) -> None:
        """Takes the language of a checkpoint instead of learning it; call before ``setup``."""
        self.language = Language.from_state(description["language"])
        self.code = description["language_code"]

    def references(self, split: str) -> list[tuple[str, ...]]:
        """All captions of each photo, as they stand in the file."""
        return self._of(split).captions

    def image_path(self, split: str, row: int) -> Path:
        """The file of a photo, by its number in the split."""
        return self._of(split).photos[row]

    # Reading

    @property
    def knows_its_language(self) -> bool:
        return self.language is not None

    @property
    def _hint(self) -> str:
        return corpus.how_to_get(self.fetch)

    def _of(self, split: str) -> Captioned:
        if split not in self._splits:
            told = self._read(*self.files[split])
            halves = {"val": 0, "test": 1} if self.halved else {}
            self._splits[split] = told.every_second(halves[split]) if split in halves else told
        return self._splits[split]

    def _read(self, file: str, photos: str, *splits: str) -> Captioned:
        path, folder = self.folder / file, self.folder / photos
        return (
            read_karpathy(path, folder, splits, self._hint) if splits else read_coco(path, folder, self._hint)
        )

    def _load(self, splits: list[str]) -> None:
        if self.language is None:
            self.language = self._learn_language()
        for split in splits:
            if split not in self.corpora:
                self.corpora[split] = corpus.encode(self._text(split), self.language, self.cache)
            if self.store and split not in self._features:
                photos = self._of(split).photos
                self._features[split] = stored_features(self.encoder, photos, self.cache, split)

    def _text(self, split: str) -> Text:
        """All captions of a split, a line each, those of a photo adjacent."""
        return lines_as_text([line for lines in self._of(split).captions for line in lines], self.root)

    def _learn_language(self) -> Language:
        text = self._text("train")
        tokenizer = choose(self.tokenizer, self.code, self.lowercase, self.vocabulary_size)
        tokenizer = corpus.train_tokenizer(tokenizer, [text], self.cache)
        counts = corpus.tokenise(text, tokenizer, self.cache).counts()
        return Language(tokenizer, Vocabulary.count(counts, self.min_count, self.max_size))

    # Batches

    def _training_loader(self) -> Loader:
        lengths = self.corpora["train"].lengths
        limit = np.inf if self.max_length is None else self.max_length
        kept = np.flatnonzero((lengths > 0) & (lengths <= limit))
        if len(kept) == 0:
            raise UserError(
                f"no training caption is left of {len(lengths)} with max_length={self.max_length}"
            )
        self._report(
            "training on %d of %d captions of %d photos",
            *(len(kept), len(lengths), len(self._of("train"))),
        )
        plan = self._plan(lengths[kept] + 1)
        self.padding_efficiency = {"target": padding_efficiency(plan.batches(0), lengths[kept] + 1)}
        counts = [len(lines) for lines in self._of("train").captions]
        photos = np.repeat(np.arange(len(counts)), counts)
        return self._loader(plan, self._collate("train", kept, photos[kept], references=False))

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
        counts = np.asarray([len(lines) for lines in self._of(split).captions])
        first = np.cumsum(counts) - counts
        lengths = self.corpora[split].lengths[first]
        plan = EvaluationBatches(lengths, lengths, self.eval_batch_size, **self._ranks())
        return self._loader(plan, self._collate(split, first, np.arange(len(counts)), references=True))

    def _collate(
        self, split: str, captions: np.ndarray, photos: np.ndarray, references: bool
    ) -> Callable[[np.ndarray], CaptionBatch]:
        """Batches of samples, each one of ``captions`` and of ``photos``, numbers in the split."""
        told, features, encoder = self._of(split), self._features.get(split), self.encoder

        def collate(rows: np.ndarray) -> CaptionBatch:
            target, numbers = cut_sentences(self.corpora[split], captions[rows], True), photos[rows]
            images = None
            if features is None:
                paths = [told.photos[number] for number in numbers]
                images = torch.stack([read_photo(path, encoder.size, encoder.resize) for path in paths])
            return CaptionBatch(
                images,
                target,
                torch.from_numpy(numbers),
                tuple(told.captions[number] for number in numbers) if references else (),
                None if features is None else features[numbers],
            )

        return collate


class ParkCaptions(CocoCaptions):
    """The park's photos and captions, written under ``root`` on first use (see ``seq2scene.data.park``)."""

    @cached_property
    def folder(self) -> Path:
        return ensure_photos(self.root)


def lines_as_text(lines: list[str], path: Path) -> Text:
    """Lines from elsewhere as a text of ``seq2scene.sequences.corpus``, which caches what is made of it."""
    encoded = [line.encode() for line in lines]
    data = b"\n".join([*encoded, b""])
    ends = np.cumsum([len(line) + 1 for line in encoded]) - 1
    starts = np.concatenate([[0], ends[:-1] + 1])
    digest = hashlib.sha256(data).hexdigest()
    return Text(path, digest, np.frombuffer(data, dtype=np.uint8), starts, ends)
