"""The canvas as a learnt drawing: each object adds its ink, a learnt vector, to the cells that its box
covers.

Equivalent to a small network over class and attribute planes, without the planes: one plane per class and
attribute value, followed by a 1 x 1 convolution, is a sum of learnt vectors over boxes.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2scene.scenes.boxes import common, ends
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.photos import Patches, Photos
from seq2scene.scenes.schema import Schema


class SemanticCanvas(nn.Module):
    """Draws objects with learnt inks, one over their boxes and one at their centres, and encodes the drawing
    with 3 x 3 convolutions. Trained from scratch, without pretrained weights.

    size: (columns, rows) of the canvas. pictures: clip art for other canvases; unused. ink: features of a
    cell. widths: of the convolutions.
    """

    def __init__(
        self,
        schema: Schema,
        size: tuple[int, int],
        pictures: dict[str, Tensor] | None = None,
        ink: int = 48,
        widths: tuple[int, ...] = (64, 64),
    ) -> None:
        super().__init__()
        self.schema = schema
        self.size = size
        self.ink = ink
        self.inks = nn.Embedding(schema.classes, 2 * ink)
        self.attribute_inks = nn.ModuleDict(
            {name: nn.Embedding(head.classes, 2 * ink) for name, head in schema.heads.items()}
        )
        for name in schema.heads:
            self.register_buffer(f"has_{name}", schema.has(name), persistent=False)
        for inks in (self.inks, *self.attribute_inks.values()):
            nn.init.normal_(inks.weight, std=0.3)  # N(0, 1) learns slowly
        layers: list[nn.Module] = []
        for below, width in pairwise((ink, *widths)):
            layers += [nn.Conv2d(below, width, 3, padding=1), nn.ReLU()]
        self.encoder = nn.Sequential(*layers)
        self.output_size = widths[-1]

    def blank(self, memory_states: Tensor) -> Tensor:
        """Empty canvases (B, ink, rows, columns) for the B scenes of states (B, ...)."""
        return memory_states.new_zeros(len(memory_states), self.ink, self.size[1], self.size[0])

    def place(self, canvas: Tensor, objects: Objects, patches: Patches | None = None) -> Tensor:
        """The canvases (N, ...) with one more object on each (T = 1); unchanged where none is present."""
        return canvas + self._drawn(objects).squeeze(1)

    def prefixes(self, objects: Objects, photos: Photos | None = None) -> Tensor:
        """The canvases (B, T, ...) before each of the T steps of teacher forcing."""
        drawn = self._drawn(objects)
        return drawn.cumsum(dim=1) - drawn

    def forward(self, canvas: Tensor) -> Tensor:
        """Canvases (N, ...) -> features (N, output_size, rows, columns)."""
        return self.encoder(canvas)

    def _drawn(self, objects: Objects) -> Tensor:
        """What each object adds to its canvas, (B, T, ink, rows, columns)."""
        inks = self.inks(objects.classes)
        for name, embedding in self.attribute_inks.items():
            has = getattr(self, f"has_{name}")[objects.classes].unsqueeze(2)
            inks = inks + embedding(objects.attributes[name]) * has
        inks = (inks * objects.present.unsqueeze(2)).unflatten(2, (2, self.ink))  # (B, T, 2, ink)
        x, y = (self._spread(objects, axis) for axis in (0, 1))  # (B, T, 2, columns or rows)
        return torch.einsum("btki,btky,btkx->btiyx", inks, y.to(inks.dtype), x.to(inks.dtype))

    def _spread(self, objects: Objects, axis: int) -> Tensor:
        """How much of each column (axis 0) or row (axis 1) an object covers, and how near its centre is, both
        0 to 1.
        """
        boxes, cells = self.schema.boxes(objects), self.size[axis]
        scale = cells / self.schema.canvas[axis]
        centre, extent = (boxes[..., n].unsqueeze(2) * scale for n in (axis, 2 + axis))  # in cells
        first = torch.arange(cells, device=boxes.device)
        covered = common(ends(centre, extent), (first, first + 1))
        near = 1 - (centre.clamp(0.5, cells - 0.5) - 0.5 - first).abs()
        return F.relu(torch.stack([covered.clamp(max=1), near], dim=2))
