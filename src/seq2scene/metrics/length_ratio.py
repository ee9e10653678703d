"""How long the texts are that a model writes, beside their references."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torchmetrics import Metric


class LengthRatio(Metric):
    """Words written for each word of the references, as sacrebleu and the COCO evaluation code report it.
    Below 1, the brevity penalty of BLEU, exp(1 - 1 / ratio), lowers the score (Papineni et al. 2002).

    words: splits a text. Of several references, the one whose length is closest counts, the shorter of two.
    NaN if no reference has words.
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False

    written: Tensor
    expected: Tensor

    def __init__(self, words: Callable[[str], Sequence[str]] = str.split) -> None:
        super().__init__()
        self.words = words
        for name in ("written", "expected"):
            self.add_state(name, torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, texts: Sequence[str], references: Sequence[Sequence[str]]) -> None:
        """Adds texts, each with all its references."""
        written, expected = 0, 0
        for text, golds in zip(texts, references, strict=True):
            length = len(self.words(text))
            lengths = [len(self.words(gold)) for gold in golds]
            written += length
            expected += min(lengths, key=lambda other: (abs(other - length), other))
        self.written += written
        self.expected += expected

    def compute(self) -> Tensor:
        return torch.where(self.expected > 0, self.written.double() / self.expected, torch.nan)
