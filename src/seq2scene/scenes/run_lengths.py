"""Masks as COCO's compressed run lengths (Lin et al. 2014) in column-major order: validated, encoded from
polygons and pixels, and decoded.
"""

from array import array
from typing import Any

import numpy as np
from pycocotools import mask as coco

from seq2scene.errors import UserError

SLACK = 0.1  # how far a polygon may extend beyond the image, as a share of the image's side


def checked_runs(segmentation: Any, width: int, height: int, where: str) -> bytes:
    """The compressed run lengths of a segmentation as in ``Instances``.

    Raises:
        UserError: the segmentation is malformed or does not fit the image size. ``where`` names it.
    """
    if isinstance(segmentation, list) and all(isinstance(polygon, array) for polygon in segmentation):
        return _of_polygons(segmentation, width, height, where)
    if isinstance(segmentation, dict) and {"size", "counts"} <= segmentation.keys():
        return _of_counts(segmentation["counts"], segmentation["size"], width, height, where)
    raise UserError(
        f"{where}: its segmentation is neither polygons, lists of x, y, x, y, ..., nor run lengths with a "
        f"size and counts: {str(segmentation)[:60]}"
    )


def encoded(mask: np.ndarray) -> bytes:
    """A mask (height, width) bool as compressed run lengths."""
    return coco.encode(np.asfortranarray(mask.view(np.uint8)))["counts"]


def decoded(runs: bytes, width: int, height: int) -> np.ndarray:
    """The mask (height, width) bool of compressed run lengths."""
    return coco.decode(_sized(runs, width, height)).view(bool)


def area(runs: bytes, width: int, height: int) -> int:
    """The number of pixels in the mask."""
    return int(coco.area(_sized(runs, width, height)))


def unpacked(counts: bytes) -> np.ndarray | None:
    """The run lengths (R,) int64, alternately of pixels outside and inside, of compressed ones; None if the
    bytes are malformed.

    A number takes five bits per byte, the lowest first; the sixth bit means that more bytes follow, and the
    fifth of the last byte is the sign. From the fourth number on, each is the difference to the last but one.
    """
    codes = np.frombuffer(counts, dtype=np.uint8).astype(np.int64) - 48
    more = (codes & 32) > 0
    if not len(codes) or codes.min() < 0 or codes.max() > 63 or more[-1]:
        return None
    ends = np.flatnonzero(~more)
    starts = np.append(0, ends[:-1] + 1)
    places = 5 * (np.arange(len(codes)) - np.repeat(starts, ends - starts + 1))
    if places.max() > 30:
        return None
    values = np.add.reduceat((codes & 31) << places, starts)
    values -= ((codes[ends] & 16) > 0) << (places[ends] + 5)
    for first in (1, 2):
        values[first::2] = np.cumsum(values[first::2])
    return values


def _of_polygons(polygons: list[array], width: int, height: int, where: str) -> bytes:
    for polygon in polygons:
        if len(polygon) % 2:
            raise UserError(f"{where}: a polygon of {len(polygon)} numbers; x and y of a corner are two")
    corners = np.concatenate([np.zeros(0), *polygons]).reshape(-1, 2) / (width, height)
    near = ((corners >= -SLACK) & (corners <= 1 + SLACK)).all(axis=1)  # pycocotools crashes on others
    for x, y in corners[~near][:1] * (width, height):
        raise UserError(
            f"{where}: a polygon has a corner at {x:g}, {y:g}, but the image has {width} x {height} pixels"
        )
    solid = [polygon for polygon in polygons if len(polygon) >= 6]  # fewer than three corners enclose nothing
    if not solid:
        return encoded(np.zeros((height, width), dtype=bool))
    return coco.merge(coco.frPyObjects(solid, height, width))["counts"]


def _of_counts(counts: Any, size: Any, width: int, height: int, where: str) -> bytes:
    if size != [height, width]:
        raise UserError(
            f"{where}: run lengths of size {size}, but its image has height {height}, width {width}"
        )
    lengths = unpacked(counts) if isinstance(counts, bytes) else counts
    if not isinstance(lengths, np.ndarray | array):
        raise UserError(f"{where}: its counts are no run lengths: {str(counts)[:60]}")
    lengths = np.asarray(lengths)
    # if they are too few, pycocotools fills the rest with uninitialised memory
    if ((lengths < 0) | (lengths > height * width)).any() or lengths.sum() != height * width:
        raise UserError(f"{where}: its counts are not those of {width} x {height} pixels")
    if isinstance(counts, bytes):
        return counts
    return coco.frPyObjects(_sized(lengths.tolist(), width, height), height, width)["counts"]


def _sized(counts: Any, width: int, height: int) -> dict[str, Any]:
    """Run lengths in the form of pycocotools."""
    return {"size": [height, width], "counts": counts}
