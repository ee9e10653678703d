"""What a translator did with one sentence: the words that it read, the hypotheses that it kept and dropped,
the words that it weighed at each step, where it looked, and what became of unknown words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seq2scene.models.translator import Translator
from seq2scene.search.backpointers import Step
from seq2scene.search.beam import Beam
from seq2scene.search.beam_tree import Node, beam_tree
from seq2scene.search.constraints import Constraints, Normalisation
from seq2scene.sequences.alignments import hard_alignment
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.padding import shift_right
from seq2scene.sequences.unknown_words import replace_unknown


@dataclass(frozen=True)
class SourceWord:
    """A source position. text: its word, as tokenised; None for the end of the sentence. known: False if it
    is out of vocabulary; the model reads all such words as one and the same symbol.
    """

    text: str | None
    known: bool


@dataclass(frozen=True)
class Candidate:
    """A word that could be written at a step, given those before it. text: None for the end of the sentence
    and for the unknown word.
    """

    id: int
    text: str | None
    probability: float


@dataclass(frozen=True)
class Written:
    """A step of a translation. word: what was written. alternatives: the likeliest words, best first.
    attention: over the source positions; None without attention. copied: the source word that stands for an
    unknown one: that with the most attention; None if the word is known, or nothing was looked at.
    """

    word: Candidate
    alternatives: tuple[Candidate, ...]
    attention: tuple[float, ...] | None
    copied: str | None


@dataclass(frozen=True)
class Translation:
    """A hypothesis. text: with unknown words copied from the source. steps: its words, and the end of the
    sentence. score: what hypotheses are ranked by. finished: False where the length limit ended it.
    """

    text: str
    steps: tuple[Written, ...]
    score: float
    log_prob: float
    finished: bool


@dataclass(frozen=True)
class Explanation:
    """translations: best first. beam: all candidates of the search."""

    source: tuple[SourceWord, ...]
    translations: tuple[Translation, ...]
    beam: tuple[Node, ...]


def beam_like(search: Constraints, size: int, normalisation: Normalisation = "average") -> Beam:
    """A beam search of ``size`` that returns as many hypotheses, with the constraints of another search."""
    return Beam(**search.shared(), size=size, n_best=size, normalisation=normalisation, stop="size")


@torch.inference_mode()
def explain(
    translator: Translator, text: str, search: Beam, prefix: Sequence[int] = (), alternatives: int = 8
) -> Explanation:
    """Translates a text, and says how. The translator is in evaluation mode.

    prefix: ids of target words that every translation begins with. alternatives: how many words to list at
    each step.
    """
    source, vocabulary = translator.read([text]), translator.target.vocabulary
    forced = torch.tensor([list(prefix)], dtype=torch.int64, device=translator.device)
    steps: list[Step] = []
    found = translator.decode(source, search, prefix=forced if prefix else None, record=steps)
    translations = []
    for n in range(found.tokens.shape[1]):
        length = int(found.lengths[0, n])
        if n > 0 and length == 0:
            break  # the beam found fewer
        written = _written(translator, text, source, found.tokens[:1, n, :length], alternatives)
        words = [step.copied or vocabulary.tokens([step.word.id])[0] for step in written[:-1]]
        translations.append(
            Translation(
                text=translator.target.tokenizer.join(words),
                steps=tuple(written),
                score=float(found.scores[0, n]),
                log_prob=float(found.log_probs[0, n]),
                finished=bool(found.finished[0, n]),
            )
        )
    tree = beam_tree(steps, vocabulary.eos)
    return Explanation(tuple(source_words(translator, text)), tuple(translations), tuple(tree))


def source_words(translator: Translator, text: str) -> list[SourceWord]:
    """The source positions of a text."""
    language = translator.source
    words = [SourceWord(word, word in language.vocabulary) for word in language.split(text)]
    return words + [SourceWord(None, True)] * translator.source_eos


def _written(
    translator: Translator, text: str, source: Sentences, tokens: Tensor, count: int
) -> list[Written]:
    """The steps of a translation, tokens (1, T) ending in EOS, by force-decoding it."""
    vocabulary = translator.target.vocabulary
    if not source.mask.any():
        return [Written(Candidate(vocabulary.eos, None, 1.0), (), None, None)]
    features, weights = translator(source, shift_right(tokens, vocabulary.bos))
    probabilities = translator.decoder.output(features[0]).float().softmax(1)  # (T, V)
    never = torch.tensor([vocabulary.pad, vocabulary.bos], device=probabilities.device)
    best = probabilities.index_fill(1, never, 0).topk(min(count, len(vocabulary) - 2))
    copied: list[str | None] = [None] * tokens.shape[1]
    if weights is not None:
        soft = translator.soft_alignment(source, tokens, weights)
        sources, split = hard_alignment(soft)[0].tolist(), translator.source.split(text)
        unknown = (tokens[0] == vocabulary.unk).tolist()
        copied = replace_unknown([None] * len(unknown), unknown, sources, split, {})
    return [
        Written(
            _candidate(translator, number, float(row[number])),
            tuple(_candidate(translator, *one) for one in zip(ids, values, strict=True)),
            None if weights is None else tuple(weights[0, step].tolist()),
            copied[step],
        )
        for step, (number, row, ids, values) in enumerate(
            zip(tokens[0].tolist(), probabilities, best.indices.tolist(), best.values.tolist(), strict=True)
        )
    ]


def _candidate(translator: Translator, number: int, probability: float) -> Candidate:
    vocabulary = translator.target.vocabulary
    special = number in (vocabulary.eos, vocabulary.unk)
    return Candidate(number, None if special else vocabulary.tokens([number])[0], probability)
