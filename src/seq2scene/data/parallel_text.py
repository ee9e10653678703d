"""Parallel text: two files, line by line translations of each other."""

import logging
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pytorch_lightning as pl

from seq2scene.data.park.writing import ensure_park
from seq2scene.errors import UserError
from seq2scene.sequences import corpus
from seq2scene.sequences.batch import ParallelBatch, Sentences
from seq2scene.sequences.batching import (
    EvaluationBatches,
    LengthBatches,
    Loader,
    Plan,
    collate_pairs,
    padding_efficiency,
)
from seq2scene.sequences.corpus import Corpus, Text
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import choose
from seq2scene.sequences.vocabulary import Vocabulary

log = logging.getLogger(__name__)


class ParallelText(pl.LightningDataModule):
    """Training, validation and named test sets of parallel text.

    train, val: [source file, target file], plain or gzip, relative to ``root``; tests: name -> the same.
    source, target: language codes, for tokenizers and reports.
    tokenizer: whitespace, moses, bpe, unigram or character; vocabulary_size is the pieces of bpe and unigram.
    tokenizer, lowercase, vocabulary_size, min_count, max_size: one for both sides, or [source, target].
    min_count, max_size: which tokens of the training set the vocabulary lists.
    shared_vocabulary: one tokenizer and vocabulary, learnt from both sides, whose settings are the source's.
    max_length: training pairs with more tokens on either side are left out; None keeps all.
    source_eos: sources end in EOS too.
    batch_by, batch_size, pool_batches, seed: see ``LengthBatches``; batch_size is of one rank.
    eval_batch_size: sentences in a batch of validation and test.
    cache: folder for tokenised text. fetch: the command that gets the files, told when they are missing.

    ``prepare_data`` and ``setup`` refuse every fault of the files with a UserError that names file and line.
    ``padding_efficiency``, known with the training batches: real / padded tokens of source and target.
    """

    def __init__(
        self,
        train: list[str],
        val: list[str],
        tests: dict[str, list[str]],
        source: str,
        target: str,
        root: str = ".",
        tokenizer: str | list[str] = "whitespace",
        lowercase: bool | list[bool] = False,
        vocabulary_size: int | list[int] = 8000,
        min_count: int | list[int] = 1,
        max_size: int | list[int | None] | None = None,
        shared_vocabulary: bool = False,
        max_length: int | None = 100,
        source_eos: bool = False,
        batch_by: Literal["sentences", "tokens"] = "sentences",
        batch_size: int = 64,
        eval_batch_size: int = 128,
        pool_batches: int = 100,
        seed: int = 0,
        cache: str = ".cache",
        fetch: str | None = None,
    ):
        super().__init__()
        self.root = Path(root).expanduser()
        self.files = {"train": train, "val": val, **tests}
        self.test_names = list(tests)
        self.codes = (source, target)
        self.tokenizer, self.lowercase, self.vocabulary_size = tokenizer, lowercase, vocabulary_size
        self.min_count, self.max_size, self.shared_vocabulary = min_count, max_size, shared_vocabulary
        self.max_length, self.source_eos = max_length, source_eos
        self.batch_by, self.batch_size, self.eval_batch_size = batch_by, batch_size, eval_batch_size
        self.pool_batches, self.seed = pool_batches, seed
        self.cache, self.fetch = Path(cache).expanduser(), fetch
        self.languages: tuple[Language, Language] | None = None
        self.corpora: dict[str, tuple[Corpus, Corpus]] = {}
        self._texts: dict[str, tuple[Text, Text]] = {}
        self.padding_efficiency: dict[str, float] = {}
        self._train_loader: Loader | None = None
        self._place: dict[str, int] | None = None
        self._check_settings()

    # What the model and generation must know

    def description(self) -> dict:
        """Languages, their codes and the EOS rule, as plain containers; known after ``setup``."""
        assert self.languages is not None, "setup first"
        source, target = self.languages
        return {
            "source": source.state(),
            "target": target.state(),
            "source_language": self.codes[0],
            "target_language": self.codes[1],
            "source_eos": self.source_eos,
            "shared_vocabulary": self.shared_vocabulary,
        }

    def use(self, description: dict) -> None:
        """Takes the languages of a checkpoint instead of learning them; call before ``setup``."""
        self.languages = (
            Language.from_state(description["source"]),
            Language.from_state(description["target"]),
        )
        self.codes = (description["source_language"], description["target_language"])
        self.source_eos = description["source_eos"]
        self.shared_vocabulary = description["shared_vocabulary"]

    def source_batch(self, lines: Sequence[str]) -> Sentences:
        """Source text as the encoder reads it."""
        assert self.languages is not None, "setup first"
        return self.languages[0].batch(lines, self.source_eos)

    def sources(self, split: str) -> list[str]:
        """The source lines of train, val or a test set, as they stand in the file."""
        return self._text(split)[0].lines()

    def references(self, split: str) -> list[str]:
        """The target lines of train, val or a test set, as they stand in the file."""
        return self._text(split)[1].lines()

    # Lightning's hooks

    def prepare_data(self) -> None:
        """Fills the cache, in one process; with given languages the training files may be missing."""
        self._load([split for split in self.files if split != "train" or self.languages is None])

    def setup(self, stage: str | None = None) -> None:
        """Reads what ``stage`` needs (None: everything), and learns the languages unless they were given."""
        splits = {"fit": ["train", "val"], "validate": ["val"], "test": self.test_names}
        self._load(splits.get(stage, list(self.files)))

    def train_dataloader(self) -> Loader:
        source, target = self.corpora["train"]
        kept = self._training_rows()
        plan = LengthBatches(
            self._source_lengths("train")[kept],
            target.lengths[kept] + 1,
            size=self.batch_size,
            by=self.batch_by,
            pool_batches=self.pool_batches,
            seed=self.seed,
            **self._ranks(),
        )
        self._report_padding(plan)
        loader = self._loader(plan, source, target, kept)
        if self._place is not None:
            loader.load_state_dict(self._place)
            self._place = None
        self._train_loader = loader
        return loader

    def val_dataloader(self) -> Loader:
        return self._evaluation_loader("val")

    def test_dataloader(self) -> list[Loader]:
        """One loader for each of ``test_names``."""
        return [self._evaluation_loader(name) for name in self.test_names]

    def state_dict(self) -> dict:
        """The place in the training epoch.

        Lightning also keeps the loader's own, but drops it when an optimizer asks how long training is
        (PyTorch Lightning issue 19764).
        """
        return {} if self._train_loader is None else {"place": self._train_loader.state_dict()}

    def load_state_dict(self, state_dict: dict) -> None:
        self._place = state_dict.get("place")

    # Reading

    @cached_property
    def folder(self) -> Path:
        """Where the files are."""
        return self.root

    def _load(self, splits: list[str]) -> None:
        for split in splits:
            self._text(split)
        if self.languages is None:
            self.languages = self._learn_languages()
        for split in splits:
            if split not in self.corpora:
                source, target = self._text(split)
                self.corpora[split] = (
                    corpus.encode(source, self.languages[0], self.cache),
                    corpus.encode(target, self.languages[1], self.cache),
                )

    def _text(self, split: str) -> tuple[Text, Text]:
        if split not in self._texts:
            hint = corpus.how_to_get(self.fetch)
            source, target = (
                corpus.read_text(self.folder / name, self.cache, hint) for name in self.files[split]
            )
            corpus.check_parallel(source, target)
            self._texts[split] = (source, target)
        return self._texts[split]

    def _learn_languages(self) -> tuple[Language, Language]:
        source, target = self._text("train")
        if self.shared_vocabulary:
            shared = self._learn_language([source, target], 0)
            return shared, shared
        return self._learn_language([source], 0), self._learn_language([target], 1)

    def _learn_language(self, texts: list[Text], side: int) -> Language:
        tokenizer = choose(
            _side(self.tokenizer, side),
            self.codes[side],
            _side(self.lowercase, side),
            _side(self.vocabulary_size, side),
        )
        tokenizer = corpus.train_tokenizer(tokenizer, texts, self.cache)
        counts = sum((corpus.tokenise(text, tokenizer, self.cache).counts() for text in texts), Counter())
        vocabulary = Vocabulary.count(counts, _side(self.min_count, side), _side(self.max_size, side))
        return Language(tokenizer, vocabulary)

    # Batches

    def _source_lengths(self, split: str) -> np.ndarray:
        return self.corpora[split][0].lengths + int(self.source_eos)

    def _training_rows(self) -> np.ndarray:
        """The training pairs that are neither empty on a side nor too long."""
        source, target = (side.lengths for side in self.corpora["train"])
        empty = np.minimum(source, target) == 0
        limit = np.inf if self.max_length is None else self.max_length
        long = np.maximum(source, target) > limit
        kept = np.flatnonzero(~(empty | long))
        if len(kept) == 0:
            raise UserError(
                f"no training pair is left: of {len(source)}, {empty.sum()} are empty on a side and "
                f"{long.sum()} are longer than max_length={self.max_length}"
            )
        if len(kept) < len(source):
            self._report(
                "training on %d of %d pairs: %d are empty on a side, %d are longer than %s tokens",
                *(len(kept), len(source), empty.sum(), long.sum(), self.max_length),
            )
        return kept

    def _evaluation_loader(self, split: str) -> Loader:
        source, target = self.corpora[split]
        plan = EvaluationBatches(
            self._source_lengths(split), target.lengths + 1, self.eval_batch_size, **self._ranks()
        )
        return self._loader(plan, source, target, np.arange(len(source)), references=True)

    def _loader(
        self, plan: Plan, source: Corpus, target: Corpus, rows: np.ndarray, references: bool = False
    ) -> Loader:
        def collate(chosen: np.ndarray) -> ParallelBatch:
            return collate_pairs(source, target, rows[chosen], self.source_eos, references)

        on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        return Loader(plan, collate, prefetch=4 if on_gpu else 0, pin_memory=on_gpu)

    def _ranks(self) -> dict[str, int]:
        if self.trainer is None:
            return {"rank": 0, "world": 1}
        return {"rank": self.trainer.global_rank, "world": self.trainer.world_size}

    def _report_padding(self, plan: LengthBatches) -> None:
        batches = plan.batches(0)
        self.padding_efficiency = {
            "source": padding_efficiency(batches, plan.source_lengths),
            "target": padding_efficiency(batches, plan.target_lengths),
        }
        self._report(
            "%d training batches; real tokens fill %.1f%% of the source and %.1f%% of the target positions",
            *(len(batches), *(100 * share for share in self.padding_efficiency.values())),
        )

    def _report(self, message: str, *values: object) -> None:
        if self._ranks()["rank"] == 0:
            log.info(message, *values)

    def _check_settings(self) -> None:
        if {"train", "val"} & set(self.test_names):
            raise UserError("data.tests: a test set cannot be called train or val")
        for split, names in self.files.items():
            if len(names) != 2:
                raise UserError(f"data: {split} must be [source file, target file], not {names}")
        if self.batch_by not in ("sentences", "tokens"):
            raise UserError(f"data.batch_by must be sentences or tokens, not {self.batch_by!r}")
        for name in ("batch_size", "eval_batch_size", "pool_batches"):
            if getattr(self, name) < 1:
                raise UserError(f"data.{name} must be at least 1, not {getattr(self, name)}")


class ParkText(ParallelText):
    """The park's sentences, written under ``root`` on first use, in seconds (see ``seq2scene.data.park``)."""

    @cached_property
    def folder(self) -> Path:
        return ensure_park(self.root)


def _side(setting, side: int):
    """The source's (0) or target's (1) value of a setting that may be one for both."""
    return setting[side] if isinstance(setting, Sequence) and not isinstance(setting, str) else setting
