"""The canvas of Text2Scene's layouts (Tan et al. 2019): a plane for each class, 1 where its boxes are."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2scene.scenes.boxes import filled_pixels
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.photos import Patches, Photos
from seq2scene.scenes.schema import Schema


class ClassPlanesCanvas(nn.Module):
    """Fills the boxes of objects at the resolution of the model's output: centred on grid points, with
    quantised size and aspect. A residual network, trained from scratch, encodes the planes.

    size: (columns, rows) of the features, resized from the network's own. pictures: clip art for other
    canvases; unused. side: of a plane in pixels, a multiple of 4. widths: channels of the first convolution
    and of the features.
    """

    def __init__(
        self,
        schema: Schema,
        size: tuple[int, int],
        pictures: dict[str, Tensor] | None = None,
        side: int = 64,
        widths: tuple[int, int] = (128, 256),
    ) -> None:
        super().__init__()
        self.schema = schema
        self.size = size
        self.side = side
        first, self.output_size = widths
        self.encoder = nn.Sequential(
            nn.Conv2d(schema.classes, first, 7, stride=2, padding=3, bias=False),
            nn.ReLU(),
            ResidualBlock(first, first),
            ResidualBlock(first, self.output_size, stride=2),
        )
        for module in self.encoder.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def blank(self, memory_states: Tensor) -> Tensor:
        """Empty canvases (B, classes, side, side) for the B scenes of states (B, ...)."""
        return memory_states.new_zeros(len(memory_states), self.schema.classes, self.side, self.side)

    def place(self, canvas: Tensor, objects: Objects, patches: Patches | None = None) -> Tensor:
        """The canvases (N, ...) with one more object on each (T = 1); unchanged where none is present."""
        planes, boxes = self._drawn(objects, canvas.dtype)
        return torch.maximum(canvas, planes[:, 0, :, None, None] * boxes)

    def prefixes(self, objects: Objects, photos: Photos | None = None) -> Tensor:
        """The canvases (B, T, ...) before each of the T steps of teacher forcing."""
        planes, boxes = self._drawn(objects, next(self.parameters()).dtype)
        steps = planes.shape[1]
        before = planes.new_ones(steps, steps).tril(-1)  # (T, T) which objects are on the canvas at each step
        there = before[:, :, None] * planes[:, None]  # (B, T, objects, classes)
        boxes_there = torch.einsum("btkc,bkp->btcp", there, boxes.flatten(2))
        return boxes_there.clamp_(max=1).unflatten(3, (self.side, self.side))

    def forward(self, canvas: Tensor) -> Tensor:
        """Canvases (N, ...) -> features (N, output_size, rows, columns)."""
        seen = self.encoder(canvas)
        return F.interpolate(seen, self.size[::-1], mode="bilinear", align_corners=True)

    @torch.no_grad()
    def _drawn(self, objects: Objects, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The class of each object (B, T, classes) and the pixels of its box (B, T, side, side), 0 or 1."""
        cells = self.schema.cells(objects)
        said = replace(objects, places=self.schema.grid.point(cells), extents=None)
        planes = F.one_hot(objects.classes, self.schema.classes) * objects.present.unsqueeze(2)
        boxes = filled_pixels(self.schema.boxes(said) / self.schema.canvas[0], self.side)
        return planes.to(dtype), boxes.to(dtype)


class ResidualBlock(nn.Module):
    """relu(conv(relu(conv(x))) + x), 3 x 3 and without normalisation (He et al. 2016); x by a 1 x 1
    convolution where its shape changes.
    """

    def __init__(self, below: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(below, width, 3, stride, padding=1, bias=False)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        same = below == width and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(below, width, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return (self.second(self.first(x).relu()) + self.shortcut(x)).relu()
