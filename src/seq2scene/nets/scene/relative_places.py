"""Where an object goes with respect to each thing that stands: the canvas itself and the objects on it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2scene.attention import at_least_float32
from seq2scene.nets.scene.laplace_mixture import LaplaceMixture

STEEP, WIDE = -5.0, 2.0  # least and greatest log-scale of a component, in units


class RelativePlaces(nn.Module):
    """A mixture of Laplace components, so many for each anchor. A component aligns a point of the new
    object's box with a point of the anchor's box, each in shares of half that box, and adds an offset:

        mean = centre_j + a extent_j / 2 - b extent / 2 + c

    so that "on", "beside" or "in the hand" is one and the same component whatever the sizes. unit: of c and
    of the scales, in canvas units.
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
        """The components begin at different sides of the anchor: left, on it and right, at its middle and
        with their lower edges aligned.
        """
        number = torch.arange(self.components)
        side, low = number % 3 - 1.0, number // 3 % 2.0
        bias = self.output.bias.data.view(self.components, 9).zero_()
        bias[:, 1:5] = torch.stack([side, low, -side, low], dim=1)
        bias[:, 7:] = -1.0
        nn.init.normal_(self.output.weight, std=0.02)

    def forward(
        self, pairs: Tensor, features: Tensor, anchors: Tensor, extents: Tensor, seen: Tensor
    ) -> LaplaceMixture:
        """Pairs (N, T, S, pair_size), features of the T objects (N, T, hidden_size), boxes of the S anchors
        (N, S, 4), extents (N, T, 2) of the objects, and which anchors each may see (T, S) -> mixtures (N, T)
        of S * components each, those of an anchor adjacent.
        """
        hidden = F.gelu(self.pairs(pairs) + self.features(features).unsqueeze(2))
        raw = at_least_float32(self.output(F.gelu(self.hidden(hidden))))
        raw = raw.unflatten(3, (self.components, 9))  # (N, T, S, K, 9)
        log_weights, there, here, shift, log_scales = raw.split([1, 2, 2, 2, 2], dim=4)
        centres, sizes = (part[:, None, :, None] for part in anchors.to(raw.dtype).split(2, dim=2))
        own = extents.to(raw.dtype)[:, :, None, None]
        means = centres + there * sizes / 2 - here * own / 2 + shift * self.unit
        hidden_ones = ~seen[..., None]
        log_weights = log_weights.squeeze(4).masked_fill(hidden_ones, torch.finfo(raw.dtype).min)
        log_scales = log_scales.clamp(STEEP, WIDE) + torch.tensor(self.unit).log().item()
        return LaplaceMixture(
            log_weights.flatten(2).log_softmax(2), means.flatten(2, 3), log_scales.flatten(2, 3)
        )
