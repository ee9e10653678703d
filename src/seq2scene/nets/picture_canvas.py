"""The canvas as a picture: clip art painted on the device, seen by an ImageNet trunk (Tan et al. 2019)."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from seq2scene.errors import UserError
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Schema
from seq2scene.scenes.sprites import SpritePainter

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's photos, as its trunks expect


class PictureCanvas(nn.Module):
    """Paints objects as a person sees them and encodes the picture with a torchvision trunk.

    size: (columns, rows) of the features, resized from the trunk's own. pictures: the clip art. trunk, layer:
    a torchvision classifier by name and the node of it to read; the paper's are resnet50 and layer3. weights:
    which ImageNet weights, by torchvision's name, or the path of a file of them, or ``none`` for chance.
    side: pixels of the picture. frozen: the trunk stays as it is, batch statistics included.

    Raises:
        UserError: no such trunk, node or weights, or weights that are not at hand.
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

    def place(self, canvas: Tensor, objects: Objects) -> Tensor:
        """The canvases (N, ...) with one object more on each, T = 1; none where it is not present."""
        return self.painter.place(canvas, objects)

    def prefixes(self, objects: Objects) -> Tensor:
        """The canvases (B, T, ...) that are seen before each of the T steps of teacher forcing."""
        return self.painter.paint(objects)[:, :-1]

    def forward(self, canvas: Tensor) -> Tensor:
        """Canvases (N, ...) -> features (N, output_size, rows, columns)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            seen = self.trunk((canvas - self.mean) / self.deviation)["features"]
        return F.interpolate(seen, self.size[::-1], mode="bilinear", align_corners=True)


def load_trunk(name: str, layer: str, weights: str) -> nn.Module:
    """A torchvision classifier cut off behind ``layer``: pictures -> {"features": (N, C, y, x)}."""
    if name not in models.list_models(module=models):
        some = "resnet18, resnet50, vgg19, convnext_tiny, efficientnet_b0"
        raise UserError(f"canvas.trunk={name} is no torchvision classifier; choose one, such as {some}")
    model = models.get_model(name, weights=None)
    if weights != "none":
        model.load_state_dict(find_weights(name, weights))
    nodes = get_graph_node_names(model)[1]
    stages = sorted({node.split(".")[0] for node in nodes} | set(nodes))
    if layer not in stages:
        top = ", ".join(dict.fromkeys(node.split(".")[0] for node in nodes))
        raise UserError(
            f"canvas.layer={layer} is no part of {name}; its parts are {top}, and their own parts"
        )
    return create_feature_extractor(model, {layer: "features"})


def find_weights(name: str, weights: str) -> dict[str, Tensor]:
    """ImageNet weights from a file or from PyTorch's own cache; nothing is downloaded here."""
    path = Path(weights).expanduser()
    if not path.suffix:
        known = models.get_model_weights(name)
        if weights not in known.__members__:
            choices = ", ".join([*known.__members__, "none", "the path of a file"])
            raise UserError(f"canvas.weights={weights} is not a choice for {name}; choose one of {choices}")
        address = known[weights].url
        path = Path(torch.hub.get_dir()) / "checkpoints" / address.rsplit("/", 1)[1]
        if not path.is_file():
            raise UserError(
                f"canvas.weights={weights}: the weights of {name} are not at {path}; fetch them from "
                f"{address}, give their path as canvas.weights=FILE, or choose canvas=semantic without any"
            )
    if not path.is_file():
        raise UserError(f"canvas.weights={path}: there is no such file")
    return torch.load(path, map_location="cpu", weights_only=True)
