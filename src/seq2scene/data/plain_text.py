"""Plain text for language models: files of lines, each a sentence, or all of them one stream."""

from typing import Literal

import numpy as np

from seq2scene.data.park.choosing import made_by
from seq2scene.data.park.writing import ensure_park
from seq2scene.data.text_module import TextModule, named_splits, same_language
from seq2scene.errors import UserError
from seq2scene.sequences import corpus
from seq2scene.sequences.batching import EvaluationBatches, LengthBatches, Loader, padding_efficiency
from seq2scene.sequences.corpus import Corpus, Text
from seq2scene.sequences.language import Language
from seq2scene.sequences.streams import StreamWindows
from seq2scene.sequences.text_batch import collate_lines
from seq2scene.sequences.tokenizers import choose


class PlainText(TextModule):
    """Training, validation and named test sets of plain text, one file each.

    train, val: a file, plain or gzip, relative to ``root``; tests: name -> file.
    language: its code, for the tokenizer. tokenizer: whitespace, moses, bpe, unigram or character;
    vocabulary_size is the pieces of bpe and unigram.
    min_count, max_size: which tokens of the training set the vocabulary lists.
    batch_by: ``sentences`` or ``tokens``: every line on its own, in batches of ``batch_size`` (see
    ``LengthBatches``); ``stream``: the lines in their order, as ``batch_size`` streams in windows of
    ``window`` tokens (see ``StreamWindows``). batch_size is of one rank.
    max_length: training lines with more tokens are left out, as empty ones are; None keeps them. A stream
    keeps all.
    eval_batch_size: lines in a batch of validation and test. eval_streams: streams of validation and test
    over all ranks, at least one a rank; of 1 each token's context is all that stands before it.
    cache: folder for tokenised text. fetch: the command that gets the files, told when they are missing.

    ``prepare_data`` and ``setup`` refuse every fault of the files with a UserError that names file and line.
    ``padding_efficiency``, known with the training batches: real / padded tokens.
    """

    def __init__(
        self,
        train: str,
        val: str,
        tests: dict[str, str],
        language: str,
        root: str = ".",
        tokenizer: str = "whitespace",
        lowercase: bool = False,
        vocabulary_size: int = 8000,
        min_count: int = 1,
        max_size: int | None = None,
        max_length: int | None = 100,
        batch_by: Literal["sentences", "tokens", "stream"] = "sentences",
        batch_size: int = 64,
        window: int = 35,
        eval_batch_size: int = 128,
        eval_streams: int = 1,
        pool_batches: int = 100,
        seed: int = 0,
        cache: str = ".cache",
        fetch: str | None = None,
    ):
        super().__init__(named_splits(train, val, tests), root, cache, fetch)
        self.code = language
        self.tokenizer, self.lowercase, self.vocabulary_size = tokenizer, lowercase, vocabulary_size
        self.min_count, self.max_size, self.max_length = min_count, max_size, max_length
        self.batch_by, self.batch_size, self.window = batch_by, batch_size, window
        self.eval_batch_size, self.eval_streams = eval_batch_size, eval_streams
        self.pool_batches, self.seed = pool_batches, seed
        self.language: Language | None = None
        self.corpora: dict[str, Corpus] = {}
        self._texts: dict[str, Text] = {}
        self._check_settings()

    # What the model and generation must know

    def description(self) -> dict:
        """The language and its code, as plain containers; known after ``setup``."""
        assert self.language is not None, "setup first"
        return {"language": self.language.state(), "language_code": self.code}

    def use(self, description: dict) -> None:
        """Takes the language of a checkpoint instead of learning it; call before ``setup``."""
        self.language = Language.from_state(description["language"])
        self.code = same_language(description, "language_code", "language", self.code)

    def references(self, split: str) -> list[str]:
        """The lines of train, val or a test set, as they stand in the file."""
        return self._text(split).lines()

    # Reading

    @property
    def knows_its_language(self) -> bool:
        return self.language is not None

    def _load(self, splits: list[str]) -> None:
        for split in splits:
            self._text(split)
        if self.language is None:
            self.language = self._learn_language()
        for split in splits:
            if split not in self.corpora:
                self.corpora[split] = corpus.encode(self._text(split), self.language, self.cache)

    def _shared(self, split: str) -> tuple[int, int, str]:
        train, other = self._text("train"), self._text(split)
        return corpus.count_shared([train], [other], self.cache), len(other), "lines"

    def _text(self, split: str) -> Text:
        if split not in self._texts:
            path = self.folder / self.files[split]
            self._texts[split] = corpus.read_text(path, self.cache, corpus.how_to_get(self.fetch))
        return self._texts[split]

    def _learn_language(self) -> Language:
        text = self._text("train")
        tokenizer = choose(self.tokenizer, self.code, self.lowercase, self.vocabulary_size)
        tokenizer = corpus.train_tokenizer(tokenizer, [text], self.cache)
        counts = corpus.tokenise(text, tokenizer, self.cache).counts()
        return Language(tokenizer, self._count_vocabulary(counts, self.min_count, self.max_size))

    # Batches

    def _training_loader(self) -> Loader:
        return self._stream_loader("train") if self.batch_by == "stream" else self._training_lines()

    def _training_lines(self) -> Loader:
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
            *(lengths, lengths, self.batch_size, self.batch_by, self.pool_batches, self.seed), **self._ranks()
        )
        batches = plan.batches(0)
        self.padding_efficiency = {"text": padding_efficiency(batches, lengths)}
        self._report(
            "%d training batches; real tokens fill %.1f%% of the positions",
            *(len(batches), 100 * self.padding_efficiency["text"]),
        )
        return self._loader(plan, lambda rows: collate_lines(text, kept[rows]))

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

    def _check_settings(self) -> None:
        self._require_positive("batch_size", "window", "eval_batch_size", "eval_streams", "pool_batches")


@made_by(ensure_park)
class ParkPlainText(PlainText):
    """One language of the park, written under ``root`` on first use (see ``seq2scene.data.park``)."""
