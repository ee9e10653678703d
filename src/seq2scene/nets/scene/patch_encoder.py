"""Embeddings of patches, by which patches are retrieved (Text2Scene's composites, Tan et al. 2019)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2scene.scenes.objects import FIRST_CLASS


class PatchEncoder(nn.Module):
    """Maps patches to unit-length embeddings.

    Five 2 x 2 convolutions of stride 2, the last four separable, global average pooling, concatenation with
    the features of a classifier, and two linear layers; leaky ReLUs in between.

    classes: of the label maps, including the three special ones, whose planes stay empty. features: size of a
    frozen classifier's features of the patch, 2048 in the paper; 0: none. hidden: channels of the
    convolutions. size: of the embedding. shift, scale: planes, from 0 to 255, are normalised to (value -
    shift) / scale; 128 and 1 in the authors' code.
    """

    def __init__(
        self,
        classes: int = 98,
        features: int = 2048,
        hidden: int = 256,
        size: int = 128,
        shift: float = 128.0,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.first = LabelConv(classes, hidden, shift, scale)
        later: list[nn.Module] = []
        for _ in range(4):
            deep = nn.Conv2d(hidden, hidden, 2, stride=2, groups=hidden)
            later += [deep, nn.Conv2d(hidden, hidden, 1), nn.LeakyReLU(0.2)]
        self.later = nn.Sequential(nn.LeakyReLU(0.2), *later)
        self.output = nn.Sequential(
            nn.Linear(hidden + features, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, size)
        )

    def forward(self, labels: Tensor, masks: Tensor, pictures: Tensor, features: Tensor | None) -> Tensor:
        """labels (N, y, x) int64, the class of each pixel; masks (N, 1, y, x) from 0 to 1; pictures
        (N, 3, y, x) RGB from 0 to 255; features (N, features) or None; y and x multiples of 32 -> (N, size).
        """
        planes = torch.cat([255 * masks.to(pictures.dtype), pictures], dim=1)
        seen = self.later(self.first(labels, planes)).mean((2, 3))
        return F.normalize(self.output(seen if features is None else torch.cat([seen, features], dim=1)))


class LabelConv(nn.Conv2d):
    """A 2 x 2 convolution of stride 2 over one plane of 0 or 255 per class and four other planes: exactly
    ``Conv2d(classes + 4, width, 2, 2)``, without materialising the class planes.

    As windows do not overlap, each label selects a row of a table, the contribution of its class at its
    position in the window. The special classes contribute nothing.
    """

    def __init__(self, classes: int, width: int, shift: float, scale: float, others: int = 4) -> None:
        super().__init__(classes + others, width, 2, stride=2)
        self.classes, self.shift, self.scale = classes, shift, scale

    def forward(self, labels: Tensor, planes: Tensor) -> Tensor:
        """labels (N, y, x) int64 and planes (N, 4, y, x) from 0 to 255 -> (N, width, y / 2, x / 2)."""
        by_class, others = self.weight.split([self.classes, self.weight.shape[1] - self.classes], dim=1)
        added = F.conv2d(planes / self.scale, others, stride=2).permute(0, 2, 3, 1)
        objects = torch.arange(self.classes, device=labels.device) >= FIRST_CLASS
        table = 255 / self.scale * by_class.flatten(2).permute(1, 2, 0) * objects.view(-1, 1, 1)
        windows = labels.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).transpose(2, 3).flatten(3)
        rows = (4 * windows + torch.arange(4, device=labels.device)).flatten(0, 2)  # (N y/2 x/2, 4)
        labelled = F.embedding_bag(rows, table.flatten(0, 1), mode="sum").view_as(added)
        everywhere = self.bias - self.shift / self.scale * self.weight.sum((1, 2, 3))
        return (labelled + added + everywhere).permute(0, 3, 1, 2)
