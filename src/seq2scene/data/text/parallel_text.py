"""Parallel text: two files whose lines are translations of each other."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from torch import Tensor

from seq2scene.data.held_out import option_of
from seq2scene.data.park.choosing import Park
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
from seq2scene.sequences.bpe_dropout import require_merges, segment, with_all_pieces
from seq2scene.sequences.corpus import Corpus, Text
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import choose

PER_SIDE = (  # settings that may have a value for each side
    "tokenizer",
    "lowercase",
    "vocabulary_size",
    "min_count",
    "max_size",
    "word_vectors",
    "bpe_dropout",
)


@dataclass(kw_only=True, eq=False)
class ParallelText(TextModule):
    """Training, validation and named test sets of parallel text.

    A setting whose type admits a list is one value for both sides, or [source, target]. ``languages`` is None
    until ``use`` or ``setup``.

    ``prepare_data`` and ``setup`` raise UserError, which names file and line, for every fault of the files.
    """

    root: str = "."
    train: list[str]  # [source file, target file] under root, plain or gzip
    val: list[str]  # the same
    tests: dict[str, list[str]]  # name -> the same
    source: str  # language code, for tokenizers and reports
    target: str  # the same
    tokenizer: str | list[str] = "whitespace"  # whitespace, moses, treebank, bpe, unigram or character
    lowercase: bool | list[bool] = False
    vocabulary_size: int | list[int] = 8000  # subwords of bpe and unigram
    min_count: int | list[int] = 1  # rarer tokens of the training text are out of vocabulary
    max_size: int | list[int | None] | None = None  # largest vocabulary, special symbols included
    word_vectors: str | list[str | None] | None = None  # files of pretrained ones
    bpe_dropout: float | list[float] = 0.0  # of merges, in training (``sequences.bpe_dropout``)
    shared_vocabulary: bool = False  # one tokenizer and vocabulary, learnt from both sides as the source's
    max_length: int | None = 100  # training pairs with a longer side are left out; None keeps all
    source_eos: bool = False  # sources end in EOS too
    batch_by: Literal["sentences", "tokens"] = "sentences"  # see LengthBatches

    def __post_init__(self) -> None:
        super().__post_init__()
        for split, share in self._shares.items():
            raise UserError(
                f"{option_of(split)}={share}: nothing is held out of parallel text; give "
                f"{option_of(split)}=[source file,target file]"
            )
        for split, names in self.files.items():
            if isinstance(names, str) or len(names) != 2:
                raise UserError(f"data: {split} must be [source file, target file], not {names}")
        for name in PER_SIDE:
            if _is_list(value := getattr(self, name)) and len(value) != 2:
                raise UserError(f"data.{name}={value}: give one value or two values: source, target")
        for side in (0, 1):
            require_merges(_side(self.bpe_dropout, side), _side(self.tokenizer, side))
        self.codes = (self.source, self.target)
        self.languages: tuple[Language, Language] | None = None
        self.corpora: dict[str, tuple[Corpus, Corpus]] = {}
        self._texts: dict[str, tuple[Text, Text]] = {}

    def _split_files(self) -> dict[str, list[str]]:
        return named_splits(self.train, self.val, self.tests)

    # What the model and generation must know

    def description(self) -> dict:
        """Languages, their codes and the EOS rule, as plain containers; available after ``setup``."""
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
        UserError if their codes differ from those of the files.
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
        """Source lines as a batch for the encoder."""
        assert self.languages is not None, "setup first"
        return self.languages[0].batch(lines, self.source_eos)

    def sources(self, split: str) -> list[str]:
        """The source lines of train, val or a test set, as in the file."""
        return self._text(split)[0].lines()

    def references(self, split: str) -> list[str]:
        """The target lines of train, val or a test set, as in the file."""
        return self._text(split)[1].lines()

    def initial_vectors(self) -> dict[str, Tensor]:
        assert self.languages is not None, "setup first"
        found = {}
        for number, side in enumerate(("source", "target")):
            if (path := _side(self.word_vectors, number)) is not None:
                found[side] = self._read_vectors(path, self.languages[number].vocabulary, f"{side} ")
        return found

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
        if any(_side(self.bpe_dropout, of) for of in ((0, 1) if len(texts) > 1 else (side,))):
            counts = with_all_pieces(counts, tokenizer, sizes[0])
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
        return self._loader(plan, self._segmented(self._collate(source, target, kept)))

    def _source_lengths(self, split: str) -> np.ndarray:
        return self.corpora[split][0].lengths + int(self.source_eos)

    def _training_rows(self) -> np.ndarray:
        """The training pairs without an empty side and without one that is too long."""
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
        return self._loader(plan, self._collate(source, target, np.arange(len(source))))

    def _collate(
        self, source: Corpus, target: Corpus, rows: np.ndarray
    ) -> Callable[[np.ndarray], ParallelBatch]:
        return lambda chosen: collate_pairs(source, target, rows[chosen], self.source_eos, references=True)

    def _segmented(
        self, collate: Callable[[np.ndarray], ParallelBatch]
    ) -> Callable[[np.ndarray], ParallelBatch]:
        """``collate`` with the sides that have ``bpe_dropout`` segmented anew."""
        rates = [_side(self.bpe_dropout, side) for side in (0, 1)]
        if not any(rates):
            return collate
        assert self.languages is not None, "setup first"
        (source, target), (read, written) = self.corpora["train"], self.languages

        def collate_anew(chosen: np.ndarray) -> ParallelBatch:
            batch = collate(chosen)
            lines, seed = batch.lines.numpy(), self.seed
            if rates[0]:
                anew = segment(source, read, lines, rates[0], seed, self.source_eos)
                batch = replace(batch, source=anew)
            if rates[1]:
                batch = replace(batch, target=segment(target, written, lines, rates[1], seed, eos=True))
            return batch

        return collate_anew

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


@dataclass(kw_only=True, eq=False)
class ParkText(Park, ParallelText):
    """The park's sentences, written under ``root`` on first use, in seconds (see ``seq2scene.data.park``)."""

    write = staticmethod(ensure_park)


def _side(setting, side: int):
    """The value for the source (0) or the target (1) of a setting that may be one for both."""
    return setting[side] if _is_list(setting) else setting


def _is_list(setting) -> bool:
    return isinstance(setting, Sequence) and not isinstance(setting, str)
