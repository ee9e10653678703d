"""The canvas as a picture: clip art painted on the device, encoded by an ImageNet trunk (Tan et al. 2019)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2scene.nets.vision.trunks import DEVIATION, MEAN, load_trunk
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.photos import Patches, Photos
from seq2scene.scenes.schema import Schema
from seq2scene.scenes.sprites import SpritePainter


class PictureCanvas(nn.Module):
    """Paints the objects' clip art and encodes the picture with a torchvision trunk.

    size: (columns, rows) of the features, resized from the trunk's own. pictures: the clip art. trunk, layer:
    name of a torchvision classifier and the node whose output to use; resnet50 and layer3 in the paper.
    weights: torchvision's name of ImageNet weights, the path of a weights file, or ``none`` for random
    initialisation. side: of the picture in pixels. frozen: the trunk is not trained, batch statistics
    included.

    Raises:
        UserError: there is no such trunk, node or weights, or the weights are not available locally.
    """

    def __init__(
        self,
        schema: Schema,
        size: tuple[int, int],
        pictures: dict[str, Tensor],
        trunk: str = "resnet50",
        layer: str = "layer3",
        weights: str = "IMAGENET1K_V1",
        side: int = 224,
        frozen: bool = True,
    ) -> None:
        super().__init__()
        self.size = size
        self.painter = SpritePainter(schema, pictures, side, side)
        self.trunk = load_trunk(trunk, layer, weights)
        self.frozen = frozen
        self.trunk.requires_grad_(not frozen)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1), persistent=False)
        with torch.no_grad():
            seen = self.trunk.eval()(torch.zeros(1, 3, side, side))["features"]
        self.output_size = seen.shape[1]

    def train(self, mode: bool = True) -> "PictureCanvas":
        super().train(mode)
        if self.frozen:
            self.trunk.eval()
        return self

    def blank(self, memory_states: Tensor) -> Tensor:
        """Backgrounds (B, 3, side, side) for the B scenes of states (B, ...)."""
        return self.painter.blank(len(memory_states))

    def place(self, canvas: Tensor, objects: Objects, patches: Patches | None = None) -> Tensor:
        """The canvases (N, ...) with one more object on each (T = 1); unchanged where none is present."""
        return self.painter.place(canvas, objects)

    def prefixes(self, objects: Objects, photos: Photos | None = None) -> Tensor:
        """The canvases (B, T, ...) before each of the T steps of teacher forcing."""
        return self.painter.paint(objects.cut(objects.classes.shape[1] - 1))

    def forward(self, canvas: Tensor) -> Tensor:
        """Canvases (N, ...) -> features (N, output_size, rows, columns)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            seen = self.trunk((canvas - self.mean) / self.deviation)["features"]
        return F.interpolate(seen, self.size[::-1], mode="bilinear", align_corners=True)
