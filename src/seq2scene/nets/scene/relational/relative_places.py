"""The place of an object relative to each anchor: the canvas and the objects on it."""

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2scene.attention import at_least_float32
from seq2scene.nets.scene.relational.laplace_mixture import LaplaceMixture
from seq2scene.nets.scene.relational.pairs import Pairs

STEEP, WIDE = -3.0, 2.0  # bounds of the log-scale of a component, in units


class RelativePlaces(nn.Module):
    """A mixture of Laplace components, ``components`` for each anchor. A component aligns a point of the new
    object's box with a point of the anchor's box, each relative to half the box's extent, and adds an offset:

        mean = centre_j + a extent_j / 2 - b extent / 2 + c

    so that "on", "beside" or "in the hand" is one component whatever the sizes. unit: of c and of the scales,
    in canvas units.

    A mixture says that the place depends on one of the anchors; a text may relate the object to several, and
    it should not cover the others. So each component's weight is multiplied by the density that each anchor j
    gives its mean, to a power that grows from ``company`` to 1 with the probability g_j that the text relates
    the two:

        log w_c  <-  log w_c + agreement sum_j max(g_j, company) log p_j(mean_c)        then normalised
    """

    def __init__(
        self,
        pair_size: int,
        hidden_size: int,
        components: int,
        unit: float,
        agreement: float = 0.0,
        company: float = 0.0,
    ) -> None:
        super().__init__()
        self.components, self.unit, self.agreement, self.company = components, unit, agreement, company
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
        self,
        features: Tensor,
        chosen: Tensor,
        anchors: Tensor,
        extents: Tensor,
        pairs: Pairs,
        related: Tensor | None = None,
    ) -> tuple[LaplaceMixture, LaplaceMixture]:
        """Features of the pairs (P, pair_size) and of the objects (N, T, hidden_size), boxes of the anchors
        (N, S, 4), extents of the objects (N, T, 2), the probability that the text relates each pair (P,), or
        None -> mixtures (P,) of ``components``, given each anchor alone; and mixtures (N, T) of S *
        components each, those of an anchor adjacent.
        """
        hidden = F.gelu(self.pairs(features) + pairs.objects(self.features(chosen)))
        raw = at_least_float32(self.output(F.gelu(self.hidden(hidden)))).unflatten(1, (self.components, 9))
        log_weights, there, here, shift, log_scales = raw.split([1, 2, 2, 2, 2], dim=2)
        log_weights = log_weights.squeeze(2)
        centres, sizes = pairs.things(anchors.to(raw.dtype)).unsqueeze(1).split(2, dim=2)
        own = pairs.objects(extents.to(raw.dtype)).unsqueeze(1)
        means = centres + there * sizes / 2 - here * own / 2 + shift * self.unit
        log_scales = log_scales.clamp(STEEP, WIDE) + math.log(self.unit)
        alone = LaplaceMixture(log_weights.log_softmax(1), means, log_scales)
        whole = LaplaceMixture(
            pairs.dense(log_weights, torch.finfo(raw.dtype).min).flatten(2).log_softmax(2),
            pairs.dense(means).flatten(2, 3),
            pairs.dense(log_scales).flatten(2, 3),
        )
        if self.agreement and related is not None:
            means = pairs.objects(whole.means).transpose(0, 1)  # (S * components, P, 2)
            agreed = alone.log_probs(means).T * related.clamp(min=self.company).unsqueeze(1)
            log_weights = whole.log_weights + self.agreement * pairs.sum(agreed)
            whole = replace(whole, log_weights=log_weights.log_softmax(2))
        return alone, whole
