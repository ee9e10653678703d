"""Boxes: their formats, edges, areas and overlap, and how they are clipped to a canvas.

A box (..., 4) is centre x, centre y, width and height, all in the same unit, y downwards. Annotations instead
have left, top, width and height in pixels; as these are read with numpy, their functions use numpy too.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

Array = TypeVar("Array", Tensor, np.ndarray)


def ends(centres: Array, extents: Array) -> tuple[Array, Array]:
    """The start and the end of extents around their centres, both of the same shape."""
    return centres - extents / 2, centres + extents / 2


def edges(boxes: Array) -> tuple[Array, Array]:
    """The upper left and lower right corners (..., 2) of boxes (..., 4)."""
    return ends(boxes[..., :2], boxes[..., 2:])


def from_edges(low: Tensor, high: Tensor) -> Tensor:
    """Boxes (..., 4) from their upper left and lower right corners (..., 2)."""
    return torch.cat([(low + high) / 2, high - low], dim=-1)


def normalised(boxes: Tensor, canvas: Sequence[float]) -> Tensor:
    """Boxes (..., 4) in canvas units as fractions of the canvas's (width, height)."""
    return boxes / boxes.new_tensor([*canvas, *canvas])


def on_canvas(boxes: Tensor) -> Tensor:
    """Boxes (..., 4) clipped to a canvas of side 1."""
    low, high = edges(boxes)
    return from_edges(low.clamp(0, 1), high.clamp(0, 1))


def areas(boxes: Tensor) -> Tensor:
    """Areas (...) of boxes (..., 4)."""
    return boxes[..., 2:].prod(-1)


def common(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> Tensor:
    """The length that two ``ends`` or ``edges`` have in common, per axis; if negative, their distance. Shapes
    are broadcast.
    """
    return torch.minimum(one[1], other[1]) - torch.maximum(one[0], other[0])


def overlap(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union (...), from 0 to 1, of boxes (..., 4), which are broadcast."""
    shared = common(edges(one), edges(other)).clamp(min=0).prod(-1)
    union = areas(one) + areas(other) - shared
    return shared / union.clamp(min=1e-10)


# Pixels of a canvas


def filled_pixels(boxes: Tensor, side: int) -> Tensor:
    """Boxes (..., 4) as fractions of the canvas -> (..., side, side) bool, the pixels they fill, by row and
    column. A box thinner than a pixel may fill none.
    """
    across, down = (pixel_range(boxes[..., axis], boxes[..., 2 + axis], side) for axis in (0, 1))
    pixels = torch.arange(side, device=boxes.device)
    columns, rows = (
        (first.unsqueeze(-1) <= pixels) & (pixels <= last.unsqueeze(-1)) for first, last in (across, down)
    )
    return rows.unsqueeze(-1) & columns.unsqueeze(-2)


def pixel_range(centres: Tensor, extents: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """The first and the last pixel of boxes along one axis, int64, as in Text2Scene's code."""
    low, high = ends(centres * side, extents * side)
    first, last = torch.stack([low + 1, high]).clamp(0, side - 1).long()
    return first, last


# Left, top, width and height in pixels


def within(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(A,) bool: which boxes (A, 4) (left, top, width, height) are not empty and lie at least partly inside
    images of ``sizes`` (A, 2). All other objects are dropped.
    """
    first, extents = boxes[:, :2], boxes[:, 2:]
    return ((extents > 0) & (first < sizes) & (first + extents > 0)).all(axis=1)


def clipped(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Boxes (A, 4) (left, top, width, height) without what is outside images of ``sizes`` (A, 2), which they
    are ``within``.
    """
    first = np.maximum(boxes[:, :2], 0)
    return np.concatenate([first, np.minimum(boxes[:, :2] + boxes[:, 2:], sizes) - first], axis=1)


def inside(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Boxes (A, 4) (left, top, width, height), moved and clipped as by ``corners``: at least a pixel wide and
    high, except those that start within the last pixel.
    """
    first, last = corners(boxes, sizes)
    return np.concatenate([first, last - first + 1], axis=1)


def corners(boxes: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last pixels (A, 2) of boxes (A, 4) (left, top, width, height) in images of ``sizes``
    (A, 2), which they are ``within``. Boxes are moved inside at the left and the top and clipped at the right
    and the bottom, as in Text2Scene's code.
    """
    first = np.maximum(boxes[:, :2], 0)
    return first, np.minimum(sizes - 1, first + np.maximum(boxes[:, 2:] - 1, 0))


def on_square(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Boxes (A, 4) (left, top, width, height) in images of ``sizes`` (A, 2) -> (A, 4) float32 (centre x, y,
    width, height), clipped to the image, as fractions of the square in whose lower left corner the image
    lies.
    """
    first, last = corners(boxes, sizes)
    side = sizes.max(1, keepdims=True)
    centres = (first + last) / 2
    centres[:, 1] += side[:, 0] - sizes[:, 1]
    extents = last - first + 1
    return (np.concatenate([centres, extents], axis=1) / side).astype(np.float32)
