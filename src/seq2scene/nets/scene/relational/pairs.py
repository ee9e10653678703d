"""Pairs of an object to place and an anchor, without padding."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from seq2scene.nets.scene.relational.laplace_mixture import LaplaceMixture


@dataclass(frozen=True)
class Pairs:
    """The P pairs of an object to place and an anchor, in N scenes with T objects and S anchors each,
    flattened, so that nothing is computed for padding or for later anchors.

    seen: (N, T, S) bool, which pairs exist. rows, steps, anchors: (P,) int64, the indices of each pair.
    """

    seen: Tensor
    rows: Tensor
    steps: Tensor
    anchors: Tensor

    @classmethod
    def of(cls, seen: Tensor) -> Self:
        return cls(seen, *seen.nonzero(as_tuple=True))

    def anywhere(self) -> tuple[Tensor, Tensor, Tensor]:
        """The K pairs of a step and an anchor that exist in any of the scenes: their steps and anchors (K,),
        and which of them each pair is (P,).
        """
        exist = self.seen.any(0)
        steps, anchors = exist.nonzero(as_tuple=True)
        numbers = exist.flatten().cumsum(0) - 1
        return steps, anchors, numbers[self.steps * self.seen.shape[2] + self.anchors]

    def objects(self, values: Tensor) -> Tensor:
        """Values of objects (N, T, any) for each pair (P, any)."""
        return values[self.rows, self.steps]

    def things(self, values: Tensor) -> Tensor:
        """Values of anchors (N, S, any) for each pair (P, any)."""
        return values[self.rows, self.anchors]

    def dense(self, values: Tensor, blank: float = 0.0) -> Tensor:
        """Values of pairs (P, ...) -> (N, T, S, ...), ``blank`` where there is no pair."""
        whole = values.new_full((*self.seen.shape, *values.shape[1:]), blank)
        return whole.index_put((self.rows, self.steps, self.anchors), values)

    def mean(self, values: Tensor, scores: Tensor) -> Tensor:
        """The mean (N, T, D) of values (P, D) over the anchors of each object, weighted by the softmax of
        scores (P,); 0 for an object without anchors.
        """
        least = torch.finfo(scores.dtype).min
        shares = self.dense(scores, least).softmax(2)[self.rows, self.steps, self.anchors]
        return self.sum(shares.unsqueeze(1) * values)

    def sum(self, values: Tensor) -> Tensor:
        """The sum (N, T, D) of values (P, D) over the anchors of each object."""
        rows, steps, _ = self.seen.shape
        total = values.new_zeros(rows * steps, values.shape[1])
        return total.index_add(0, self.rows * steps + self.steps, values).view(rows, steps, -1)


@dataclass(frozen=True)
class PairPredictions:
    """What the model predicts of P pairs.

    stated: (P, 2, statements) logits of each statement about them, with the object as its subject and,
    second, as its object (``scenes.statements``); None without attention to the text. places: (P,) densities
    of the object's place given each anchor alone.
    """

    pairs: Pairs
    stated: Tensor | None
    places: LaplaceMixture
