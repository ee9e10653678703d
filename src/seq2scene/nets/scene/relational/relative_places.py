"""The place of an object relative to each anchor: the canvas and the objects on it."""

import math
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2scene.attention import at_least_float32
from seq2scene.nets.scene.relational.laplace_mixture import LaplaceMixture

STEEP, WIDE = -5.0, 2.0  # bounds of the log-scale of a component, in units


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
        shares = self.dense(scores, least).softmax(2)[self.seen].unsqueeze(1)
        total = values.new_zeros(self.seen.shape[0] * self.seen.shape[1], values.shape[1])
        total = total.index_add(0, self.rows * self.seen.shape[1] + self.steps, shares * values)
        return total.view(*self.seen.shape[:2], -1)


class RelativePlaces(nn.Module):
    """A mixture of Laplace components, ``components`` for each anchor. A component aligns a point of the new
    object's box with a point of the anchor's box, each relative to half the box's extent, and adds an offset:

        mean = centre_j + a extent_j / 2 - b extent / 2 + c

    so that "on", "beside" or "in the hand" is one component whatever the sizes. unit: of c and of the scales,
    in canvas units.
    """

    def __init__(self, pair_size: int, hidden_size: int, components: int, unit: float) -> None:
        super().__init__()
        self.components, self.unit = components, unit
        self.pairs = nn.Linear(pair_size, pair_size)
        self.features = nn.Linear(hidden_size, pair_size, bias=False)
        self.hidden = nn.Linear(pair_size, pair_size)
        self.output = nn.Linear(pair_size, 9 * components)
        self._spread()

    def _spread(self) -> None:
        """Initialises the components at different sides of the anchor: left, on it and right, each at its
        middle and with bottom edges aligned.
        """
        number = torch.arange(self.components)
        side, low = number % 3 - 1.0, number // 3 % 2.0
        bias = self.output.bias.data.view(self.components, 9).zero_()
        bias[:, 1:5] = torch.stack([side, low, -side, low], dim=1)
        bias[:, 7:] = -1.0
        nn.init.normal_(self.output.weight, std=0.02)

    def forward(
        self, features: Tensor, chosen: Tensor, anchors: Tensor, extents: Tensor, pairs: Pairs
    ) -> LaplaceMixture:
        """Features of the pairs (P, pair_size) and of the objects (N, T, hidden_size), boxes of the anchors
        (N, S, 4), extents of the objects (N, T, 2) -> mixtures (N, T) of S * components each, those of an
        anchor adjacent.
        """
        hidden = F.gelu(self.pairs(features) + pairs.objects(self.features(chosen)))
        raw = at_least_float32(self.output(F.gelu(self.hidden(hidden)))).unflatten(1, (self.components, 9))
        log_weights, there, here, shift, log_scales = raw.split([1, 2, 2, 2, 2], dim=2)
        centres, sizes = pairs.things(anchors.to(raw.dtype)).unsqueeze(1).split(2, dim=2)
        own = pairs.objects(extents.to(raw.dtype)).unsqueeze(1)
        means = centres + there * sizes / 2 - here * own / 2 + shift * self.unit
        log_scales = log_scales.clamp(STEEP, WIDE) + math.log(self.unit)
        log_weights = pairs.dense(log_weights.squeeze(2), torch.finfo(raw.dtype).min)
        return LaplaceMixture(
            log_weights.flatten(2).log_softmax(2),
            pairs.dense(means).flatten(2, 3),
            pairs.dense(log_scales).flatten(2, 3),
        )
