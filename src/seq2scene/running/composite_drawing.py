"""Composites for people: patches pasted from the photos themselves where these are at hand, else from what
the net was shown of them; and the true photos that composites are held against.

Where nothing stands yet a canvas shows a checker of two greys, which no patch is taken for.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from seq2scene.data.images import open_photo
from seq2scene.data.patch_cutting import MARGIN, full_patches
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.pasting import Aspect, Edges, paste
from seq2scene.scenes.patch_store import PatchStore
from seq2scene.scenes.schema import Schema

SQUARES = 32  # of the checker, along a side
GREYS = (214, 232)


def composite_steps(
    store: PatchStore,
    photo_folder: Path | None,
    objects: Objects,
    schema: Schema,
    side: int,
    aspect: Aspect = "kept",
    edges: Edges = "hard",
) -> list[np.ndarray]:
    """One composite (the first of ``objects``) as it comes about: the empty canvas, then a picture after each
    object, (side, side, 3) uint8. Later things lie over earlier ones, stuff behind all that stands there.

    store: what the patches of ``objects`` are numbers in; an object without one shows nothing. photo_folder:
    the photos that they were cut out of, each read at the resolution it is shown at; None: the small patches
    of the store. aspect, edges: see ``scenes.pasting``.

    Raises:
        UserError: a photo is missing, damaged, or not of the size that the store says.
    """
    objects = objects[:1].to("cpu")
    boxes = schema.boxes(objects)[0] / torch.tensor(schema.canvas * 2)
    numbers, stuff = objects.patches[0].numpy(), objects.classes[0] >= store.first_stuff
    spans = _spans(store, numbers, boxes, side, aspect)
    empty = picture = empty_canvas(side)
    there = torch.zeros(1, side, side)
    steps = [_pixels(picture)]
    for step in range(int(objects.present.sum())):
        number = numbers[step : step + 1]
        if photo_folder is None:
            patch = store.patches(number)
        else:  # a patch that is shown small is read small, or it would be full of noise
            patch = full_patches(store, number, photo_folder, spans[step])
        (colours,), (mask,) = paste(patch, boxes[step : step + 1], (side, side), aspect, edges)
        share, behind = (mask * (1 - there), empty) if stuff[step] else (mask, picture)
        picture = picture + share * (colours - behind)
        there = there + mask * (1 - there)
        steps.append(_pixels(picture))
    return steps


def _spans(store: PatchStore, numbers: np.ndarray, boxes: Tensor, side: int, aspect: Aspect) -> list[int]:
    """How many pixels long each patch (N,) is shown, with its margins."""
    extents = boxes[:, 2:]
    if aspect == "kept":
        ratios = torch.from_numpy(store.ratios[np.maximum(numbers, 0)])
        extents = (extents.prod(1, keepdim=True) * torch.stack([ratios, 1 / ratios], dim=1)).sqrt()
    pixels = (extents * side).amax(1).ceil().clamp(1, side)
    return (pixels.long() + 2 * (MARGIN + 1)).tolist()


def photo_picture(store: PatchStore, photo_folder: Path | None, row: int, side: int) -> np.ndarray:
    """A photo of a store as a canvas has it, (side, side, 3) uint8: at the bottom on the left, what is beyond
    it empty. From the folder, or where that is None as the store has it, which is small.
    """
    extent = store.sizes[row]
    width, height = np.maximum(np.round(side * extent / extent.max()), 1).astype(int).tolist()
    if photo_folder is None:
        square = store.photos(np.array([row]), np.zeros((1, 0), dtype=np.int64)).pictures[0]
        photo = Image.fromarray(square.permute(1, 2, 0).numpy()).resize(
            (side, side), Image.Resampling.BICUBIC
        )
        photo = photo.crop((0, side - height, width, side))
    else:
        photo = open_photo(photo_folder / str(store.files[row]))
        photo = photo.resize((width, height), Image.Resampling.LANCZOS)
    canvas = Image.fromarray(_pixels(empty_canvas(side)))
    canvas.paste(photo, (0, side - height))
    return np.array(canvas)


def empty_canvas(side: int) -> Tensor:
    """(3, side, side) from 0 to 255: where nothing is."""
    square = torch.arange(side) * SQUARES // side
    odd = (square.unsqueeze(1) + square) % 2
    return torch.tensor(GREYS, dtype=torch.float32)[odd].expand(3, -1, -1)


def _pixels(picture: Tensor) -> np.ndarray:
    return picture.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
