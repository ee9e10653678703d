"""Parallel text: two files, line by line translations of each other."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from seq2scene.data.park.choosing import made_by
from seq2scene.data.park.writing import ensure_park
from seq2scene.data.text_module import TextModule, named_splits, same_language
from seq2scene.errors import UserError
from seq2scene.sequences import corpus
from seq2scene.sequences.batch import ParallelBatch, Sentences
from seq2scene.sequences.batching import (
    EvaluationBatches,
    LengthBatches,
    Loader,
    collate_pairs,
    padding_efficiency,
)
from seq2scene.sequences.corpus import Corpus, Text
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import choose


class ParallelText(TextModule):
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
        super().__init__(named_splits(train, val, tests), root, cache, fetch)
        self.codes = (source, target)
        self.tokenizer, self.lowercase, self.vocabulary_size = tokenizer, lowercase, vocabulary_size
        self.min_count, self.max_size, self.shared_vocabulary = min_count, max_size, shared_vocabulary
        self.max_length, self.source_eos = max_length, source_eos
        self.batch_by, self.batch_size, self.eval_batch_size = batch_by, batch_size, eval_batch_size
        self.pool_batches, self.seed = pool_batches, seed
        self.languages: tuple[Language, Language] | None = None
        self.corpora: dict[str, tuple[Corpus, Corpus]] = {}
        self._texts: dict[str, tuple[Text, Text]] = {}
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
        """Takes the languages of a checkpoint instead of learning them; call before ``setup``. Raises
        UserError where they are not those of the files.
        """
        for side, own in zip(("source", "target"), self.codes, strict=True):
            same_language(description, f"{side}_language", side, own)
        self.languages = (
            Language.from_state(description["source"]),
            Language.from_state(description["target"]),
        )
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

    # Reading

    @property
    def knows_its_language(self) -> bool:
        return self.languages is not None

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

    def _shared(self, split: str) -> tuple[int, int, str]:
        train, other = self._text("train"), self._text(split)
        return corpus.count_shared(train, other, self.cache), len(other[0]), "pairs"

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
        whose = "the shared" if len(texts) > 1 else f"the {self.codes[side]}"
        sizes = _side(self.min_count, side), _side(self.max_size, side)
        return Language(tokenizer, self._count_vocabulary(counts, *sizes, whose))

    # Batches

    def _training_loader(self) -> Loader:
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
        return self._loader(plan, self._collate(source, target, kept))

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
        return self._loader(plan, self._collate(source, target, np.arange(len(source)), references=True))

    def _collate(
        self, source: Corpus, target: Corpus, rows: np.ndarray, references: bool = False
    ) -> Callable[[np.ndarray], ParallelBatch]:
        return lambda chosen: collate_pairs(source, target, rows[chosen], self.source_eos, references)

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

    def _check_settings(self) -> None:
        for split, names in self.files.items():
            if len(names) != 2:
                raise UserError(f"data: {split} must be [source file, target file], not {names}")
        self._require_positive("batch_size", "eval_batch_size", "pool_batches")


@made_by(ensure_park)
class ParkText(ParallelText):
    """The park's sentences, written under ``root`` on first use, in seconds (see ``seq2scene.data.park``)."""


def _side(setting, side: int):
    """The source's (0) or target's (1) value of a setting that may be one for both."""
    return setting[side] if isinstance(setting, Sequence) and not isinstance(setting, str) else setting
