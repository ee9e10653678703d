"""ROUGE-L of captions against several references (Lin 2004), as the COCO evaluation code computes it."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from seq2scene.metrics.caption_words import caption_words

BETA = 1.2  # recall weighs more than precision


class RougeL(Metric):
    """The mean over captions, 0 to 100, of F = (1 + b^2) P R / (R + b^2 P), b = 1.2: P and R are the length
    of the longest common subsequence with a reference over that of the caption and of the reference, each
    maximised over references. NaN if nothing was counted.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, captions: Sequence[str], references: Sequence[Sequence[str]]) -> None:
        """Adds captions, each with all references of its image, as plain text."""
        self.total += sum(rouge_l(*pair) for pair in zip(captions, references, strict=True))
        self.count += len(captions)

    def compute(self) -> Tensor:
        return 100 * self.total / self.count


def common(a: Sequence[str], b: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    best = [0] * (len(b) + 1)
    for word in a:
        diagonal = 0
        for j, other in enumerate(b, start=1):
            diagonal, best[j] = best[j], diagonal + 1 if word == other else max(best[j], best[j - 1])
    return best[-1]


def rouge_l(caption: str, references: Sequence[str]) -> float:
    """The score of one caption, 0 to 1."""
    words, golds = caption_words(caption), [caption_words(reference) for reference in references]
    shared = [common(words, gold) for gold in golds]
    if not any(shared):
        return 0.0
    precision = max(shared) / len(words)
    recall = max(s / len(gold) for s, gold in zip(shared, golds, strict=True) if gold)
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)
