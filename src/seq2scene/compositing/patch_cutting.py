"""Patches cut out of photos (Text2Scene's composites, Tan et al. 2019): how windows of photos, masks and
label maps are cropped and resized, and patches at full resolution.

The window of a patch is twice the width and height of the segment's box, around the box's centre, both in
whole pixels; beyond the photo it is black. Pictures are resized bicubically, masks and labels by nearest
neighbour.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as run_lengths

from seq2scene.compositing.patch_store import PatchStore
from seq2scene.errors import UserError
from seq2scene.scenes.images import open_photo
from seq2scene.scenes.photos import Patches

CONTEXT = 2  # width and height of a window in those of the segment's box
MARGIN = 2  # pixels around a patch that bicubic interpolation reaches


def full_patches(
    store: PatchStore, numbers: np.ndarray, photo_folder: Path | str, longest: int = 256
) -> Patches:
    """The patches ``numbers`` (N,), -1 for none, out of the photos themselves, each cropped around its mask:
    at full resolution, unless a picture would be longer than ``longest`` pixels. Pictures (N, 3, h, w) uint8,
    masks (N, 1, h, w) bool.

    Raises:
        UserError: a photo is missing, damaged, or not of the size in the store.
    """
    found = np.flatnonzero(numbers >= 0)
    wanted = numbers[found]
    photos = store.photo[wanted]
    sizes = store.sizes[photos]
    masks = coco_masks([store.run(number) for number in wanted.tolist()], sizes)
    windows, shown = _around(masks, sizes, longest)
    wide, high = shown.max(0, initial=1).tolist()
    pictures = np.zeros((len(numbers), 3, high, wide), dtype=np.uint8)
    shapes = np.zeros((len(numbers), 1, high, wide), dtype=bool)
    for photo in np.unique(photos):
        picture = open_annotated(Path(photo_folder) / str(store.files[photo]), store.sizes[photo])
        for n in np.flatnonzero(photos == photo):
            columns, rows = shown[n].tolist()
            padding = (0, 0), (0, high - rows), (0, wide - columns)
            pictures[found[n]] = np.pad(crop(picture, windows[n], (columns, rows)), padding, mode="edge")
            shapes[found[n], 0, :rows, :columns] = crop_nearest(
                run_lengths.decode(masks[n]), windows[n : n + 1], (columns, rows)
            )
    whole = np.array([0.5, 0.5, 1, 1], dtype=np.float32)  # an area is needed even where empty
    boxes = np.tile(whole, (len(numbers), 1))
    square = sizes.max(1, keepdims=True)
    in_photo = store.boxes[wanted].astype(np.float64) * square
    in_photo[:, 1] -= square[:, 0] - sizes[:, 1]
    boxes[found] = in_window(in_photo, windows, shown)
    ratios = np.ones(len(numbers), dtype=np.float32)
    ratios[found] = store.ratios[wanted]
    return Patches(*map(torch.from_numpy, (pictures, shapes, boxes, ratios)))


def _around(masks: list[dict], sizes: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows (N, 4) left, top, width and height around masks, and the sizes (N, 2) to resize them to."""
    tight = np.asarray(run_lengths.toBbox(masks), dtype=np.float64).reshape(-1, 4)
    room = max(longest - 2 * (MARGIN + 1), 1)
    zoom = np.minimum(room / tight[:, 2:].max(1, keepdims=True, initial=1), 1)
    margins = np.ceil(MARGIN / zoom)
    first = np.maximum(tight[:, :2] - margins, 0).astype(np.int64)
    extents = np.minimum(tight[:, :2] + tight[:, 2:] + margins, sizes).astype(np.int64) - first
    return np.concatenate([first, extents], axis=1), np.maximum(np.round(extents * zoom), 1).astype(np.int64)


# Boxes and windows


def centred(boxes: np.ndarray) -> np.ndarray:
    """Boxes (A, 4) left, top, width and height -> centre x, y, width and height in the convention of
    ``scenes.boxes.on_square``: the centre of the first pixel is at 0.
    """
    return np.concatenate([boxes[:, :2] + (boxes[:, 2:] - 1) / 2, boxes[:, 2:]], axis=1)


