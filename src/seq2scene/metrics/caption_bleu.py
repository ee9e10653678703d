"""BLEU-1 to BLEU-4 of captions against several references (Papineni et al. 2002), as the COCO evaluation code
computes it.
"""

import math
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from seq2scene.metrics.caption_words import caption_words

ORDERS = 4


class CaptionBleu(Metric):
    """Corpus BLEU, 0 to 100, of n-grams up to ``order``, from integers summed over batches and ranks.

    N-gram counts are clipped at their maximum over the references. The brevity penalty uses, for each
    caption, the reference length closest to its own, the shorter of two. No smoothing: without a match of
    some order the score is 0. NaN if neither side has any words.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    counts: Tensor  # (4,) matching n-grams, by order
    totals: Tensor  # (4,) n-grams of the captions, by order
    lengths: Tensor  # (2,) words of the captions and of the nearest references

    def __init__(self, order: int = ORDERS) -> None:
        super().__init__()
        self.order = order
        for name, size in (("counts", ORDERS), ("totals", ORDERS), ("lengths", 2)):
            self.add_state(name, torch.zeros(size, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, captions: Sequence[str], references: Sequence[Sequence[str]]) -> None:
        """Adds captions, each with all references of its image, as plain text."""
        rows = [caption_statistics(*pair) for pair in zip(captions, references, strict=True)]
        if rows:
            counts, totals, lengths = zip(*rows, strict=True)
            for state, values in ((self.counts, counts), (self.totals, totals), (self.lengths, lengths)):
                state += state.new_tensor(values).sum(dim=0)

    def compute(self) -> Tensor:
        counts, totals = self.counts[: self.order].tolist(), self.totals[: self.order].tolist()
        score = 0.0 if self.lengths.any() else math.nan
        if all(counts):
            mean = sum(math.log(c / t) for c, t in zip(counts, totals, strict=True)) / self.order
            written, wanted = self.lengths.tolist()
            score = 100 * math.exp(mean + min(1 - wanted / written, 0))
        return torch.tensor(score, dtype=torch.float64, device=self.counts.device)


def ngrams(words: Sequence[str], most: int = ORDERS) -> Counter:
    """How often each n-gram of 1 to ``most`` words occurs."""
    return Counter(tuple(words[i : i + n]) for n in range(1, most + 1) for i in range(len(words) - n + 1))


def caption_statistics(caption: str, references: Sequence[str]) -> tuple[list[int], list[int], list[int]]:
    """Of one caption: matches and n-grams by order, each (4,), and the two lengths (2,)."""
    words, golds = caption_words(caption), [caption_words(reference) for reference in references]
    allowed: Counter = Counter()
    for gold in golds:
        allowed |= ngrams(gold)
    counts = [0] * ORDERS
    for gram, count in (ngrams(words) & allowed).items():
        counts[len(gram) - 1] += count
    totals = [max(len(words) - n, 0) for n in range(ORDERS)]
    nearest = min((abs(len(gold) - len(words)), len(gold)) for gold in golds)[1]
    return counts, totals, [len(words), nearest]
