"""The network that turns a composite into a photo (Tan et al. 2019): it repairs seams and fills empty
regions.

An encoder and a decoder that sees the input at every resolution, following the cascaded refinement networks
of Chen and Koltun (ICCV 2017).
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Inpainted:
    """pictures (N, 3, y, x), nominally from 0 to 255, as the output is not clamped; labels (N, classes, y,
    x), logits.
    """

    pictures: Tensor
    labels: Tensor


class Inpainter(nn.Module):
    """Composites -> photos of the same size, and the class of each pixel.

    classes: of the label maps, including the three that are not objects. widths, depths: channels and number
    of the encoder's 3 x 3 convolutions at each resolution, from the finest; each block halves it.
    decoder_widths: channels of the decoder's two convolutions at each resolution, from the coarsest; one more
    resolution than the encoder. shift, scale: input planes, from 0 to 255, are normalised as (value - shift)
    / scale; the authors use 128 and 1.
    """

    def __init__(
        self,
        classes: int = 98,
        widths: tuple[int, ...] = (256, 256, 256, 512, 512, 512),
        depths: tuple[int, ...] = (2, 2, 3, 3, 3, 3),
        decoder_widths: tuple[int, ...] = (512, 512, 512, 512, 512, 256, 256),
        shift: float = 128.0,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.classes, self.shift, self.scale = classes, shift, scale
        planes = classes + 4
        self.encoder = nn.ModuleList(
            convolutions(below, width, depth)
            for (below, width), depth in zip(pairwise((planes, *widths)), depths, strict=True)
        )
        beside = (*reversed(widths), 0)  # skip connections from the encoder at each resolution
        before = (0, *decoder_widths[:-1])
        self.decoder = nn.ModuleList(
            convolutions(planes + skip + below, width, 2)
            for skip, below, width in zip(beside, before, decoder_widths, strict=True)
        )
        self.to_picture = nn.Conv2d(decoder_widths[-1], 3, 1)
        self.to_labels = nn.Conv2d(decoder_widths[-1], classes, 1)

    def forward(self, labels: Tensor, masks: Tensor, pictures: Tensor) -> Inpainted:
        """labels (N, y, x) int64, the class of each pixel, 0 where it is empty; masks (N, 1, y, x) from 0
        (empty) to 1 (covered); pictures (N, 3, y, x) from 0 to 255.
        """
        by_class = F.one_hot(labels, self.classes).permute(0, 3, 1, 2)
        planes = torch.cat([255 * by_class, 255 * (1 - masks), pictures], dim=1)
        planes = (planes - self.shift) / self.scale
        seen, kept = planes, []
        for block in self.encoder:
            seen = F.avg_pool2d(block(seen), 3, stride=2, padding=1)
            kept.append(seen)
        made = self.decoder[0](torch.cat([shrunk(planes, kept[-1]), kept.pop()], dim=1))
        for block in self.decoder[1:]:
            beside = [kept.pop()] if kept else []
            size = (beside[0] if beside else planes).shape[2:]
            before = F.interpolate(made, size, mode="bilinear", align_corners=True)
            made = block(torch.cat([shrunk(planes, before), *beside, before], dim=1))
        return Inpainted(255 * (self.to_picture(made) + 1) / 2, self.to_labels(made))


def convolutions(below: int, width: int, depth: int) -> nn.Sequential:
    """``depth`` 3 x 3 convolutions, each followed by a leaky ReLU."""
    layers: list[nn.Module] = []
    for channels in (below, *[width] * (depth - 1)):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers)


def shrunk(planes: Tensor, like: Tensor) -> Tensor:
    """Planes resized to the size of ``like`` by averaging pixels."""
    return F.interpolate(planes, like.shape[2:], mode="area")
