"""How far two pictures are apart to an ImageNet classifier (Chen and Koltun, ICCV 2017; Tan et al. 2019)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from seq2scene.nets.vision.trunks import load_trunk, normalisation

# relu1_2 to relu5_2 of VGG-19 by torchvision's names, and what the authors weight them with
VGG19_LAYERS = {
    "features.3": 50.0,
    "features.8": 20.0,
    "features.13": 14.0,
    "features.22": 20.0,
    "features.31": 35.0,
}


class PerceptualDistance(nn.Module):
    """The mean absolute difference of a frozen trunk's features, a weighted sum over layers.

    trunk: a torchvision classifier by name, or ``none``, with which every distance is 0 and nothing is
    loaded. layers: parts of it, in their order, and their weights. weights: which ImageNet weights, by
    torchvision's name, or the path of a file of them, or ``none`` for chance.

    Raises:
        UserError: no such trunk, part of it or weights, or weights that are not at hand.
    """

    def __init__(
        self,
        trunk: str = "vgg19",
        layers: Mapping[str, float] = VGG19_LAYERS,
        weights: str = "IMAGENET1K_V1",
    ) -> None:
        super().__init__()
        self.layers = dict(layers)
        self.trunk = None
        if trunk != "none":
            whole = load_trunk(trunk, list(self.layers)[-1], weights, "perceptual")
            self.trunk = create_feature_extractor(whole, {layer: layer for layer in self.layers}).eval()
            self.trunk.requires_grad_(False)
        mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in normalisation(trunk))
        self.register_buffer("mean", 255 * mean, persistent=False)
        self.register_buffer("deviation", 255 * deviation, persistent=False)

    def train(self, mode: bool = True) -> "PerceptualDistance":
        super().train(mode)
        if self.trunk is not None:
            self.trunk.eval()
        return self

    def forward(self, made: Tensor, real: Tensor) -> Tensor:
        """Two sets of pictures (N, 3, y, x), red, green and blue from 0 to 255 -> (N,)."""
        if self.trunk is None:
            return made.new_zeros(len(made))
        with torch.no_grad():
            there = self.trunk((real - self.mean) / self.deviation)
        here = self.trunk((made - self.mean) / self.deviation)
        apart = [
            weight * (here[layer] - there[layer]).abs().mean((1, 2, 3))
            for layer, weight in self.layers.items()
        ]
        return torch.stack(apart).sum(0)
