"""Composites for people: patches pasted from the photos themselves where these are at hand, else from what
the net was shown of them; and the true photos that composites are held against.

Where nothing stands yet a canvas shows a checker of two greys, which no patch is taken for.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from seq2scene.compositing.pasting import Aspect, Edges, Rendering, paste, render
from seq2scene.compositing.patch_store import PatchStore
from seq2scene.data.patch_cutting import MARGIN, full_patches
from seq2scene.scenes.boxes import normalised
from seq2scene.scenes.images import open_photo
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.photos import Patches
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
    of the store. aspect, edges: see ``compositing.pasting``.

    Raises:
        UserError: a photo is missing, damaged, or not of the size that the store says.
    """
    objects = objects[:1].to("cpu")
    boxes = normalised(schema.boxes(objects)[0], schema.canvas)
    numbers, stuff = objects.patches[0].numpy(), objects.classes[0] >= store.first_stuff
    spans = _spans(store, numbers, boxes, side, aspect)
    empty = picture = empty_canvas(side)
    there = torch.zeros(1, side, side)
    steps = [as_pixels(picture)]
    for step in range(int(objects.present.sum())):
        patch = _read(store, numbers[step], spans[step], photo_folder)
        (colours,), (mask,) = paste(patch, boxes[step : step + 1], (side, side), aspect, edges)
        share, behind = (mask * (1 - there), empty) if stuff[step] else (mask, picture)
        picture = picture + share * (colours - behind)
        there = there + mask * (1 - there)
        steps.append(as_pixels(picture))
    return steps


def render_composites(
    store: PatchStore,
    photo_folder: Path | None,
    objects: Objects,
    schema: Schema,
    side: int,
    aspect: Aspect = "kept",
    edges: Edges = "hard",
    device: torch.device | str = "cpu",
) -> Rendering:
    """B composites as nets see them, black where nothing is: pasted all at once, on the ``device``. Else as
    ``composite_steps``, which raises the same.
    """
    objects = schema.with_end(objects.to("cpu"))
    objects = objects.cut(max(int(objects.present.sum(1).max()), 1))
    boxes = normalised(schema.boxes(objects), schema.canvas)
    numbers = objects.patches.flatten().numpy()
    if photo_folder is None:
        patches = store.patches(numbers)
    else:
        spans = _spans(store, numbers, boxes.flatten(0, 1), side, aspect)
        patches = _together([_read(store, *each, photo_folder) for each in zip(numbers, spans, strict=True)])
    parts = (patches.pictures, patches.masks, patches.boxes, patches.ratios)
    patches = Patches(*(part.to(device).unflatten(0, objects.classes.shape) for part in parts))
    classes, boxes = objects.classes.to(device), boxes.to(device)
    return render(classes, boxes, patches, (side, side), store.first_stuff, aspect, edges)


def _read(store: PatchStore, number: int, span: int, photo_folder: Path | None) -> Patches:
    """One patch. What is shown small is read small from its photo, or it would be full of noise."""
    one = np.array([number])
    return store.patches(one) if photo_folder is None else full_patches(store, one, photo_folder, span)


def _together(patches: list[Patches]) -> Patches:
    """Patches of one each, their pictures continued to the size of the largest."""
    sizes = np.array([one.pictures.shape[2:] for one in patches])
    room = sizes.max(0) - sizes
    pictures, masks = (
        [
            np.pad(getattr(one, name).numpy(), ((0, 0), (0, 0), (0, rows), (0, columns)), mode)
            for one, (rows, columns) in zip(patches, room.tolist(), strict=True)
        ]
        for name, mode in (("pictures", "edge"), ("masks", "constant"))
    )
    return Patches(
        *(torch.from_numpy(np.concatenate(parts)) for parts in (pictures, masks)),
        *(torch.cat([getattr(one, name) for one in patches]) for name in ("boxes", "ratios")),
    )


def _spans(store: PatchStore, numbers: np.ndarray, boxes: Tensor, side: int, aspect: Aspect) -> list[int]:
    """How many pixels long each patch (N,) is shown, with its margins."""
    extents = boxes[:, 2:]
    if aspect == "kept":
        ratios = torch.from_numpy(store.ratios[np.maximum(numbers, 0)])
        extents = (extents.prod(1, keepdim=True) * torch.stack([ratios, 1 / ratios], dim=1)).sqrt()
    pixels = (extents * side).amax(1).ceil().clamp(1, side)
    return (pixels.long() + 2 * (MARGIN + 1)).tolist()


def photo_picture(
    store: PatchStore, photo_folder: Path | None, row: int, side: int, ground: Tensor | None = None
) -> np.ndarray:
    """A photo of a store as a canvas has it, (side, side, 3) uint8: at the bottom on the left. From the
    folder, or where that is None as the store has it, which is small. ground: (3, side, side), what is shown
    beyond it; None: the empty canvas.
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
    canvas = Image.fromarray(as_pixels(empty_canvas(side) if ground is None else ground))
    canvas.paste(photo, (0, side - height))
    return np.array(canvas)


def empty_canvas(side: int) -> Tensor:
    """(3, side, side) from 0 to 255: where nothing is."""
    square = torch.arange(side) * SQUARES // side
    odd = (square.unsqueeze(1) + square) % 2
    return torch.tensor(GREYS, dtype=torch.float32)[odd].expand(3, -1, -1)


def as_pixels(picture: Tensor) -> np.ndarray:
    """(3, y, x) from 0 to 255 -> (y, x, 3) uint8, on the CPU."""
    return picture.to("cpu").round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
