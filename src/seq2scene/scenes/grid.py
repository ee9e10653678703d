"""The grid of places that scene models choose from."""

from dataclasses import dataclass

import torch
from torch import Tensor

from seq2scene.errors import UserError


@dataclass(frozen=True)
class Grid:
    """columns x rows points, evenly spaced from (left, top) to (right, bottom) inclusive, in canvas units, y
    downwards. Cells are numbered row by row from the top left.
    """

    columns: int
    rows: int
    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        for name in ("columns", "rows"):
            count = getattr(self, name)
            if type(count) is not int or count < 2:
                raise UserError(f"grid.{name}={count} must be a whole number of 2 or more")

    @property
    def cells(self) -> int:
        return self.columns * self.rows

    def cell(self, points: Tensor) -> Tensor:
        """Points (..., 2) -> the nearest cell (...,) int64, an edge cell for points off the canvas."""
        column = self._nearest(points[..., 0], self.left, self.right, self.columns)
        row = self._nearest(points[..., 1], self.top, self.bottom, self.rows)
        return row * self.columns + column

    def point(self, cell: Tensor) -> Tensor:
        """Cells (...,) -> their points (..., 2) on the canvas, float32."""
        x = self.left + (cell % self.columns) * ((self.right - self.left) / (self.columns - 1))
        y = self.top + (cell // self.columns) * ((self.bottom - self.top) / (self.rows - 1))
        return torch.stack([x, y], dim=-1).to(torch.float32)

    @staticmethod
    def _nearest(values: Tensor, low: float, high: float, count: int) -> Tensor:
        step = (high - low) / (count - 1)
        return ((values - low) / step + 0.5).floor().clamp(0, count - 1).to(torch.int64)
