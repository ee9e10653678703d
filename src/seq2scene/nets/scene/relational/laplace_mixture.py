"""The place of an object as a density over the canvas: a mixture of Laplace distributions."""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from seq2scene.nets.scene.placing import Draw


@dataclass(frozen=True)
class LaplaceMixture:
    """Mixtures of C components over points of the canvas, one for each index of the leading dimensions (...).

    log_weights: (..., C), normalised. means: (..., C, 2) in canvas units. log_scales: (..., C, 2), of x and
    of y, which are independent within a component.
    """

    log_weights: Tensor
    means: Tensor
    log_scales: Tensor

    def __getitem__(self, index: Tensor) -> Self:
        """Only the mixtures ``index``."""
        return type(self)(self.log_weights[index], self.means[index], self.log_scales[index])

    def log_prob(self, points: Tensor) -> Tensor:
        """The log-density (...,) at points (..., 2), in nats per square unit of the canvas."""
        distances = (points.unsqueeze(-2) - self.means).abs() / self.log_scales.exp()
        within = -(distances + self.log_scales + math.log(2)).sum(-1)
        return torch.logsumexp(self.log_weights + within, dim=-1)

    def log_probs(self, points: Tensor) -> Tensor:
        """The log-densities (M, P) of each of the P mixtures at M points of its own, (M, P, 2). The same as
        ``log_prob``, with the mixtures innermost, which is several times faster on a CPU if M is large.
        """
        means, log_scales = self.means.permute(2, 1, 0), self.log_scales.permute(2, 1, 0).contiguous()
        within = self.log_weights.T - (log_scales + math.log(2)).sum(0)  # (C, P)
        axes = points.permute(2, 0, 1).contiguous(), means.contiguous(), (-log_scales).exp()
        for place, mean, steepness in zip(*axes, strict=True):
            within = torch.addcmul(within, (place.unsqueeze(1) - mean).abs(), steepness, value=-1)
        return torch.logsumexp(within, dim=1)

    def centre(self) -> Tensor:
        """(..., 2) the mean of the component of greatest weight. The mode of the density could be that of a
        very narrow component of negligible weight.
        """
        return _pick(self.means, self.log_weights.argmax(-1))

    def averaged(self, values: Tensor) -> Tensor:
        """Values of anchors (..., S, W), each with C / S adjacent components, averaged by their shares of the
        weight: (..., W).
        """
        shares = self.log_weights.exp().unflatten(-1, (values.shape[-2], -1)).sum(-1)
        return (shares.unsqueeze(-2) @ values.to(shares.dtype)).squeeze(-2)

    def sample(self, draw: Draw) -> Tensor:
        """Points (..., 2): samples a component, then a point around its mean."""
        chosen = draw.choose(self.log_weights.flatten(0, -2)).view(self.log_weights.shape[:-1])
        means, scales = _pick(self.means, chosen), _pick(self.log_scales, chosen).exp()
        return draw.laplace(means.flatten(0, -2), scales.flatten(0, -2)).view_as(means)


def _pick(values: Tensor, components: Tensor) -> Tensor:
    """The values (..., 2), out of (..., C, 2), of the ``components`` (...,)."""
    index = components[..., None, None].expand(*components.shape, 1, 2)
    return values.gather(-2, index).squeeze(-2)