def context_windows(boxes: np.ndarray) -> np.ndarray:
    """(A, 4) int64 left, top, width and height of the windows around boxes, ``centred``."""
    extents = np.maximum((CONTEXT * boxes[:, 2:]).astype(np.int64), 1)
    return np.concatenate([np.floor(boxes[:, :2]).astype(np.int64) - extents // 2, extents], axis=1)


def in_window(boxes: np.ndarray, windows: np.ndarray, shown: np.ndarray | int) -> np.ndarray:
    """Boxes, ``centred``, in pixels of their windows once these are resized to ``shown``."""
    zoom = shown / windows[:, 2:]
    centres = boxes[:, :2] + 0.5 - windows[:, :2]  # the first pixel spans 0 to 1
    return np.concatenate([centres * zoom, boxes[:, 2:] * zoom], axis=1).astype(np.float32)


# Photos, masks and label maps


def coco_masks(runs: list[bytes], sizes: np.ndarray) -> list[dict]:
    """Compressed run lengths of photos of ``sizes`` (A, 2), width and height, as pycocotools takes them."""
    return [{"size": [h, w], "counts": run} for run, (w, h) in zip(runs, sizes.tolist(), strict=True)]


def open_annotated(path: Path, size: np.ndarray) -> Image.Image:
    """A photo; raises UserError unless its size is that of its annotations (width, height)."""
    photo = open_photo(path)
    if photo.size != tuple(size.tolist()):
        what = f"{path} has {photo.width} x {photo.height} pixels, not {size[0]} x {size[1]} as annotated"
        if photo.size == tuple(size[::-1].tolist()):
            what += (
                ": swapped, as by the rotation in EXIF data; save it upright (mogrify -auto-orient), "
                "check its annotations and export them again"
            )
        raise UserError(what)
    return photo


def crop(
    photo: Image.Image, window: np.ndarray, size: tuple[int, int], beyond: tuple[int, ...] = (0, 0, 0)
) -> np.ndarray:
    """A window of a photo as (3, rows, columns) of ``size`` (columns, rows), resized bicubically. beyond: the
    colour around the photo.
    """
    left, top, width, height = window.tolist()
    whole = Image.new("RGB", (width, height), beyond)
    whole.paste(photo, (-left, -top))
    return np.asarray(whole.resize(size, Image.Resampling.BICUBIC)).transpose(2, 0, 1)


def crop_nearest(flat: np.ndarray, windows: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Windows (P, 4) of P masks (y, x, P), one each, or all of one map (y, x), as (P, rows, columns) of
    ``size`` (columns, rows), by nearest neighbour; 0 beyond the photo.
    """
    columns, rows = (
        first[:, None] + (2 * np.arange(pixels) + 1) * extent[:, None] // (2 * pixels)
        for first, extent, pixels in zip(windows[:, :2].T, windows[:, 2:].T, size, strict=True)
    )
    high, wide = flat.shape[:2]
    inside = ((rows >= 0) & (rows < high))[:, :, None] & ((columns >= 0) & (columns < wide))[:, None]
    at = rows.clip(0, high - 1)[:, :, None], columns.clip(0, wide - 1)[:, None]
    return flat[at if flat.ndim == 2 else (*at, np.arange(len(windows))[:, None, None])] * inside


def label_map(masks: np.ndarray, classes: np.ndarray, first_stuff: int) -> np.ndarray:
    """(y, x) uint8: the visible class of each pixel, 0 for none, of overlapping masks (y, x, P) in the order
    of ``pasting.layered``.
    """
    steps = np.arange(len(classes))
    height = np.where(classes < first_stuff, len(steps) + steps, -steps)
    table = np.concatenate([[0], classes[height.argsort()]]).astype(np.uint8)
    rank = (1 + height.argsort().argsort()).astype(np.uint16)
    return table[(masks.T * rank[:, None, None]).max(0, initial=0)].T
