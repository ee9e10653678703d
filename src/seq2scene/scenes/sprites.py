"""Scenes of clip art painted on the device: a whole batch at once, with tensor operations.

Pictures are composited onto the canvas in the order of the objects with ``over`` (Porter and Duff 1984). All
pictures are resampled in advance into one atlas, at each scale and for the resolution of the canvas; painting
only reads the atlas at an offset and blends. The atlas has premultiplied alpha, so that the colours of
transparent pixels do not bleed into their neighbours.
"""

from collections.abc import Container, Mapping
from io import BytesIO
from math import ceil
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import grid_sample, interpolate

from seq2scene.errors import UserError
from seq2scene.scenes.images import readable
from seq2scene.scenes.objects import FIRST_CLASS, Objects
from seq2scene.scenes.schema import Schema

BACKGROUND = "background"
ATLAS_WIDTH = 1024


class SpritePainter(nn.Module):
    """Paints scenes of clip art at ``width`` x ``height`` pixels, whatever the size of the schema's canvas.

    pictures: PNG files as (bytes,) uint8, by name without ".png": one for each object, see ``picture_name``,
    and ``background``, which is stretched over the canvas.
    whole_canvas: blend all pixels of the canvas instead of each object's rectangle: the same result with more
    arithmetic, but no data-dependent shapes, hence no synchronisation with the device. None: the faster one,
    rectangles on the CPU and the whole canvas elsewhere.

    An object is centred on its place with subpixel accuracy, at the scale of its attribute ``size`` and
    mirrored horizontally if ``flip`` is 1; an attribute without a head counts as 0. Objects are clipped to
    the canvas. Results are (3, height, width) float32 RGB from 0 to 1. Buffers are computed from the pictures
    and not saved in checkpoints.

    Raises:
        UserError: a picture is missing or not a PNG.
    """

    def __init__(
        self,
        schema: Schema,
        pictures: Mapping[str, Tensor],
        width: int,
        height: int,
        whole_canvas: bool | None = None,
    ) -> None:
        super().__init__()
        self.width, self.height, self.whole_canvas = width, height, whole_canvas
        across, down = width / schema.canvas[0], height / schema.canvas[1]
        assert schema.sizes is not None, "a schema of clip art"
        self.variant = schema.variant
        variants = schema.sizes[0, ..., 0].numel()
        table = torch.zeros(schema.classes, variants, len(schema.scales), dtype=torch.int64)
        sprites = [Sprite(torch.zeros(4, 1, 1), 0, 0, 0, 0)]  # number 0: no object
        numbers: dict[str, Tensor] = {}
        for kind, variant in np.ndindex(len(schema.names), variants):
            name = picture_name(pictures, schema.names[kind], variant)
            if name not in numbers:
                picture = premultiplied(open_picture(pictures, name))
                numbers[name] = torch.arange(len(sprites), len(sprites) + len(schema.scales))
                sprites += [shrink(picture, scale * across, scale * down) for scale in schema.scales]
            table[FIRST_CLASS + kind, variant] = numbers[name]
        background = premultiplied(open_picture(pictures, BACKGROUND))[:3]
        background = interpolate(background[None], (height, width), mode="bilinear", antialias=True)[0]
        atlas, corners = pack([sprite.pixels for sprite in sprites])
        self.register_buffer("background", background, persistent=False)
        self.register_buffer("atlas", atlas, persistent=False)  # (4, rows, columns) premultiplied RGBA
        self.register_buffer("numbers", table, persistent=False)
        self.register_buffer("corners", corners, persistent=False)  # (sprites, 2) left, top in the atlas
        frames = torch.tensor([[s.pixels.shape[2], s.pixels.shape[1]] for s in sprites])
        self.register_buffer("frames", frames, persistent=False)  # (sprites, 2) width, height in the atlas
        insets = torch.tensor([[s.left, s.top] for s in sprites], dtype=torch.float32)
        self.register_buffer("insets", insets, persistent=False)  # where a picture starts within its frame
        extents = torch.tensor([[s.width, s.height] for s in sprites], dtype=torch.float32)
        self.register_buffer("extents", extents, persistent=False)  # of the picture, in canvas pixels
        self.register_buffer("zoom", torch.tensor([across, down]), persistent=False)
        unit = torch.tensor([2 / atlas.shape[2], 2 / atlas.shape[1]])  # one atlas pixel, for grid_sample
        self.register_buffer("unit", unit, persistent=False)
        planes = torch.arange(3)[:, None] * (width * height)  # offsets of red, green and blue
        self.register_buffer("planes", planes, persistent=False)

    @torch.no_grad()
    def paint(self, objects: Objects) -> Tensor:
        """Objects of B scenes -> (B, T + 1, 3, height, width): the background, then each step's scene.

        A step without an object (EOS, PAD) leaves the canvas unchanged.
        """
        scenes, steps = objects.classes.shape
        canvases = self.background.new_empty(scenes, steps + 1, *self.background.shape)
        canvases[:, 0] = self.background
        starts = torch.arange(scenes, device=canvases.device) * ((steps + 1) * self.background.numel())
        for step in range(steps):
            canvases[:, step + 1] = canvases[:, step]
            starts = starts + self.background.numel()
            self._blend(canvases.view(-1), starts, _step(objects, step))
        return canvases

    @torch.no_grad()
    def place(self, canvas: Tensor, objects: Objects) -> Tensor:
        """Canvases (N, 3, height, width) and one object for each, T = 1 -> new canvases."""
        canvas = canvas.clone(memory_format=torch.contiguous_format)
        starts = torch.arange(len(canvas), device=canvas.device) * self.background.numel()
        self._blend(canvas.view(-1), starts, _step(objects, 0))
        return canvas

    def blank(self, scenes: int) -> Tensor:
        """The canvas before the first object, (scenes, 3, height, width); must not be written to."""
        return self.background.expand(scenes, -1, -1, -1)

    def _blend(self, pixels: Tensor, starts: Tensor, objects: Objects) -> None:
        """Composites an object onto each of N canvases, starting at ``starts`` (N,) in ``pixels`` (any,)."""
        sprite = self._sprites(objects)  # (N,)
        extent, inset, frame = self.extents[sprite], self.insets[sprite], self.frames[sprite]
        left_top = objects.places * self.zoom - extent / 2
        scene, x, y = self._covered(left_top - inset, frame, objects.present)
        # where to read a pixel in the atlas: x * turn + start, clamped to the frame, whose
        # border is transparent
        corner = self.corners[sprite]
        start = corner + inset + 0.5 - left_top
        turn = torch.ones_like(extent)
        if "flip" in objects.attributes:
            flip = objects.attributes["flip"] == 1
            turn[:, 0] = torch.where(flip, -1, turn[:, 0])
            mirrored = corner[:, 0] + inset[:, 0] + extent[:, 0] - 0.5 + left_top[:, 0]
            start[:, 0] = torch.where(flip, mirrored, start[:, 0])
        reading = torch.cat([turn, start, corner + 0.5, corner + frame - 0.5], dim=1)  # (N, 8)
        turn, start, low, high = reading.index_select(0, scene).view(-1, 4, 2).unbind(1)
        points = (torch.stack([x, y], dim=1) * turn).add_(start).clamp_(low, high)  # (pixels, 2)
        grid = points.mul_(self.unit).sub_(1)
        over = grid_sample(self.atlas[None], grid[None, None], mode="bilinear", align_corners=False)[0, :, 0]
        index = starts.index_select(0, scene).add_(x).add_(y * self.width)
        index = index + self.planes  # (3, pixels)
        pixels[index] = over[:3].addcmul_(pixels[index], 1 - over[3])

    def _sprites(self, objects: Objects) -> Tensor:
        none = torch.zeros_like(objects.classes)
        size, variant = objects.attributes.get("size", none), self.variant(objects.attributes, none)
        return self.numbers[objects.classes, variant, size]

    def _covered(self, left_top: Tensor, frame: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The scene, x and y of every canvas pixel to blend, each (pixels,) int64."""
        whole = self.whole_canvas if self.whole_canvas is not None else left_top.device.type != "cpu"
        if whole:
            sides = (len(left_top), self.height, self.width)
            scene, y, x = (
                torch.arange(side, device=left_top.device).view([-1 if i == axis else 1 for i in range(3)])
                for axis, side in enumerate(sides)
            )
            return scene.expand(sides).flatten(), x.expand(sides).flatten(), y.expand(sides).flatten()
        limit = torch.tensor([self.width, self.height], device=left_top.device)
        first = left_top.floor().long().clamp(min=0)
        last = torch.minimum((left_top + frame).ceil().long(), limit)
        width, height = (last - first).clamp(min=0).unbind(1)
        areas = width * height * present
        scene = torch.repeat_interleave(areas)
        offset = torch.arange(len(scene), device=scene.device) - (areas.cumsum(0) - areas)[scene]
        row = offset // width[scene]
        return scene, offset - row * width[scene] + first[:, 0][scene], row + first[:, 1][scene]


class Sprite(NamedTuple):
    """A picture ready for the atlas.

    pixels: (4, rows, columns), premultiplied, with a transparent border. left, top: where the picture starts
    within them. width, height: of the picture in pixels, fractional.
    """

    pixels: Tensor
    left: int
    top: int
    width: float
    height: float


def picture_name(pictures: Container[str], name: str, variant: int) -> str:
    """The picture of an object class: ``s_3s``, or for a class with variants ``hb0_12s``, as in Abstract
    Scenes, or what ``variant_name`` gives.

    variant: see ``Schema.variant``.
    """
    possible = variant_name(name, variant), f"{name}s", f"{name}_{variant}s"
    return next((one for one in possible if one in pictures), possible[-1])


def variant_name(name: str, variant: int) -> str:
    """A picture of a class with variants that has the name of no other class's picture, as ``tree_0s`` has
    where one class is ``tree`` and another ``tree_0``.
    """
    return f"{name}.{variant}"


def open_picture(pictures: Mapping[str, Tensor], name: str) -> Image.Image:
    """A picture as RGBA. Raises UserError if it is missing or not an image."""
    if name not in pictures:
        raise UserError(f"the clip art lacks {name}.png")
    picture = BytesIO(pictures[name].numpy().tobytes())
    with readable(f"the clip art {name}.png"):
        return Image.open(picture, formats=["PNG"]).convert("RGBA")  # they may come from checkpoints


def premultiplied(picture: Image.Image) -> Tensor:
    """(4, height, width) float32 from 0 to 1, the colours multiplied by alpha."""
    pixels = torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255).permute(2, 0, 1)
    return torch.cat([pixels[:3] * pixels[3:], pixels[3:]])


def shrink(picture: Tensor, across: float, down: float) -> Sprite:
    """A premultiplied picture (4, height, width) at another scale, below 1 or above."""
    (height, width), (top, left) = picture.shape[1:], (_margin(down), _margin(across))
    pixels = _resampling(height, down, top) @ picture @ _resampling(width, across, left).T
    return Sprite(pixels, left, top, width * across, height * down)


def pack(pictures: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Packs (C, height, width) pictures into an atlas, in shelves -> the atlas and their left, top (pictures,
    2).
    """
    columns = max(ATLAS_WIDTH, *(picture.shape[2] for picture in pictures))
    corners = torch.zeros(len(pictures), 2, dtype=torch.int64)
    left = top = shelf = 0
    tallest_first = sorted(range(len(pictures)), key=lambda i: -pictures[i].shape[1])
    for i in tallest_first:
        _, height, width = pictures[i].shape
        if left + width > columns:
            left, top, shelf = 0, top + shelf, 0
        corners[i] = torch.tensor([left, top])
        left, shelf = left + width, max(shelf, height)
    atlas = pictures[0].new_zeros(len(pictures[0]), top + shelf, columns)
    for picture, (left, top) in zip(pictures, corners.tolist(), strict=True):
        atlas[:, top : top + picture.shape[1], left : left + picture.shape[2]] = picture
    return atlas, corners


def _margin(scale: float) -> int:
    """Margin in pixels around a resampled picture, enough for a transparent border."""
    return ceil(max(scale, 1.0) + 0.5)


def _resampling(size: int, scale: float, margin: int) -> Tensor:
    """(resampled pixels, size): the weights of a triangle filter two pixels wide on the coarser of the two
    grids. Pictures are transparent beyond their edges. Scale 1 is the identity.
    """
    reach = max(1.0, 1 / scale)  # in pixels of the picture
    beyond = ceil(reach) + margin
    centres = (torch.arange(ceil(size * scale) + 2 * margin, dtype=torch.float64) + 0.5 - margin) / scale
    samples = torch.arange(-beyond, size + beyond, dtype=torch.float64) + 0.5
    weights = (1 - (centres[:, None] - samples).abs() / reach).clamp(min=0)
    inside = weights[:, beyond : size + beyond]
    return (inside / weights.sum(1, keepdim=True).clamp(min=1e-12)).float()


def _step(objects: Objects, step: int) -> Objects:
    """The objects of one step, classes (B,)."""
    attributes = {name: values[:, step] for name, values in objects.attributes.items()}
    return Objects(objects.classes[:, step], objects.places[:, step], attributes)
