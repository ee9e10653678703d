"""A language as a model sees it: conversion between text and ids."""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.padding import pad
from seq2scene.sequences.tokenizers import Tokenizer, Words, restore
from seq2scene.sequences.typed_text import readable
from seq2scene.sequences.vocabulary import Vocabulary


class Language:
    """A tokenizer and a vocabulary. Texts are read as ``readable``; corpora, which a model is trained and
    tested on, as they are (``sequences.corpus``).
    """

    def __init__(self, tokenizer: Tokenizer, vocabulary: Vocabulary):
        self.tokenizer = tokenizer
        self.vocabulary = vocabulary

    @cached_property
    def _alphabet(self) -> frozenset[str]:
        return frozenset().union(*self.vocabulary.words())

    def readable(self, text: str) -> str:
        """A text with characters that no word of the vocabulary has in the form in which its words have them,
        see ``sequences.typed_text``.
        """
        return readable(text, self._alphabet)

    def split(self, text: str) -> list[str]:
        """The tokens of a line."""
        return self.tokenizer.split(self.readable(text))

    def encode(self, text: str) -> list[int]:
        """The ids of a line, without special symbols around them."""
        return self.vocabulary.ids(self.split(text))

    def unknown(self, text: str) -> list[str]:
        """The words of a text that are out of vocabulary, or that the tokenizer leaves out as it cannot read
        them.
        """
        text, tokenizer = self.readable(text), self.tokenizer
        tokens = tokenizer.stripped(text) if isinstance(tokenizer, Words) else tokenizer.split(text)
        return [token for token in tokens if token not in self.vocabulary]

    def batch(self, lines: Sequence[str], eos: bool = False) -> Sentences:
        """Lines as a padded batch (B, T), T at least 1; with ``eos`` each ends in EOS."""
        return self.batch_tokens([self.split(line) for line in lines], eos)

    def batch_tokens(self, lines: Sequence[Sequence[str]], eos: bool = False) -> Sentences:
        """As ``batch``, of tokenised lines."""
        end = [self.vocabulary.eos] if eos else []
        sentences = [torch.tensor(self.vocabulary.ids(line) + end, dtype=torch.int64) for line in lines]
        ids, lengths = pad(sentences, self.vocabulary.pad)
        if ids.shape[1] == 0:
            ids = ids.new_full((len(lines), 1), self.vocabulary.pad)
        return Sentences.of(ids, lengths)

    def tokens(self, ids: Sequence[int] | Tensor) -> list[str]:
        """The tokens of one sentence (T,) up to the first EOS, without BOS and padding."""
        ids = ids.tolist() if isinstance(ids, Tensor) else list(ids)
        if self.vocabulary.eos in ids:
            ids = ids[: ids.index(self.vocabulary.eos)]
        silent = {self.vocabulary.pad, self.vocabulary.bos}
        return self.vocabulary.tokens(i for i in ids if i not in silent)

    def decode(self, ids: Sequence[int] | Tensor) -> str:
        """The text of one sentence (T,) up to the first EOS."""
        return self.tokenizer.join(self.tokens(ids))

    def state(self) -> dict:
        """Plain containers from which ``from_state`` restores the language."""
        return {"tokenizer": self.tokenizer.state(), "vocabulary": self.vocabulary.state()}

    @classmethod
    def from_state(cls, state: dict) -> "Language":
        return cls(restore(state["tokenizer"]), Vocabulary.from_state(state["vocabulary"]))
