"""How the items of two scenes, objects or pairs of objects, are held against each other (Tan et al. 2019)."""

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from seq2scene.scenes.boxes import common, edges

SIGMA = 0.2  # of every kernel, in canvas widths and heights, diagonals or turns


def likeness(*differences: Tensor) -> Tensor:
    """exp(-1/2 sum (d / 0.2)^2), 0 to 1, of the differences in each of several measures, all of one shape."""
    return torch.exp(-0.5 * sum((difference / SIGMA).square() for difference in differences))


def match(similarity: Tensor, same: Tensor) -> Tensor:
    """Greedy matching: each predicted item, in turn, takes the true one most like it that is still free.

    similarity: (B, P, Q), 0 and above, of P predicted with Q true items. same: (B, P, Q) bool, which may be
    matched at all; False for padding. Of equally similar ones the first is taken.

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
    """The pairs of objects of B scenes whose boxes overlap, padded at the end to N.

    first, second: (B, N) int64 classes. distance: (B, N) between their centres. angle: (B, N) of the way from
    the second to the first, in turns, 0 to 1. present: (B, N) bool.
    """

    first: Tensor
    second: Tensor
    distance: Tensor
    angle: Tensor
    present: Tensor


def overlapping_pairs(classes: Tensor, centres: Tensor, boxes: Tensor, present: Tensor) -> Pairs:
    """All pairs i < j of the objects, in the order given, whose boxes share some area.

    classes, present: (B, T). centres: (B, T, 2) in the units that distances shall have. boxes: (B, T, 4)
    centre x, y, width and height in any units.
    """
    i, j = torch.triu_indices(classes.shape[1], classes.shape[1], offset=1, device=classes.device)
    shared = common(edges(boxes[:, i]), edges(boxes[:, j]))
    overlap = (shared > 0).all(dim=2) & present[:, i] & present[:, j]

    counts = overlap.sum(1)
    width = int(counts.max()) if counts.numel() else 0  # few of all pairs overlap: keep those alone
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
    """What ``match`` takes, (B, P, Q) each: how alike two pairs lie, whether they are of the same classes."""
    same = predicted.first.unsqueeze(2) == true.first.unsqueeze(1)
    same &= predicted.second.unsqueeze(2) == true.second.unsqueeze(1)
    same &= predicted.present.unsqueeze(2) & true.present.unsqueeze(1)
    distance = predicted.distance.unsqueeze(2) - true.distance.unsqueeze(1)
    angle = (predicted.angle.unsqueeze(2) - true.angle.unsqueeze(1)).abs()
    return likeness(distance, torch.minimum(angle, 1 - angle)), same  # angles the shorter way round


def _of(points: Tensor, index: Tensor) -> Tensor:
    """Points (B, T, 2) at an index (B, N) -> (B, N, 2)."""
    return points.gather(1, index.unsqueeze(2).expand(-1, -1, points.shape[2]))
