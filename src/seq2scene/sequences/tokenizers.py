"""Tokenizers: conversion of a line of text to tokens and back.

Each is restored by ``restore(tokenizer.state())``; states are plain containers.
"""

import base64
import io
import logging
import re
import string
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, Protocol

from seq2scene.errors import UserError
from seq2scene.sequences.treebank import treebank_tokens

log = logging.getLogger(__name__)

LONGEST = 2**30  # bytes of a training line, sentencepiece's upper limit
RESERVED = "\u2585"  # sentencepiece skips lines that contain it


class Tokenizer(Protocol):
    """The interface of all tokenizers."""

    name: str

    def train(self, lines: Iterable[str]) -> None:
        """Learns from the training text; most tokenizers have nothing to learn."""

    def split(self, text: str) -> list[str]:
        """Tokens of one line."""

    def join(self, tokens: list[str]) -> str:
        """Readable text from tokens."""

    def state(self) -> dict:
        """``{"name": ..., **constructor arguments and learnt state}``."""


class Whitespace:
    """Tokens are separated by ASCII spaces and nothing else: a non-breaking space can be part of a token."""

    name = "whitespace"

    def __init__(self, lowercase: bool = False):
        self.lowercase = lowercase

    def train(self, lines: Iterable[str]) -> None:
        pass

    def split(self, text: str) -> list[str]:
        text = text.lower() if self.lowercase else text
        return [token for token in text.split(" ") if token]

    def join(self, tokens: list[str]) -> str:
        return " ".join(tokens)

    def state(self) -> dict:
        return {"name": self.name, "lowercase": self.lowercase}


class Moses:
    """The Moses tokenizer with its punctuation normalisation (sacremoses), for raw text in a language."""

    name = "moses"

    def __init__(self, language: str = "en", lowercase: bool = False):
        from sacremoses import MosesDetokenizer, MosesPunctNormalizer, MosesTokenizer

        self.language, self.lowercase = language, lowercase
        self._normaliser = MosesPunctNormalizer(lang=language)
        self._tokenizer = MosesTokenizer(lang=language)
        self._detokenizer = MosesDetokenizer(lang=language)

    def train(self, lines: Iterable[str]) -> None:
        pass

    def split(self, text: str) -> list[str]:
        text = self._normaliser.normalize(text.lower() if self.lowercase else text)
        return self._tokenizer.tokenize(text, escape=False)

    def join(self, tokens: list[str]) -> str:
        return self._detokenizer.detokenize(tokens, unescape=False)

    def state(self) -> dict:
        return {"name": self.name, "language": self.language, "lowercase": self.lowercase}


class Treebank:
    """The tokenizer of the Penn Treebank (NLTK): "doesn't" is "does" and "n't"; a typographic apostrophe
    counts as a plain one.
    """

    name = "treebank"

    def __init__(self, lowercase: bool = False):
        self.lowercase = lowercase

    def train(self, lines: Iterable[str]) -> None:
        pass

    def split(self, text: str) -> list[str]:
        return treebank_tokens((text.lower() if self.lowercase else text).replace("\u2019", "'"))

    def join(self, tokens: list[str]) -> str:
        return _detokenizer().detokenize(tokens)

    def state(self) -> dict:
        return {"name": self.name, "lowercase": self.lowercase}


@cache
def _detokenizer() -> Any:
    from nltk.tokenize.treebank import TreebankWordDetokenizer  # takes longer to import than PyTorch

    return TreebankWordDetokenizer()


class SentencePiece:
    """Subwords learnt from the training text, by byte-pair encoding or as a unigram language model."""

    name = "sentencepiece"

    def __init__(
        self,
        model_type: str = "bpe",
        vocabulary_size: int = 8000,
        lowercase: bool = False,
        model: str | None = None,
    ):
        self.model_type, self.vocabulary_size, self.lowercase = model_type, vocabulary_size, lowercase
        self._model = model
        self._pieces = _load_pieces(model) if model is not None else None

    def train(self, lines: Iterable[str]) -> None:
        """Raises UserError if the text is too small for ``vocabulary_size`` pieces."""
        self._model = _train_pieces(
            (self._case(line) for line in lines), self.model_type, self.vocabulary_size
        )
        self._pieces = _load_pieces(self._model)

    def split(self, text: str) -> list[str]:
        assert self._pieces is not None, "train a sentencepiece tokenizer before using it"
        return self._pieces.encode(self._case(text), out_type=str)

    def join(self, tokens: list[str]) -> str:
        assert self._pieces is not None, "train a sentencepiece tokenizer before using it"
        return self._pieces.decode_pieces(list(tokens))

    @property
    def pieces(self) -> list[str]:
        """All subwords, without sentencepiece's special symbols."""
        assert self._pieces is not None, "train a sentencepiece tokenizer before using it"
        ids = range(self._pieces.get_piece_size())
        special = (self._pieces.is_control, self._pieces.is_unknown)
        return [self._pieces.id_to_piece(i) for i in ids if not any(kind(i) for kind in special)]

    def split_at_random(self, lines: Sequence[str], dropout: float, seed: int) -> list[list[str]]:
        """Tokens of lines by byte-pair encoding that leaves out each merge with probability ``dropout``
        (BPE-dropout, Provilkov et al., ACL 2020). The same seed, at most 2^32 - 1, gives the same tokens.
        """
        import sentencepiece

        assert self._pieces is not None, "train a sentencepiece tokenizer before using it"
        # a generator takes this seed when its thread starts, and sentencepiece starts one for each list
        sentencepiece.set_random_generator_seed(seed)
        sampling = {"enable_sampling": True, "alpha": dropout, "nbest_size": -1, "num_threads": 1}
        return self._pieces.encode([self._case(line) for line in lines], out_type=str, **sampling)

    def state(self) -> dict:
        return {
            "name": self.name,
            "model_type": self.model_type,
            "vocabulary_size": self.vocabulary_size,
            "lowercase": self.lowercase,
            "model": self._model,
        }

    def _case(self, text: str) -> str:
        return text.lower() if self.lowercase else text


