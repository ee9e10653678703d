"""The texts of scenes: a few sentences each, as in-vocabulary words."""

import re
from collections.abc import Sequence
from typing import Any, Self

import torch

from seq2scene.errors import UserError
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.language import Language
from seq2scene.sequences.padding import pad

# Denials of moods are taught by the park's texts; of others a model reads the rest, and draws it
LEARNT = r"(?! (?:sad|happy|angry|surprised|far from)\b)"
DENIALS = re.compile(
    rf"\b(?:not{LEARNT}|no|never|without|nobody|nothing|none|neither)\b|\w+n['\u2019]t\b{LEARNT}", re.I
)


class SceneTexts:
    """How a scene's sentences are read: out-of-vocabulary words are dropped, sentences are truncated after
    ``max_words`` (None: never), and the last one ends in EOS.

    sentences: the greatest number per scene.
    """

    def __init__(self, language: Language, sentences: int, max_words: int | None = None) -> None:
        self.language = language
        self.sentences = sentences
        self.max_words = max_words

    def ids(self, sentence: str) -> list[int]:
        return self.language.vocabulary.ids(self._known(sentence)[: self.max_words])

    def is_cut(self, sentence: str) -> bool:
        """Whether ``max_words`` truncates the sentence."""
        return self.max_words is not None and len(self._known(sentence)) > self.max_words

    def _known(self, sentence: str) -> list[str]:
        return [word for word in self.language.tokenizer.split(sentence) if word in self.language.vocabulary]

    def unknown(self, sentence: str) -> list[str]:
        """The words of a sentence that are out of vocabulary."""
        return self.language.unknown(sentence)

    def rows(self, scene: Sequence[str]) -> list[list[int]]:
        """The ids of a scene's sentences, padded with empty ones up to ``sentences``; EOS ends the last
        sentence with words, and is absent if no sentence has any.

        Raises:
            UserError: there are more than ``sentences``.
        """
        if len(scene) > self.sentences:
            raise UserError(
                f"this model reads at most {self.sentences} sentences per scene, but there are {len(scene)}: "
                "remove some"
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


def denials(text: str) -> list[str]:
    """The words by which a text denies what models draw all the same, in lower case, each once."""
    return [*dict.fromkeys(found.lower() for found in DENIALS.findall(text))]


def split_sentences(text: str) -> list[str]:
    """A text split into sentences after . ! and ?"""
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+", text.strip()) if part.strip()]
