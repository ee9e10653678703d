"""The canvas of Text2Scene's composites (Tan et al. 2019): three colour planes for each object class.

A plane holds colours where the canvas shows its class and 0 elsewhere. Ninety-eight classes make 294 planes,
of which all but three are empty at any pixel. The canvas therefore stores one class map and one picture, and
the first convolution, which has separate filters for every class, applies to each pixel only those of its
class.
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
    """Holds patches of photos by class and encodes them with a residual network trained from scratch.

    A canvas is (4, side, side): the class number of each pixel and red, green and blue from 0 to 255, all 0
    where the canvas is empty. Under teacher forcing, a canvas shows the scene's own photo through the masks
    of the objects placed so far: ``prefixes`` takes ``Photos`` as well as objects. In generation, the caller
    retrieves a patch for the object just placed, and ``place`` takes these ``Patches``.

    size: (columns, rows) of the features, resized from the network's own if different. pictures: clip art for
    other canvases; unused. stuff: how stuff treats things under teacher forcing; ``behind``: it only fills
    free pixels, as in generation; ``over``: it covers things, as in the authors' code. aspect: of pasted
    patches, see ``paste``.
    side: in pixels, a multiple of 2 * stride. stride: of the first convolution. widths: of the three stages.
    shift, scale: planes hold (colour - shift) / scale; 128 and 1 in the authors' code.

    Raises UserError if the data has no photos.
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
            raise UserError(
                "canvas=colour_planes needs photos, but this data has none; choose canvas=semantic"
            )
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
        """The canvases (N, ...) with the patch of one more object on each (T = 1); unchanged where none is
        present.
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
        """The canvases (B, T, 4, side, side) before each of the T steps of teacher forcing.

        photos: masks of T - 1 or T objects; pictures and masks of side x side pixels.
        """
        assert photos is not None, "composites are learnt from photos"
        steps = objects.classes.shape[1]
        numbers = torch.arange(1, steps, dtype=torch.int32, device=objects.classes.device).view(1, -1, 1, 1)
        masks = photos.masks[:, : steps - 1] & objects.present[:, : steps - 1, None, None]
        if self.stuff == "behind":
            earlier = F.pad((numbers * masks).cummax(dim=1).values, (0, 0, 0, 0, 1, 0))[:, :-1] > 0
            masks = masks & ~(earlier & (objects.classes[:, : steps - 1, None, None] >= self.first_stuff))
        last = (numbers * masks).cummax(dim=1).values  # number of the object visible at a pixel, 0 for none
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
    """A convolution over three planes per class, with one output channel per class: exactly ``Conv2d(3 *
    classes, classes, groups=classes)`` over the zero-padded planes, without materialising them.

    The planes hold (colour - shift) / scale where a pixel has their class and -shift / scale elsewhere.
    kernel: odd. Weights and their initialisation are those of the dense convolution.
    """

    def __init__(self, classes: int, kernel: int, stride: int, shift: float, scale: float) -> None:
        super().__init__(3 * classes, classes, kernel, stride, padding=kernel // 2, groups=classes)
        self.shift, self.scale = shift, scale

    def forward(self, labels: Tensor, colours: Tensor) -> Tensor:
        """labels (N, y, x) int64, the class of each pixel, and colours (N, 3, y, x), 0 where there is none,
        -> (N, classes, y', x').

        A window holds few classes, so each pixel is multiplied with the filter of its own class and added to
        that class's channel: 1 / classes of the dense arithmetic. The shift, common to all planes, is one
        small convolution shared by all pictures.
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
    """The products (..., size) of each pixel in a row of a window, given by classes (..., size) and colours
    (..., size, 3), with its filter from (classes, size, 3). Recomputed in the backward pass.
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
        # Not a strided 1 x 1 convolution: its gradients in oneDNN 3.12 corrupt memory on AVX2
        # with channels last and not a multiple of 8.
        kept = x[:, :, :: self.stride, :: self.stride]
        return leaky(self.second(leaky(self.first(x))) + self.shortcut(kept))


def leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)
