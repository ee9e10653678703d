"""Plain text for language models: files whose lines are read as sentences or as one stream."""

from collections import Counter
from dataclasses import dataclass
from glob import glob
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np

from seq2scene.data.held_out import option_of
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

MANY_FILES = 10  # so many are documents, fewer are parts of one


@dataclass(kw_only=True, eq=False)
class PlainText(MonolingualModule):
    """Training, validation and named test sets of plain text, each of one file or several, which are read one
    after the other. Streams keep lines of any length.

    val and tests may also be how many documents of train, or which share of them, are held out
    (``data.held_out``); see ``document``.

    ``prepare_data`` and ``setup`` raise UserError, which names file and line, for every fault of the files.
    """

    root: str = "."
    train: str | list[str]  # files under root, plain or gzip, or patterns as books/*.txt
    val: str | list[str] | int | float  # the same
    tests: dict[str, str | list[str] | int | float]  # name -> the same
    document: Literal["auto", "file", "block", "line"] = (
        "auto"  # what is held out as a whole, see ``documents``
    )
    tokenizer: str = "whitespace"
    batch_by: Literal["sentences", "tokens", "stream"] = "sentences"  # LengthBatches, or StreamWindows
    window: int = 35  # tokens of a batch in each stream
    bpe_dropout: float = 0.0  # of merges, in training (``sequences.bpe_dropout``)
    eval_streams: int = 1  # of validation and test over all ranks, at least one a rank; 1: full left context

    def __post_init__(self) -> None:
        super().__post_init__()
        self._texts: dict[str, Text] = {}
        self._wholes: dict[str, tuple[Text, np.ndarray]] = {}
        self._require_positive("window", "eval_streams")
        require_merges(self.bpe_dropout, self.tokenizer)
        if self.bpe_dropout and self.batch_by == "stream":
            raise UserError("data.bpe_dropout: a stream is segmented once; use data.batch_by=sentences")

    def _split_files(self) -> dict[str, str | list[str] | int | float]:
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
            divided = self._shares and split in ("train", *self._shares)
            text, ends = self._whole("train" if divided else split)
            if divided:
                number, what = documents(text, ends, self.document)
                names = [document_name(text, number, n) for n in range(number[-1] + 1)]
                text = text.only(self._part(split, names, text.path, what)[number])
            self._texts[split] = text
        return self._texts[split]

    def _whole(self, split: str) -> tuple[Text, np.ndarray]:
        """The text of all files of a split, and how many lines it has up to the end of each."""
        if split not in self._wholes:
            paths, training = self._paths(split), self._paths("train")
            if not paths:
                raise UserError(
                    f"{self.folder}: no file matches {option_of(split)}={self.files[split]}; check the "
                    "pattern and data.root"
                )
            for path in {*paths} & {*training} if split != "train" and len(training) > 1 else ():
                raise UserError(
                    f"{path}: it is of both data.train and {option_of(split)}; take it out of one"
                )
            if len(paths) > 1:
                self._report("%s: %d files, from %s to %s", split, len(paths), paths[0], paths[-1])
            hint = corpus.how_to_get(self.fetch)
            texts = [corpus.read_text(path, self.cache, hint) for path in paths]
            ends = np.cumsum([len(text) for text in texts])
            self._wholes[split] = corpus.joined(texts, paths[0].parent), ends
        return self._wholes[split]

    def _paths(self, split: str) -> list[Path]:
        """The files of a split, those that a pattern matches in alphabetical order."""
        names, found = self.files[split], []
        for name in [names] if isinstance(names, str) else names:
            path = self.folder / name
            if path.exists() or not set(name) & set("*?["):
                found.append(path)
            else:
                matches = sorted(glob(name, root_dir=self.folder, recursive=True))
                found += [file for match in matches if (file := self.folder / match).is_file()]
        return list(dict.fromkeys(found))

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
        kept = np.flatnonzero(text.lengths)
        if len(kept) == 0:
            raise UserError(f"{text.text.path}: all {len(text)} lines of {split} are empty: nothing to score")
        if empty := len(text) - len(kept):
            self._report("%s: %d of %d lines are left out as empty", split, empty, len(text))
        lengths = text.lengths[kept] + 1
        plan = EvaluationBatches(lengths, lengths, self.eval_batch_size, **self._ranks())
        return self._loader(plan, lambda rows: collate_lines(text, kept[rows]))

    def _stream_loader(self, split: str) -> Loader:
        ranks = self._ranks()
        training = split == "train"
        streams = self.batch_size * ranks["world"] if training else max(self.eval_streams, ranks["world"])
        plan = StreamWindows(self.corpora[split], streams, self.window, **ranks)
        if training:
            self._report("%d training batches of %d streams on each device", len(plan), self.batch_size)
        return self._loader(plan, plan.collate)


def documents(
    text: Text, ends: np.ndarray, kind: Literal["auto", "file", "block", "line"]
) -> tuple[np.ndarray, str]:
    """The number (lines,) of the document that each line belongs to, and what documents are.

    ends: how many lines there are up to the end of each file. kind: ``file``; ``block``, lines up to an empty
    one, which is part of it; ``line``; ``auto``: files if there are ``MANY_FILES``, or else blocks if empty
    lines separate any, or else lines.
    """
    first = np.zeros(len(text), dtype=bool)  # lines that begin a document
    first[np.append(0, ends[:-1])] = True
    if kind == "file" or (kind == "auto" and len(ends) >= MANY_FILES):
        return np.cumsum(first) - 1, "files"
    empty = text.starts == text.ends
    blocks = first.copy()
    blocks[1:] |= empty[:-1] & ~empty[1:]
    if kind == "block" or (kind == "auto" and blocks.sum() > first.sum()):
        return np.cumsum(blocks) - 1, "blocks of lines"
    return np.arange(len(text)), "lines"


def document_name(text: Text, number: np.ndarray, document: int) -> str:
    """A name that follows from the content, so that the same documents are held out wherever they are."""
    lines = np.searchsorted(number, [document, document + 1])
    return sha256(text.data[text.starts[lines[0]] : text.ends[lines[1] - 1]].data).hexdigest()


@dataclass(kw_only=True, eq=False)
class ParkPlainText(Park, PlainText):
    """One language of the park, written under ``root`` on first use (see ``seq2scene.data.park``)."""

    write = staticmethod(ensure_park)
