"""The distance of two pictures in the features of an ImageNet classifier (Chen and Koltun, ICCV 2017; Tan et
al. 2019).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from seq2scene.nets.vision.trunks import load_trunk, normalisation

# torchvision's names for relu1_2 to relu5_2 of VGG-19, and the authors' weights
VGG19_LAYERS = {
    "features.3": 50.0,
    "features.8": 20.0,
    "features.13": 14.0,
    "features.22": 20.0,
    "features.31": 35.0,
}


class PerceptualDistance(nn.Module):
    """The mean absolute difference of a frozen trunk's features, as a weighted sum over layers.

    trunk: the name of a torchvision classifier, or ``none``: every distance is 0 and nothing is loaded.
    layers: names of its layers, in order, and their weights in the sum. weights: torchvision's name for
    ImageNet weights, the path of a file, or ``none`` for random initialisation.

    Raises:
        UserError: no such trunk, layer or weights, or weights that are not on disk.
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
        """Two sets of RGB pictures (N, 3, y, x) from 0 to 255 -> distances (N,)."""
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
