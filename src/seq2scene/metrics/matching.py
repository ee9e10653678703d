"""Matching the items of two scenes, objects or pairs of objects (Tan et al. 2019)."""

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from seq2scene.scenes.boxes import common, edges

SIGMA = 0.2  # of every kernel, in units of the canvas's width and height, its diagonal, or turns


def likeness(*differences: Tensor) -> Tensor:
    """The similarity exp(-1/2 sum (d / 0.2)^2), 0 to 1, over several differences d of the same shape."""
    return torch.exp(-0.5 * sum((difference / SIGMA).square() for difference in differences))


def match(similarity: Tensor, same: Tensor) -> Tensor:
    """Greedy matching: each predicted item in turn takes the most similar true item still free.

    similarity: (B, P, Q), at least 0, of P predicted to Q true items. same: (B, P, Q) bool, which may be
    matched at all; False on padding. Ties go to the first.

    Returns (B, P, Q) bool, at most one True in each row and each column.
    """
    matched = torch.zeros_like(same)
    if matched.numel():
        worth = similarity.masked_fill(~same, -1)
        for item in range(worth.shape[1]):
            best, index = worth[:, item].max(dim=1, keepdim=True)
            matched[:, item].scatter_(1, index, best >= 0)
            worth.masked_fill_(matched[:, item].unsqueeze(1), -1)
    return matched


@dataclass(frozen=True)
class Pairs:
    """The pairs of objects with overlapping boxes in B scenes, right-padded to N.

    first, second: (B, N) int64 classes. distance: (B, N) between their centres. angle: (B, N) of the
    direction from the second to the first, in turns, 0 to 1. present: (B, N) bool.
    """

    first: Tensor
    second: Tensor
    distance: Tensor
    angle: Tensor
    present: Tensor


def overlapping_pairs(classes: Tensor, centres: Tensor, boxes: Tensor, present: Tensor) -> Pairs:
    """All pairs i < j of objects, in the order given, whose boxes intersect.

    classes, present: (B, T). centres: (B, T, 2) in the units of the distances. boxes: (B, T, 4) centre x, y,
    width and height in any units.
    """
    i, j = torch.triu_indices(classes.shape[1], classes.shape[1], offset=1, device=classes.device)
    shared = common(edges(boxes[:, i]), edges(boxes[:, j]))
    overlap = (shared > 0).all(dim=2) & present[:, i] & present[:, j]

    counts = overlap.sum(1)
    width = int(counts.max()) if counts.numel() else 0  # few pairs overlap: keep only those
    chosen = overlap.int().argsort(dim=1, descending=True, stable=True)[:, :width]
    first, second = i[chosen], j[chosen]
    x, y = (_of(centres, first) - _of(centres, second)).unbind(2)
    return Pairs(
        classes.gather(1, first),
        classes.gather(1, second),
        distance=(x.square() + y.square() + 1e-10).sqrt(),
        angle=(torch.atan2(y, x) + pi) / (2 * pi),
        present=overlap.gather(1, chosen),
    )


def compare_pairs(predicted: Pairs, true: Pairs) -> tuple[Tensor, Tensor]:
    """The arguments of ``match``, (B, P, Q) each: the similarity of two pairs, and whether their classes
    agree.
    """
    same = predicted.first.unsqueeze(2) == true.first.unsqueeze(1)
    same &= predicted.second.unsqueeze(2) == true.second.unsqueeze(1)
    same &= predicted.present.unsqueeze(2) & true.present.unsqueeze(1)
    distance = predicted.distance.unsqueeze(2) - true.distance.unsqueeze(1)
    angle = (predicted.angle.unsqueeze(2) - true.angle.unsqueeze(1)).abs()
    return likeness(distance, torch.minimum(angle, 1 - angle)), same  # the smaller angle


def _of(points: Tensor, index: Tensor) -> Tensor:
    """Points (B, T, 2) at indices (B, N) -> (B, N, 2)."""
    return points.gather(1, index.unsqueeze(2).expand(-1, -1, points.shape[2]))
