"""Photos as maps of annotation vectors, from a layer of a classifier (Xu et al. 2015, section 3.1.1)."""

import hashlib

import torch
from torch import Tensor, nn

from seq2scene.errors import UserError
from seq2scene.nets.vision.trunks import LITE, load_trunk, normalisation
from seq2scene.scenes.images import Resize


class ImageEncoder(nn.Module):
    """Photos (B, 3, size, size) -> maps (B, D, y, x); annotations a_i are its cells in row-major order.

    trunk, layer: the name of a classifier, ``efficientnet_lite0`` or any of torchvision's, and the layer to
    read; the paper uses vgg19 after the last convolution before the last pooling, 14 x 14 cells of 512.
    weights: torchvision's name for them, the path of a file, or ``none`` for random initialisation, the same
    each time. size: side length in pixels. resize: how photos become squares, see
    ``seq2scene.scenes.images.square``. frozen: do not train the trunk. Batch statistics are never updated.

    output_size: D. map_size: (y, x). cells: y * x.

    Raises:
        UserError: no such trunk, layer or weights, weights that are not on disk, a size that is invalid or
        too small, or no such way to resize.
    """

    def __init__(
        self,
        trunk: str = LITE,
        layer: str = "_blocks.15",
        weights: str = "IMAGENET1K_V1",
        size: int = 224,
        resize: Resize = "crop",
        frozen: bool = True,
    ) -> None:
        super().__init__()
        if type(size) is not int or size < 1:
            raise UserError(f"image_encoder.size={size}: give a whole number of pixels, 1 or more")
        self.size, self.resize, self.frozen = size, resize, frozen
        self._source = [trunk, layer, size, resize]
        with torch.random.fork_rng(devices=[]):  # random initialisation, too, is the same in data and model
            torch.manual_seed(0)
            self.trunk = load_trunk(trunk, layer, weights, "image_encoder").eval()
        self.trunk.requires_grad_(not frozen)
        mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in normalisation(trunk))
        self.register_buffer("mean", 255 * mean, persistent=False)
        self.register_buffer("deviation", 255 * deviation, persistent=False)
        self.output_size, *seen = self._shape(trunk, layer)
        self.map_size: tuple[int, int] = tuple(seen)
        self.cells = self.map_size[0] * self.map_size[1]

    @torch.no_grad()
    def _shape(self, trunk: str, layer: str) -> torch.Size:
        """The shape (D, y, x) of a photo's features."""
        try:
            return self(torch.zeros(1, 3, self.size, self.size, dtype=torch.uint8)).shape[1:]
        except RuntimeError as error:
            raise UserError(
                f"image_encoder.size={self.size}: too small for {layer} of {trunk} ({error})"
            ) from error

    def train(self, mode: bool = True) -> "ImageEncoder":
        super().train(mode)
        self.trunk.eval()
        return self

    def forward(self, photos: Tensor) -> Tensor:
        """photos: RGB from 0 to 255, uint8 or float."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return self.trunk((photos.to(self.mean.dtype) - self.mean) / self.deviation)["features"]

    def fingerprint(self) -> str:
        """A hash of everything the maps depend on: trunk, layer, size, resizing and every weight."""
        digest = hashlib.sha256(repr(self._source).encode())
        for name, value in self.trunk.state_dict().items():
            digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()
