"""Plain text for language models: files whose lines are read as sentences or as one stream."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seq2scene.data.park.choosing import Park
from seq2scene.data.park.writing import ensure_park
from seq2scene.data.text.monolingual import MonolingualModule
from seq2scene.data.text_module import named_splits
from seq2scene.errors import UserError
from seq2scene.sequences import corpus
from seq2scene.sequences.batching import EvaluationBatches, LengthBatches, Loader, padding_efficiency
from seq2scene.sequences.bpe_dropout import require_merges, segment, with_all_pieces
from seq2scene.sequences.corpus import Corpus, Text
from seq2scene.sequences.streams import StreamWindows
from seq2scene.sequences.text_batch import TextBatch, collate_lines, sentence_batch
from seq2scene.sequences.tokenizers import Tokenizer


@dataclass(kw_only=True, eq=False)
class PlainText(MonolingualModule):
    """Training, validation and named test sets of plain text, one file each. Streams keep lines of any
    length.

    ``prepare_data`` and ``setup`` raise UserError, which names file and line, for every fault of the files.
    """

    root: str = "."
    train: str  # file under root, plain or gzip
    val: str  # the same
    tests: dict[str, str]  # name -> the same
    tokenizer: str = "whitespace"
    batch_by: Literal["sentences", "tokens", "stream"] = "sentences"  # LengthBatches, or StreamWindows
    window: int = 35  # tokens of a batch in each stream
    bpe_dropout: float = 0.0  # of merges, in training (``sequences.bpe_dropout``)
    eval_streams: int = 1  # of validation and test over all ranks, at least one a rank; 1: full left context

    def __post_init__(self) -> None:
        super().__post_init__()
        self._texts: dict[str, Text] = {}
        self._require_positive("window", "eval_streams")
        require_merges(self.bpe_dropout, self.tokenizer)
        if self.bpe_dropout and self.batch_by == "stream":
            raise UserError("data.bpe_dropout: a stream is segmented once; use data.batch_by=sentences")

    def _split_files(self) -> dict[str, str]:
        return named_splits(self.train, self.val, self.tests)

    def references(self, split: str) -> list[str]:
        """The lines of train, val or a test set, as in the file."""
        return self._text(split).lines()

    # Reading

    def _load(self, splits: list[str]) -> None:
        for split in splits:
            self._text(split)
        super()._load(splits)

    def _shared(self, split: str) -> tuple[int, int, str]:
        train, other = self._text("train"), self._text(split)
        return corpus.count_shared([train], [other], self.cache), len(other), "lines"

    def _text(self, split: str) -> Text:
        if split not in self._texts:
            path = self.folder / self.files[split]
            self._texts[split] = corpus.read_text(path, self.cache, corpus.how_to_get(self.fetch))
        return self._texts[split]

    # Batches

    def _training_loader(self) -> Loader:
        if self.batch_by == "stream":
            return self._stream_loader("train")
        return self._training_lines(self.batch_by)

    def _training_lines(self, by: Literal["sentences", "tokens"]) -> Loader:
        text = self.corpora["train"]
        limit = np.inf if self.max_length is None else self.max_length
        empty, long = text.lengths == 0, text.lengths > limit
        kept = np.flatnonzero(~(empty | long))
        left_out = f"{empty.sum()} are empty, {long.sum()} are longer than max_length={self.max_length}"
        if len(kept) == 0:
            raise UserError(f"{text.text.path}: no line is left to train on: of {len(text)}, {left_out}")
        if len(kept) < len(text):
            self._report("training on %d of %d lines: %s", len(kept), len(text), left_out)
        lengths = text.lengths[kept] + 1
        plan = LengthBatches(
            *(lengths, lengths, self.batch_size, by, self.pool_batches, self.seed), **self._ranks()
        )
        batches = plan.batches(0)
        self.padding_efficiency = {"text": padding_efficiency(batches, lengths)}
        self._report(
            "%d training batches; real tokens fill %.1f%% of the positions",
            *(len(batches), 100 * self.padding_efficiency["text"]),
        )
        return self._loader(plan, lambda rows: self._training_batch(text, kept[rows]))

    def _training_batch(self, text: Corpus, rows: np.ndarray) -> TextBatch:
        if not self.bpe_dropout:
            return collate_lines(text, rows)
        assert self.learnt_language is not None, "setup first"
        gold = segment(text, self.learnt_language, rows, self.bpe_dropout, self.seed, True)
        return sentence_batch(gold, text.vocabulary.bos)

    def _count_tokens(self, text: Text, tokenizer: Tokenizer) -> Counter[str]:
        counts = super()._count_tokens(text, tokenizer)
        return with_all_pieces(counts, tokenizer, self.min_count) if self.bpe_dropout else counts

    def _evaluation_loader(self, split: str) -> Loader:
        if self.batch_by == "stream":
            return self._stream_loader(split)
        text = self.corpora[split]
        lengths = text.lengths + 1
        plan = EvaluationBatches(lengths, lengths, self.eval_batch_size, **self._ranks())
        return self._loader(plan, lambda rows: collate_lines(text, rows))

    def _stream_loader(self, split: str) -> Loader:
        ranks = self._ranks()
        training = split == "train"
        streams = self.batch_size * ranks["world"] if training else max(self.eval_streams, ranks["world"])
        plan = StreamWindows(self.corpora[split], streams, self.window, **ranks)
        if training:
            self._report("%d training batches of %d streams on each device", len(plan), self.batch_size)
        return self._loader(plan, plan.collate)


@dataclass(kw_only=True, eq=False)
class ParkPlainText(Park, PlainText):
    """One language of the park, written under ``root`` on first use (see ``seq2scene.data.park``)."""

    write = staticmethod(ensure_park)
