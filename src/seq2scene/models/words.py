"""Shared by models that write text: hypotheses as plain values, and the likelihood of given words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seq2scene.search.hypotheses import Hypotheses
from seq2scene.sequences.alignments import Link
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.language import Language
from seq2scene.sequences.vocabulary import Vocabulary

ROWS = 1024  # rows of logits (rows, V) computed at a time when scoring targets


@dataclass(frozen=True)
class Hypothesis:
    """One generated text; ``str`` gives the text itself.

    words: its tokens, without EOS. log_prob: of the words and EOS. attention: (words + 1, source positions)
    float32, EOS last; None without attention, or where it was not requested.
    """

    text: str
    words: tuple[str, ...]
    log_prob: float
    attention: np.ndarray | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Alignment:
    """The words of a text and of its translation, and which belong together.

    matrix: (target words, source words) float32, the attention that each target word paid to each source word
    when the translation was force-decoded. links: (source word, target word), counted from 0, in target
    order: each target word and the source word with the largest weight.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    matrix: np.ndarray = field(repr=False, compare=False)
    links: tuple[Link, ...]


def read_hypotheses(found: Hypotheses, language: Language, sources: Sequence[int]) -> list[list[Hypothesis]]:
    """The hypotheses of each source, best first. sources: (B,) lengths of the sources."""
    found = found.to("cpu")
    return [
        [
            _read(found, language, row, n, length)
            for n in range(found.tokens.shape[1])
            if n == 0 or found.lengths[row, n] > 0  # the beam may find fewer
        ]
        for row, length in enumerate(sources)
    ]


def _read(found: Hypotheses, language: Language, row: int, n: int, length: int) -> Hypothesis:
    words = language.tokens(found.tokens[row, n])
    attention = None
    if found.weights is not None:
        attention = found.weights[row, n, : found.lengths[row, n], :length].float().numpy()
    return Hypothesis(language.tokenizer.join(words), tuple(words), float(found.log_probs[row, n]), attention)


def forced_prefix(
    language: Language, prefix: str | Sequence[str] | None, count: int, device: torch.device
) -> Tensor | None:
    """The prefixes of ``count`` texts, one for all or a list, as ids (count, P), padded after the shorter
    ones; None for no prefix.
    """
    if prefix is None:
        return None
    if isinstance(prefix, str):
        return torch.tensor(language.encode(prefix), dtype=torch.int64, device=device).expand(count, -1)
    rows = [torch.tensor(language.encode(one), dtype=torch.int64) for one in prefix]
    return pad_sequence(rows, batch_first=True, padding_value=language.vocabulary.pad).to(device)


class SpecialIds(TypedDict):
    """The special token ids that a search needs."""

    bos: int
    eos: int
    pad: int
    unk: int


def special_ids(vocabulary: Vocabulary) -> SpecialIds:
    return {"bos": vocabulary.bos, "eos": vocabulary.eos, "pad": vocabulary.pad, "unk": vocabulary.unk}


def gold_log_probs(features: Tensor, gold: Sentences, output: Callable[[Tensor], Tensor]) -> Tensor:
    """log p (B, T) of each gold word and EOS, 0 on padding, from features (B, T, F); at least float32."""
    rows = zip(gold.real(features).split(ROWS), gold.real(gold.ids).split(ROWS), strict=True)
    parts = []
    for x, y in rows:
        logits = output(x)
        wide = torch.promote_types(logits.dtype, torch.float32)
        parts.append(logits.log_softmax(1, wide).gather(1, y.unsqueeze(1)))
    values = torch.cat(parts).squeeze(1)
    return torch.zeros_like(gold.ids, dtype=values.dtype).masked_scatter(gold.mask, values)
