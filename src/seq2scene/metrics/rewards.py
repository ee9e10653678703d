"""Rewards of self-critical training: a score of each of several texts, given its references, or of each of
several scenes, given the facts that its text states.
"""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from sacrebleu.metrics import BLEU, CHRF

from seq2scene.arrays import undamaged
from seq2scene.caching import kept, key, renewed
from seq2scene.json_text import to_json, write_json
from seq2scene.metrics.bleu import SPACED
from seq2scene.metrics.caption_words import caption_words
from seq2scene.metrics.cider import DocumentFrequencies, Vectors, likeness
from seq2scene.scenes.facts import Facts, holds, things_of
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Schema

# Texts and the references of each -> scores, the higher the better
Reward = Callable[[Sequence[str], Sequence[Sequence[str]]], list[float]]

# Scenes, the facts that the text of each states, and their schema -> scores, the higher the better
SceneReward = Callable[[Objects, Sequence[Facts], Schema], list[float]]

END = "<end>"  # of a caption: no text has this word
VERSION = 1  # raise it when the words of captions change


def bleu_reward(lowercase: bool = False, captions: bool = False, tokenize: str = SPACED) -> Reward:
    """sacrebleu's BLEU of single sentences, 0 to 1, of the orders that a sentence is long enough for; of
    ``captions`` in their words (``caption_words``), otherwise in those of ``tokenize`` (``bleu_tokenizer``).
    """
    tokenize = "none" if captions else tokenize
    scorer = BLEU(tokenize=tokenize, lowercase=lowercase, effective_order=True, force=True)
    return _of_sacrebleu(scorer, captions)


def chrf_reward(lowercase: bool = False, captions: bool = False) -> Reward:
    """sacrebleu's chrF of single sentences, 0 to 1."""
    return _of_sacrebleu(CHRF(lowercase=lowercase), captions)


def _of_sacrebleu(scorer: BLEU | CHRF, captions: bool) -> Reward:
    def plain(text: str) -> str:
        return " ".join(caption_words(text)) if captions else text

    def reward(texts: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
        pairs = zip(texts, references, strict=True)
        return [scorer.sentence_score(plain(text), [*map(plain, told)]).score / 100 for text, told in pairs]

    return reward


def cider_reward(frequencies: DocumentFrequencies) -> Reward:
    """CIDEr-D, 0 to 10, with the ``stored_frequencies`` of the training captions.

    The end of a caption counts as a word: without it, captions that break off ("a man on a") score high.
    """

    @lru_cache(maxsize=2**14)
    def golds(texts: tuple[str, ...]) -> list[Vectors]:
        return [frequencies.vectors(_ended(text)) for text in texts]

    def reward(texts: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
        pairs = zip(texts, references, strict=True)
        return [likeness(frequencies.vectors(_ended(text)), golds(tuple(told))) for text, told in pairs]

    return reward


def _ended(text: str) -> tuple[str, ...]:
    return *caption_words(text), END


def stored_frequencies(references: Sequence[Sequence[str]], cache: Path | str) -> DocumentFrequencies:
    """The document frequencies of ``references``, the captions of each image, with the end of each as a word;
    counted once and cached.
    """
    facts = ["document frequencies", VERSION, [list(told) for told in references]]
    path = Path(cache) / f"{key(to_json(facts))}.json"

    def make() -> Path:
        return kept(path, count, write_json)

    def count() -> dict[str, Any]:
        return DocumentFrequencies.of([_ended(text) for text in told] for told in references).plain()

    def read(path: Path) -> DocumentFrequencies:
        with undamaged(path):
            return DocumentFrequencies.from_plain(json.loads(path.read_text("utf-8")))

    return renewed(path, make, read)


def faithfulness_reward(objects: Objects, facts: Sequence[Facts], schema: Schema) -> list[float]:
    """The share of the facts of each text that hold in its scene, 0 to 1; 0 where a text states none."""
    scenes = zip(facts, things_of(objects.to("cpu"), schema), strict=True)
    return [sum(holds(fact, things) for fact in text) / max(len(text), 1) for text, things in scenes]
