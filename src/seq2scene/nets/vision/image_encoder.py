"""Photos as maps of annotation vectors: a layer of a classifier (Xu et al. 2015, section 3.1.1)."""

import hashlib

import torch
from torch import Tensor, nn

from seq2scene.errors import UserError
from seq2scene.nets.vision.trunks import LITE, load_trunk, normalisation
from seq2scene.scenes.images import Resize


class ImageEncoder(nn.Module):
    """Photos (B, 3, size, size) -> maps (B, D, y, x); annotations a_i are of its cells, row by row.

    trunk, layer: a classifier by name, ``efficientnet_lite0`` or any of torchvision, and the part of it to
    read; the paper's is vgg19 behind the last convolution before the last pooling, 14 x 14 cells of 512.
    weights: by torchvision's name, the path of a file, or ``none`` for chance, the same each time. size:
    pixels of a side. resize: how photos become squares, see ``seq2scene.scenes.images.square``. frozen:
    nothing of it learns. Batch statistics stay as they are in any case.

    output_size: D. map_size: (y, x). cells: y * x.

    Raises:
        UserError: no such trunk, part of it or weights, weights that are not at hand, a size that is none or
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
        with torch.random.fork_rng(devices=[]):  # chance too is the same in data and model
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
        """Of what is made of a photo."""
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
        """photos: red, green and blue from 0 to 255, uint8 or float."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return self.trunk((photos.to(self.mean.dtype) - self.mean) / self.deviation)["features"]

    def fingerprint(self) -> str:
        """A hash of all that its maps depend on: trunk, layer, size, resizing and every weight."""
        digest = hashlib.sha256(repr(self._source).encode())
        for name, value in self.trunk.state_dict().items():
            digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()
