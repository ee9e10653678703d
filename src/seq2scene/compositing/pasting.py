"""Composites as tensors (Text2Scene, Tan et al. 2019): patches of photos pasted onto a canvas, for a whole
batch of scenes at once and on any device.

A patch is scaled until its box has the area of the target box, moved so that the two centres coincide, and
clipped at the border. Things (a dog) cover what is there; stuff (grass) only fills free pixels.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from seq2scene.scenes.photos import Patches

Aspect = Literal["kept", "predicted"]
Edges = Literal["hard", "soft"]
Overlap = Literal["cover", "maximum"]


@dataclass(frozen=True)
class Rendering:
    """B scenes. pictures: (B, 3, y, x) from 0 to 255, black where nothing is. labels: (B, y, x) int64, the
    class of each pixel, 0 where nothing is. masks: (B, 1, y, x), 1 where something is.
    """

    pictures: Tensor
    labels: Tensor
    masks: Tensor


def render(
    classes: Tensor,
    boxes: Tensor,
    patches: Patches,
    size: tuple[int, int],
    first_stuff: int,
    aspect: Aspect = "kept",
    edges: Edges = "hard",
    overlap: Overlap = "cover",
) -> Rendering:
    """Composites of ``size`` (rows, columns) from objects of ``classes`` (B, T).

    boxes: (B, T, 4) as shares of the canvas, see ``paste``. first_stuff: the first class number of stuff.
    overlap: what is visible where things overlap; ``cover``: the last one; ``maximum``: the largest value of
    each colour channel, as in the authors' code, which has one layer per class.
    """
    colours, masks = paste(patches.flatten(), boxes.flatten(0, 1), size, aspect, edges)
    colours, masks = colours.unflatten(0, classes.shape), masks.unflatten(0, classes.shape)
    rendering = overlaid(classes, colours, masks, first_stuff)
    if overlap == "cover":
        return rendering
    pictures = channel_maxima(classes, colours, masks, first_stuff)
    return Rendering(pictures, rendering.labels, rendering.masks)


def paste(
    patches: Patches,
    boxes: Tensor,
    size: tuple[int, int],
    aspect: Aspect = "kept",
    edges: Edges = "hard",
) -> tuple[Tensor, Tensor]:
    """N patches, each on its own canvas of ``size`` (rows, columns): colours (N, 3, rows, columns) and masks
    (N, 1, rows, columns); colours are undefined where the mask is 0.

    boxes: (N, 4) the target boxes, centre x, y, width and height as shares of the canvas; nothing is pasted
    into a box without an area. aspect: ``kept``: only the area of the box counts, and the patch keeps its
    width over height in the photo; ``predicted``: it is stretched to the box. edges: ``hard``: masks are
    sampled by nearest neighbour, so they stay 0 or 1; ``soft``: bilinearly. Colours are sampled bicubically.
    """
    rows, columns = size
    height, width = patches.pictures.shape[-2:]
    to = boxes * boxes.new_tensor([columns, rows, columns, rows])
    zoom = patches.boxes[:, 2:] / to[:, 2:].clamp(min=1e-6)  # pixels of the patch per pixel of the canvas
    if aspect == "kept":
        zoom = zoom.prod(1, keepdim=True).sqrt().expand(-1, 2)
        if patches.ratios is not None:
            stretch = (patches.boxes[:, 2] / patches.boxes[:, 3] / patches.ratios).sqrt()
            zoom = zoom * torch.stack([stretch, 1 / stretch], dim=1)
    # grids go from -1 to 1: canvas x -> zoom * (x - target centre) + centre of the patch's box
    extent, source = boxes.new_tensor([columns, rows]), boxes.new_tensor([width, height])
    turn = zoom * extent / source
    start = 2 / source * ((extent / 2 - to[:, :2]) * zoom + patches.boxes[:, :2]) - 1
    theta = torch.cat([torch.diag_embed(turn), start.unsqueeze(2)], dim=2)
    grid = F.affine_grid(theta, [len(boxes), 1, rows, columns], align_corners=False)
    colours = F.grid_sample(patches.pictures.to(grid), grid, "bicubic", "border", align_corners=False)
    sampling = "nearest" if edges == "hard" else "bilinear"
    masks = F.grid_sample(patches.masks.to(grid), grid, sampling, "zeros", align_corners=False)
    has_area = (boxes[:, 2:] > 0).all(dim=1)
    return colours.clamp(0, 255), masks * has_area.view(-1, 1, 1, 1)


def as_pasted(boxes: Tensor, ratios: Tensor) -> Tensor:
    """The boxes (..., 4) that patches of ``ratios`` (...,) fill when pasted into ``boxes`` with their aspect
    kept.
    """
    centres, extents = boxes.split(2, dim=-1)
    extents = (extents.prod(-1, keepdim=True) * torch.stack([ratios, 1 / ratios], dim=-1)).sqrt()
    return torch.cat([centres, extents], dim=-1)


def stretched(scene: Rendering, side: int) -> Rendering:
    """An inpainter's view of composites: the box around everything in the scene, stretched to side x side;
    the whole canvas if the scene is empty. Pictures are sampled bilinearly, labels and masks by nearest
    neighbour.
    """
    scenes, _, rows, columns = scene.masks.shape
    size = scene.masks.new_tensor([columns, rows])
    first, last = occupied(scene.masks)
    theta = torch.cat(
        [torch.diag_embed((last - first) / size), ((first + last) / size - 1)[:, :, None]], dim=2
    )
    grid = F.affine_grid(theta, [scenes, 1, side, side], align_corners=False)
    edges = [((2 * pixel) / size - 1)[:, None, None] for pixel in (first + 0.5, last - 0.5)]
    grid = grid.clamp(*edges)  # nothing beyond the box's outermost pixels is sampled
    pictures = F.grid_sample(scene.pictures, grid, "bilinear", "border", align_corners=False)
    flat = torch.cat([scene.labels.unsqueeze(1).to(grid.dtype), scene.masks], dim=1)
    labels, masks = F.grid_sample(flat, grid, "nearest", "border", align_corners=False).split(1, dim=1)
    return Rendering(pictures, labels[:, 0].long(), masks)


def occupied(masks: Tensor) -> tuple[Tensor, Tensor]:
    """The box around all nonzero pixels of masks (B, 1, y, x): its first column and row, and one past its
    last, (B, 2) int64 each; the whole canvas where a mask is empty.
    """
    there = masks[:, 0] > 0
    there = there | ~there.any(dim=(1, 2), keepdim=True)
    lines = [there.any(axis).to(masks.dtype) for axis in (1, 2)]  # columns and rows with something
    first = torch.stack([line.argmax(dim=1) for line in lines], dim=1)
    last = torch.stack([line.shape[1] - line.flip(1).argmax(dim=1) for line in lines], dim=1)
    return first, last


def overlaid(classes: Tensor, colours: Tensor, masks: Tensor, first_stuff: int) -> Rendering:
    """Layers (B, T, ...) over each other: later things over earlier things, things over stuff, earlier stuff
    over later stuff. This equals pasting them in order, stuff into free pixels only.
    """
    steps = torch.arange(classes.shape[1], device=classes.device)
    height = torch.where(classes < first_stuff, len(steps) + steps, -steps)
    order = height.argsort(dim=1, descending=True)
    scenes = torch.arange(len(classes), device=classes.device).unsqueeze(1)
    classes, colours, masks = classes[scenes, order], colours[scenes, order], masks[scenes, order, 0]
    passed = (1 - masks).cumprod(dim=1)  # what each layer and those above it let through
    seen = masks * torch.cat([torch.ones_like(passed[:, :1]), passed[:, :-1]], dim=1)
    most, layer = seen.max(dim=1)
    left = passed[:, -1]
    labels = classes.gather(1, layer.flatten(1)).view_as(layer) * (most > left)
    return Rendering((seen.unsqueeze(2) * colours).sum(1), labels, 1 - left.unsqueeze(1))


def channel_maxima(classes: Tensor, colours: Tensor, masks: Tensor, first_stuff: int) -> Tensor:
    """Pictures (B, 3, y, x) of layers (B, T, ...) as the authors' code composes them: the largest value of
    each channel over all things, and behind them the same over all stuff. An object only hides earlier ones
    of its class; stuff fills pixels that are free when it is pasted.
    """
    steps = torch.arange(classes.shape[1], device=classes.device)
    later = steps > steps.unsqueeze(1)  # (T, others)
    stuff = (classes >= first_stuff).unsqueeze(2)
    same = classes.unsqueeze(2) == classes.unsqueeze(1)
    hides = torch.where(stuff, later.T, later & same).to(masks.dtype)  # (B, T, others)
    hidden = torch.einsum("bto,bop->btp", hides, masks.flatten(2)).clamp(max=1).view_as(masks)
    seen = masks * (1 - hidden) * colours
    is_stuff = stuff.view(*classes.shape, 1, 1, 1)
    things, behind = ((seen * kind).amax(dim=1) for kind in (~is_stuff, is_stuff))
    return things + (1 - (masks * ~is_stuff).amax(dim=1)) * behind
