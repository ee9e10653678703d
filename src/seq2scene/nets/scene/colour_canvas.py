"""The canvas of Text2Scene's composites (Tan et al. 2019): three planes, of colours, for each object class.

A plane shows colours where the canvas shows its class and is 0 elsewhere. Ninety-eight classes make 294
planes, of which all but three are empty at any pixel, so the canvas holds one map of classes and one picture
instead, and the first convolution, in which every class has its own filters, lets a pixel speak to its class
alone.
"""

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from seq2scene.compositing.pasting import Aspect, paste
from seq2scene.errors import UserError
from seq2scene.scenes.boxes import normalised
from seq2scene.scenes.objects import FIRST_CLASS, PAD, Objects
from seq2scene.scenes.photos import Patches, Photos
from seq2scene.scenes.schema import Schema


class ColourCanvas(nn.Module):
    """Shows patches of photos by class and encodes them with a residual network from scratch.

    A canvas is (4, side, side): the class number of each pixel, 0 where nothing is, and red, green and blue
    from 0 to 255, 0 where nothing is. While it is taught, a scene shows its own photo through the masks of
    the objects placed so far: ``prefixes`` takes ``Photos`` beside the objects. When the model writes a
    scene, the caller finds a patch for the object just placed, and ``place`` takes those ``Patches``.

    size: (columns, rows) of the features, resized from the network's own where it differs. pictures: what
    other canvases paint with; not needed here. stuff: what it does to things while the net is taught;
    ``behind``: it fills free pixels alone, as it does in generation; ``over``: it covers them, as in the
    authors' code. aspect: of pasted patches, see ``paste``.
    side: pixels, a multiple of 2 * stride. stride: of the first convolution. widths: of the three stages.
    shift, scale: planes hold (colour - shift) / scale; the authors' are 128 and 1.

    Raises UserError where the data have no photos.
    """

    def __init__(
        self,
        schema: Schema,
        size: tuple[int, int],
        pictures: dict[str, Tensor] | None = None,
        stuff: Literal["behind", "over"] = "behind",
        aspect: Aspect = "kept",
        side: int = 128,
        stride: int = 2,
        widths: tuple[int, int, int] = (196, 294, 392),
        shift: float = 128.0,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.schema = schema
        self.size = size
        if schema.things is None:
            raise UserError("canvas: colour_planes shows photos, and this data has none; choose semantic")
        self.first_stuff = FIRST_CLASS + schema.things
        self.stuff, self.aspect, self.side = stuff, aspect, side
        self.first = ClassColours(schema.classes, kernel=7, stride=stride, shift=shift, scale=scale)
        blocks: list[nn.Module] = []
        for stride, (below, width) in zip((1, 2, 1), pairwise((schema.classes, *widths)), strict=True):
            blocks += [ResidualBlock(below, below), ResidualBlock(below, width, stride)]
        self.encoder = nn.Sequential(*blocks)
        self.output_size = widths[-1]

    def blank(self, memory_states: Tensor) -> Tensor:
        """Empty canvases (B, 4, side, side) for the B scenes of states (B, ...)."""
        return torch.zeros(len(memory_states), 4, self.side, self.side, device=memory_states.device)

    @torch.no_grad()
    def place(self, canvas: Tensor, objects: Objects, patches: Patches | None = None) -> Tensor:
        """The canvases (N, ...) with one object more on each, T = 1, as its patch shows it; none where it is
        not present.
        """
        assert patches is not None, "a decoder that writes photos needs its retrieval"
        boxes = normalised(self.schema.boxes(objects)[:, 0], self.schema.canvas)
        colours, mask = paste(patches, boxes, (self.side, self.side), self.aspect)
        classes = objects.classes.view(-1, 1, 1, 1)
        free = (classes < self.first_stuff) | (canvas[:, :1] == PAD)
        shown = (mask > 0) & free & objects.present.view(-1, 1, 1, 1)
        object_alone = torch.cat([classes.expand_as(mask).to(colours.dtype), colours], dim=1)
        return torch.where(shown, object_alone, canvas)

    @torch.no_grad()
    def prefixes(self, objects: Objects, photos: Photos | None = None) -> Tensor:
        """The canvases (B, T, 4, side, side) that are seen before each of the T steps of teacher forcing.

        photos: masks of T - 1 objects or T; pictures and masks of side x side pixels.
        """
        assert photos is not None, "composites are learnt from photos"
        steps = objects.classes.shape[1]
        numbers = torch.arange(1, steps, dtype=torch.int32, device=objects.classes.device).view(1, -1, 1, 1)
        masks = photos.masks[:, : steps - 1] & objects.present[:, : steps - 1, None, None]
        if self.stuff == "behind":
            earlier = F.pad((numbers * masks).cummax(dim=1).values, (0, 0, 0, 0, 1, 0))[:, :-1] > 0
            masks = masks & ~(earlier & (objects.classes[:, : steps - 1, None, None] >= self.first_stuff))
        last = (numbers * masks).cummax(dim=1).values  # the number of the object seen at a pixel, 0 for none
        last = F.pad(last, (0, 0, 0, 0, 1, 0)).long()
        classes = F.pad(objects.classes, (1, 0)).gather(1, last.flatten(1)).view(last.shape)
        colours = photos.pictures.unsqueeze(1) * (last > 0).unsqueeze(2)
        return torch.cat([classes.unsqueeze(2).float(), colours.float()], dim=2)

    def forward(self, canvas: Tensor) -> Tensor:
        """Canvases (N, ...) -> features (N, output_size, rows, columns)."""
        colours = canvas[:, 1:].to(self.first.weight.dtype)
        seen = self.encoder(leaky(self.first(canvas[:, 0].long(), colours)))
        if seen.shape[2:] == self.size[::-1]:
            return seen
        return F.interpolate(seen, self.size[::-1], mode="bilinear", align_corners=True)


class ClassColours(nn.Conv2d):
    """A convolution over three planes for each class, with one output channel for each: exactly
    ``Conv2d(3 * classes, classes, groups=classes)`` over the planes, padded by 0, but without them.

    The planes hold (colour - shift) / scale where a pixel has their class and -shift / scale elsewhere.
    kernel: odd. Weights and their first values are those of the dense convolution.
    """

    def __init__(self, classes: int, kernel: int, stride: int, shift: float, scale: float) -> None:
        super().__init__(3 * classes, classes, kernel, stride, padding=kernel // 2, groups=classes)
        self.shift, self.scale = shift, scale

    def forward(self, labels: Tensor, colours: Tensor) -> Tensor:
        """labels (N, y, x) int64, the class of each pixel, and colours (N, 3, y, x), 0 where there is none,
        -> (N, classes, y', x').

        A window holds few classes, so its pixels are multiplied with the filters of their own ones and each
        product is added to the channel of its class: 1 / classes of the dense arithmetic. What all planes
        have in common, the shift, is one small convolution that all pictures share.
        """
        size, stride = self.kernel_size[0], self.stride[0]
        ones = colours.new_ones(1, 1, *colours.shape[2:])
        common = F.conv2d(ones, self.weight.sum(1, keepdim=True), stride=stride, padding=self.padding)
        everywhere = self.bias.view(-1, 1, 1) - self.shift / self.scale * common[0]
        labels, colours = (F.pad(plane, [size // 2] * 4) for plane in (labels, colours / self.scale))
        colours = colours.permute(0, 2, 3, 1)  # (N, y, x, 3)
        rows = everywhere.shape[1]
        made = colours.new_zeros(len(labels), *everywhere.shape[1:], self.out_channels)
        for row, weight in enumerate(self.weight.unbind(2)):  # (classes, 3, size)
            classes = labels[:, row::stride][:, :rows].unfold(2, size, stride)  # (N, y', x', size)
            windows = colours[:, row::stride][:, :rows].unfold(2, size, stride).transpose(3, 4)
            filters = weight.transpose(1, 2)  # (classes, size, 3)
            products = checkpoint(
                _products, classes, windows, filters, use_reentrant=False, preserve_rng_state=False
            )
            made.scatter_add_(3, classes, products)
        return made.permute(0, 3, 1, 2) + everywhere


def _products(classes: Tensor, windows: Tensor, filters: Tensor) -> Tensor:
    """Each pixel of each row of a window, its class (..., size) and colour (..., size, 3), with its filter of
    (classes, size, 3): (..., size). Made again for the gradients, not kept.
    """
    size = classes.shape[-1]
    own = F.embedding(classes * size + torch.arange(size, device=classes.device), filters.flatten(0, 1))
    return (own * windows).sum(-1)


class ResidualBlock(nn.Module):
    """leaky(conv(leaky(conv(x))) + x), 3 x 3 and without normalisation (He et al. 2016); x by a 1 x 1
    convolution where its shape changes.
    """

    def __init__(self, below: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(below, width, 3, stride, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.stride = stride
        same = below == width and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(below, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        # Not by a stride of the 1 x 1 convolution: oneDNN 3.12's gradients of that corrupt memory on AVX2
        # where channels come last and are not a multiple of 8.
        kept = x[:, :, :: self.stride, :: self.stride]
        return leaky(self.second(leaky(self.first(x))) + self.shortcut(kept))


def leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)