class Character:
    """Every character is a token, spaces too."""

    name = "character"

    def __init__(self, lowercase: bool = False):
        self.lowercase = lowercase

    def train(self, lines: Iterable[str]) -> None:
        pass

    def split(self, text: str) -> list[str]:
        return list(text.lower() if self.lowercase else text)

    def join(self, tokens: list[str]) -> str:
        return "".join(tokens)

    def state(self) -> dict:
        return {"name": self.name, "lowercase": self.lowercase}


class Words(Treebank):
    """The words that Text2Scene reads: lower-cased Treebank tokens without punctuation, purely alphabetic
    ones only, without stop_words.
    """

    name = "words"

    def __init__(self, stop_words: list[str] | None = None):
        super().__init__(lowercase=True)
        self.stop_words = list(stop_words or [])
        self._left_out = frozenset(self.stop_words)

        self._read = lru_cache(maxsize=2**17)(super().split)  # texts are read once to count, once to encode

    def split(self, text: str) -> list[str]:
        return [token for token in self.stripped(text) if token.isalpha()]

    def stripped(self, text: str) -> list[str]:
        """The tokens without punctuation and without stop words, alphabetic or not."""
        tokens = (token.translate(PUNCTUATION) for token in self._read(text))
        return [token for token in tokens if token and token not in self._left_out]

    def state(self) -> dict:
        return {"name": self.name, "stop_words": self.stop_words}


PUNCTUATION = str.maketrans("", "", string.punctuation)
TOKENIZERS: dict[str, Callable[..., Tokenizer]] = {
    kind.name: kind for kind in (Whitespace, Moses, Treebank, Words, SentencePiece, Character)
}
CHOICES = ["whitespace", "moses", "treebank", "bpe", "unigram", "character"]


def choose(name: str, language: str, lowercase: bool = False, vocabulary_size: int = 8000) -> Tokenizer:
    """The tokenizer of that name; ``vocabulary_size`` applies to bpe and unigram, ``language`` to moses.

    Raises UserError if ``name`` is not one of ``CHOICES``.
    """
    if name in ("bpe", "unigram"):
        return SentencePiece(name, vocabulary_size, lowercase)
    if name == "moses":
        return Moses(language, lowercase)
    if name in ("whitespace", "treebank", "character"):
        return TOKENIZERS[name](lowercase)
    raise UserError(f"there is no tokenizer {name!r}: choose one of {', '.join(CHOICES)}")


def whole_words(tokenizer: Tokenizer, tokens: list[str]) -> list[str]:
    """The tokens that are compared with those of another text: subwords joined to words, others as they
    are.
    """
    return tokenizer.join(tokens).split(" ") if isinstance(tokenizer, SentencePiece) else tokens


def restore(state: dict) -> Tokenizer:
    """The tokenizer with this ``state()``."""
    settings = dict(state)
    return TOKENIZERS[settings.pop("name")](**settings)


def _train_pieces(lines: Iterable[str], model_type: str, size: int) -> str:
    """The trained sentencepiece model, as base64 text."""
    import sentencepiece

    trained, held = io.BytesIO(), 0

    def learnable() -> Iterator[str]:
        nonlocal held
        for line in lines:
            held += RESERVED in line
            yield line.replace(RESERVED, " ")

    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=learnable(),
            model_writer=trained,
            model_type=model_type,
            vocab_size=size,
            character_coverage=1.0,
            max_sentence_length=LONGEST,
            minloglevel=2,
        )
    except (RuntimeError, ValueError) as error:
        raise UserError(_explain(str(error), model_type, size)) from error
    if held:
        log.info("%d lines contain U+2585, which sentencepiece reserves: it is not in any piece", held)
    return base64.b64encode(trained.getvalue()).decode("ascii")


def _load_pieces(model: str):
    from sentencepiece import SentencePieceProcessor

    return SentencePieceProcessor(model_proto=base64.b64decode(model))


def _explain(problem: str, model_type: str, size: int) -> str:
    """Sentencepiece's error as a message in terms of our options."""
    wanted = f"data.vocabulary_size={size} ({model_type})"
    if size < 1:
        return f"{wanted}: it must be at least 1"
    if "sentences_.empty()" in problem or "all_chars_count" in problem:
        return f"data.tokenizer={model_type}: the text has no characters to learn pieces from"
    if "isfinite" in problem:
        return f"data.tokenizer={model_type}: a word is too long to learn from; use data.tokenizer=bpe"
    if largest := re.search(r"value <= (\d+)", problem):
        return f"{wanted} is too large for this text: {largest[1]} is the largest that works"
    if smallest := re.search(r"required_chars\. \d+ vs (\d+)", problem):
        return f"{wanted} is too small for the characters of this text: use at least {smallest[1]}"
    return f"sentencepiece cannot learn {wanted} from this text: {problem}"
