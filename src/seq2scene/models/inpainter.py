"""The inpainter that users work with: composites in, photos out (Text2Scene, Tan et al. 2019)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from seq2scene.building import build
from seq2scene.compositing.pasting import Rendering
from seq2scene.models.model import Model
from seq2scene.nets.vision import inpainter
from seq2scene.scenes.objects import FIRST_CLASS

WHITE = 255.0


@dataclass(frozen=True)
class Mended:
    """B inpainted composites: pictures (B, 3, side, side) from 0 to 255 and labels (B, side, side) int64, the
    likeliest class of each pixel.
    """

    pictures: Tensor
    labels: Tensor


class Inpainter(Model):
    """names: of the object classes. first_stuff: the number of the first stuff class. side: of the net's
    input and output, in pixels.
    """

    kind: ClassVar[str] = "inpainter"
    earlier_names: ClassVar[dict[str, str]] = {"net.": "net."}

    def __init__(self, net: inpainter.Inpainter, names: tuple[str, ...], first_stuff: int, side: int) -> None:
        super().__init__()
        self.net = net
        self.names, self.first_stuff, self.side = names, first_stuff, side

    @classmethod
    def _build(cls, config: Mapping[str, Any], description: Mapping[str, Any]) -> Self:
        names = tuple(description["names"])
        net = build(config["model"], "model", classes=FIRST_CLASS + len(names))
        assert isinstance(net, inpainter.Inpainter)
        initialise(net)
        return cls(net, names, FIRST_CLASS + description["things"], description["side"])

    @property
    def photo_side(self) -> int:
        """Side in pixels of the training photos, before cropping and resizing."""
        return self.config["data"]["composites"]["photo_side"]

    def forward(self, composite: Rendering) -> inpainter.Inpainted:
        return self.net(composite.labels, composite.masks, composite.pictures)

    def inpaint(self, composite: Rendering) -> Mended:
        """Composites of ``side`` pixels -> inpainted photos and labels."""
        made = self(composite)
        return Mended(made.pictures.float().clamp(0, WHITE), made.labels.argmax(1))


def initialise(net: inpainter.Inpainter) -> None:
    """Weights of the 3 x 3 convolutions from N[0, 2 / (1.04 fan-in)], which preserves the scale of
    activations through leaky ReLUs (He et al. 2015), and zero biases. With PyTorch's default they shrink from
    layer to layer.
    """
    for layer in (*net.encoder.modules(), *net.decoder.modules()):
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=0.2)
            nn.init.zeros_(layer.bias)
