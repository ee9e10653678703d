"""The texts of scenes: a few sentences each, as words that a model knows."""

import re
from collections.abc import Sequence
from typing import Any, Self

import torch

from seq2scene.errors import UserError
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.language import Language
from seq2scene.sequences.padding import pad


class SceneTexts:
    """How a scene's sentences are read: words that are not in the vocabulary are left out, a sentence is cut
    after ``max_words`` (None: never), and the last one ends in EOS.

    sentences: how many a scene has at most.
    """

    def __init__(self, language: Language, sentences: int, max_words: int | None = None) -> None:
        self.language = language
        self.sentences = sentences
        self.max_words = max_words

    def ids(self, sentence: str) -> list[int]:
        return self.language.vocabulary.ids(self._known(sentence)[: self.max_words])

    def is_cut(self, sentence: str) -> bool:
        """Whether ``max_words`` takes words away."""
        return self.max_words is not None and len(self._known(sentence)) > self.max_words

    def _known(self, sentence: str) -> list[str]:
        return [word for word in self.language.tokenizer.split(sentence) if word in self.language.vocabulary]

    def unknown(self, sentence: str) -> list[str]:
        """The words of a sentence that are out of vocabulary."""
        return self.language.unknown(sentence)

    def rows(self, scene: Sequence[str]) -> list[list[int]]:
        """The ids of a scene's sentences, empty ones where it has fewer than it may have, EOS at the end of
        the last one that has words; none where there is no word at all.

        Raises:
            UserError: there are more sentences than a scene can have.
        """
        if len(scene) > self.sentences:
            raise UserError(
                f"this model reads at most {self.sentences} sentences of a scene, here are {len(scene)}: "
                "leave some out"
            )
        rows = [self.ids(sentence) for sentence in scene]
        rows += [[] for _ in range(self.sentences - len(rows))]
        told = [number for number, row in enumerate(rows) if row]
        if told:
            rows[told[-1]].append(self.language.vocabulary.eos)
        return rows

    def batch(self, scenes: Sequence[Sequence[str]]) -> Sentences:
        """Scenes as a padded batch of ``sentences`` rows each."""
        rows = [torch.tensor(row, dtype=torch.int64) for scene in scenes for row in self.rows(scene)]
        ids, lengths = pad(rows, self.language.vocabulary.pad)
        if ids.shape[1] == 0:
            ids = ids.new_full((len(rows), 1), self.language.vocabulary.pad)
        return Sentences.of(ids, lengths)

    def state(self) -> dict[str, Any]:
        return {
            "language": self.language.state(),
            "sentences": self.sentences,
            "max_words": self.max_words,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        return cls(Language.from_state(state["language"]), state["sentences"], state["max_words"])


def split_sentences(text: str) -> list[str]:
    """One text as its sentences, cut after . ! and ?"""
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+", text.strip()) if part.strip()]
