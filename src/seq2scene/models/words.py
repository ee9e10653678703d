"""What models that write words share: hypotheses as plain values, and the likelihood of given words."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from seq2scene.search.hypotheses import Hypotheses
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.language import Language
from seq2scene.sequences.vocabulary import Vocabulary

ROWS = 1024  # of logits (rows, V) that exist at a time while targets are scored


@dataclass(frozen=True)
class Hypothesis:
    """One text that a model wrote; ``str`` of it is the text.

    words: its tokens, without EOS. log_prob: the model's, of the words and EOS. attention: (words + 1, source
    positions) float32 on the CPU, EOS last; None without attention, or where it was not requested.
    """

    text: str
    words: tuple[str, ...]
    log_prob: float
    attention: Tensor | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return self.text


def read_hypotheses(found: Hypotheses, language: Language, sources: Sequence[int]) -> list[list[Hypothesis]]:
    """The hypotheses of each source, best first. sources: (B,) how many positions each source has."""
    found = found.to("cpu")
    return [
        [
            _read(found, language, row, n, length)
            for n in range(found.tokens.shape[1])
            if n == 0 or found.lengths[row, n] > 0  # else the beam found fewer
        ]
        for row, length in enumerate(sources)
    ]


def _read(found: Hypotheses, language: Language, row: int, n: int, length: int) -> Hypothesis:
    words = language.tokens(found.tokens[row, n])
    attention = None
    if found.weights is not None:
        attention = found.weights[row, n, : found.lengths[row, n], :length].float()
    return Hypothesis(language.tokenizer.join(words), tuple(words), float(found.log_probs[row, n]), attention)


def forced_prefix(language: Language, prefix: str | None, count: int, device: torch.device) -> Tensor | None:
    """The ids (count, P) that every one of ``count`` texts begins with; None for no prefix."""
    if prefix is None:
        return None
    return torch.tensor(language.encode(prefix), dtype=torch.int64, device=device).expand(count, -1)


def special_ids(vocabulary: Vocabulary) -> dict[str, int]:
    """The ids that a search must know."""
    return {"bos": vocabulary.bos, "eos": vocabulary.eos, "pad": vocabulary.pad, "unk": vocabulary.unk}


def gold_log_probs(features: Tensor, gold: Sentences, output: nn.Linear) -> Tensor:
    """log p (B, T) float32 of each gold word and EOS, 0 on padding, from features (B, T, F)."""
    rows = zip(features[gold.mask].split(ROWS), gold.ids[gold.mask].split(ROWS), strict=True)
    parts = [output(x).log_softmax(1, torch.float32).gather(1, y.unsqueeze(1)) for x, y in rows]
    log_probs = torch.zeros_like(gold.ids, dtype=torch.float32)
    log_probs[gold.mask] = torch.cat(parts).squeeze(1)
    return log_probs
