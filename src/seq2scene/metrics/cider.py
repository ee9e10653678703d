"""CIDEr-D of captions against several references (Vedantam, Zitnick and Parikh, CVPR 2015).

For each n from 1 to 4 a caption is a vector over n-grams w: g(w) = count(w) log(I / I_w), where I_w of the I
images have w in a reference. With h the caption's vector, r that of one of its J references, l their lengths:

    CIDEr-D_n = 10 / J sum_r exp(-(l_h - l_r)^2 / (2 sigma^2)) min(h, r) . r / (|h| |r|),   sigma = 6
    CIDEr-D   = mean_n CIDEr-D_n
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor
from torchmetrics import Metric

from seq2scene.json_text import to_json
from seq2scene.metrics.caption_bleu import ORDERS, ngrams
from seq2scene.metrics.caption_words import caption_words

SIGMA = 6.0


class CiderD(Metric):
    """The mean over captions, 0 to 10; a good captioner has about 1, often reported as 100.

    Document frequencies come from the references of the scored set itself, so the score needs the whole set,
    and a single image scores 0. Texts are gathered from all ranks. NaN if nothing was counted.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    texts: list[Tensor]  # bytes of lines of JSON, [caption, [references]] each

    def __init__(self) -> None:
        super().__init__()
        self.add_state("texts", [], dist_reduce_fx="cat")
        self.reset()

    def reset(self) -> None:
        """Resets the metric; a rank without captions still has an (empty) state to gather."""
        super().reset()
        self.texts.append(torch.zeros(0, dtype=torch.uint8, device=self.device))

    def update(self, captions: Sequence[str], references: Sequence[Sequence[str]]) -> None:
        """Adds captions, each with all references of its image, as plain text."""
        lines = [to_json([c, list(r)]) + "\n" for c, r in zip(captions, references, strict=True)]
        data = bytearray("".join(lines).encode())
        if data:
            self.texts.append(torch.frombuffer(data, dtype=torch.uint8).to(self.device))

    def compute(self) -> Tensor:
        texts = torch.cat(self.texts) if isinstance(self.texts, list) else self.texts
        pairs = [json.loads(line) for line in texts.cpu().numpy().tobytes().decode().splitlines()]
        scores = cider_d([c for c, _ in pairs], [r for _, r in pairs])
        mean = math.fsum(scores) / len(scores) if scores else math.nan
        return torch.tensor(mean, dtype=torch.float64, device=texts.device)


Gram = tuple[str, ...]


@dataclass(frozen=True)
class DocumentFrequencies:
    """In how many of a number of images each n-gram is in a reference; one that is not listed is in one."""

    images: int
    counts: Mapping[Gram, int]

    @classmethod
    def of(cls, references: Iterable[Iterable[Sequence[str]]]) -> Self:
        """Counts those of images, each with its references as words."""
        images, counts = 0, Counter[Gram]()
        for golds in references:
            images += 1
            counts.update(set().union(*map(ngrams, golds)))
        return cls(images, {gram: count for gram, count in counts.items() if count > 1})

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of ``plain``."""
        counts = {tuple(gram.split(" ")): int(count) for gram, count in plain["counts"].items()}
        return cls(int(plain["images"]), counts)

    def plain(self) -> dict[str, Any]:
        """Plain containers."""
        return {
            "images": self.images,
            "counts": {" ".join(gram): count for gram, count in self.counts.items()},
        }

    def vectors(self, words: Sequence[str]) -> "Vectors":
        """The vectors of a caption or a reference."""
        log_images, counts = math.log(max(self.images, 1)), ngrams(words)
        weights: list[dict[Gram, float]] = [{} for _ in range(ORDERS)]
        for gram, count in counts.items():
            weights[len(gram) - 1][gram] = count * (log_images - math.log(self.counts.get(gram, 1)))
        norms = [math.sqrt(math.fsum(w * w for w in of_order.values())) for of_order in weights]
        # as in the published code, the length counts bigrams: one fewer than the words
        return Vectors(weights, norms, sum(c for gram, c in counts.items() if len(gram) == 2))


@dataclass(frozen=True)
class Vectors:
    """One caption: n-gram weights by order, their norms, and the number of words."""

    weights: list[dict[Gram, float]]
    norms: list[float]
    length: int


def cider_d(captions: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """The CIDEr-D of each caption, with document frequencies from the whole set."""
    golds = [[caption_words(text) for text in texts] for texts in references]
    frequencies = DocumentFrequencies.of(golds)
    return [
        likeness(frequencies.vectors(caption_words(caption)), list(map(frequencies.vectors, gold)))
        for caption, gold in zip(captions, golds, strict=True)
    ]


def likeness(written: Vectors, golds: Sequence[Vectors]) -> float:
    """The CIDEr-D of a caption, given the vectors of its references."""
    return 10 * math.fsum(_likeness(written, gold) for gold in golds) / len(golds)


def _likeness(written: Vectors, gold: Vectors) -> float:
    """The mean over n of clipped cosines, with a penalty on the difference in length."""
    total = 0.0
    for n in range(ORDERS):
        norm = written.norms[n] * gold.norms[n]
        if norm:
            theirs = gold.weights[n]
            shared = (
                min(w, theirs[gram]) * theirs[gram]
                for gram, w in written.weights[n].items()
                if gram in theirs
            )
            total += math.fsum(shared) / norm
    return total / ORDERS * math.exp(-((written.length - gold.length) ** 2) / (2 * SIGMA**2))
