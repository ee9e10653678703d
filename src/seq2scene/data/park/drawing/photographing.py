"""Photos of scenes: clip art in a landscape, with varying light.

No two photos show the same dog: size, rotation, hue, brightness and shading vary, but so little that
descriptions of the scene stay true. The exact segmentation is known.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from PIL import Image

from seq2scene.data.park.drawing.clip_art import draw
from seq2scene.data.park.drawing.landscapes import SIZE, ZOOM, cut, landscape
from seq2scene.data.park.relations import relations_of
from seq2scene.data.park.world import GROUND, SCALES, Placed, Scene

HIDDEN = 0.9  # things of which more than this share is occluded or outside are left out
SOLID = 0.5  # a pixel belongs to the thing that covers at least this share of it
STANDING = ("large", "child", "animal")  # kinds that cast a shadow on the ground
GRAIN = 2.5  # film grain, in grey levels


class Photo(NamedTuple):
    """pixels: (H, W, 3) uint8. scene: its visible part. things: (H, W), the index in ``scene.things`` of the
    thing at each pixel, or -1. regions: (H, W), the index of its region in ``landscapes.REGIONS`` at the
    pixels without a thing, else -1.
    """

    pixels: np.ndarray
    scene: Scene
    things: np.ndarray
    regions: np.ndarray


class Cutout(NamedTuple):
    """A thing as it appears in the photo. window: rows and columns of the photo. colour: (3, h, w),
    premultiplied by alpha. alpha: (h, w), 0 to 1. size: the number of its solid pixels, including those
    outside the photo.
    """

    thing: Placed
    window: tuple[slice, slice]
    colour: np.ndarray
    alpha: np.ndarray
    size: int


def photograph(scene: Scene, rng: np.random.Generator) -> Photo:
    """A photo of a scene."""
    ordered = sorted(scene.things, key=lambda thing: (thing.kind != "sky", -thing.z))
    view = landscape(scene, rng)
    cutouts = [cut_out(thing, view.light, rng) for thing in ordered]
    shown = np.bincount(_layers(cutouts).ravel() + 1, minlength=len(cutouts) + 1)[1:]
    cutouts = [c for c, seen in zip(cutouts, shown, strict=True) if seen > max((1 - HIDDEN) * c.size, 0)]
    pixels = view.pixels
    for cutout in cutouts:
        _shade_ground(pixels, cutout.thing)
        part = pixels[:, *cutout.window]
        part *= 1 - cutout.alpha
        part += cutout.colour
    pixels *= _vignette()
    pixels += GRAIN * cut("pixels", rng)
    kept = {cutout.thing for cutout in cutouts}
    things = tuple(thing for thing in scene.things if thing in kept)
    places = np.asarray([things.index(cutout.thing) for cutout in cutouts] + [-1])
    labels = places[_layers(cutouts)]
    return Photo(
        np.clip(pixels + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0).copy(),
        Scene(things, relations_of(things)),
        labels,
        np.where(labels < 0, view.regions, -1),
    )


def _layers(cutouts: list[Cutout]) -> np.ndarray:
    """The index of the topmost solid cutout at each pixel (H, W), or -1."""
    top = np.full(SIZE[::-1], -1)
    for place, cutout in enumerate(cutouts):
        top[cutout.window][cutout.alpha >= SOLID] = place
    return top


def cut_out(thing: Placed, light: np.ndarray, rng: np.random.Generator) -> Cutout:
    """A thing in this light (3, 1, 1), with random size, rotation, hue, brightness and shading."""
    picture = _picture(thing.picture, thing.z)
    size, turn = rng.uniform(0.95, 1.05), math.radians(rng.uniform(-3, 3))
    width, height = (math.ceil(1.05 * a + 0.06 * b) + 2 for a, b in (picture.size, picture.size[::-1]))
    left, top = round(ZOOM * thing.x - width / 2), round(ZOOM * thing.y - height / 2)
    x, y = ZOOM * thing.x - left, ZOOM * thing.y - top  # the centre, as pixels of the cutout
    cosine, sine = math.cos(turn) / size, math.sin(turn) / size
    a, b, d, e = thing.facing * cosine, thing.facing * sine, -sine, cosine
    into = (a, b, picture.width / 2 - a * x - b * y, d, e, picture.height / 2 - d * x - e * y)
    turned = picture.transform((width, height), Image.AFFINE, into, Image.BILINEAR)
    *bands, alpha = np.asarray(turned, dtype=np.float32).transpose(2, 0, 1)
    solid = int((alpha >= SOLID * 255).sum())
    rows, columns = _inside(top, height, SIZE[1]), _inside(left, width, SIZE[0])
    within = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    alpha = alpha[within] / 255
    colour = np.stack([band[within] for band in bands])
    colour = (_hue(math.radians(rng.uniform(-7, 7))) @ colour.reshape(3, -1)).reshape(colour.shape)
    colour *= light * rng.uniform(0.92, 1.08) * _shading(rng, *alpha.shape)
    return Cutout(thing, (rows, columns), colour, alpha, solid)


@cache
def _picture(name: str, z: int) -> Image.Image:
    """Clip art scaled to this depth, premultiplied by alpha."""
    image = _drawing(name)
    return image.resize([max(round(ZOOM * SCALES[z] * side), 1) for side in image.size], Image.LANCZOS)


@cache
def _drawing(name: str) -> Image.Image:
    return draw(name).convert("RGBa")


def _inside(first: int, length: int, side: int) -> slice:
    """The part of a range of pixels within 0 to side; may be empty."""
    start = min(max(first, 0), side)
    return slice(start, max(min(first + length, side), start))


def _hue(angle: float) -> np.ndarray:
    """The rotation (3, 3) of colours around the grey axis."""
    cosine, shared = math.cos(angle), (1 - math.cos(angle)) / 3
    across = math.sin(angle) / math.sqrt(3)
    one, two, three = cosine + shared, shared - across, shared + across
    return np.asarray([[one, two, three], [three, one, two], [two, three, one]], dtype=np.float32)


def _shading(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Brightness (height, width) of light from one side and from above on an uneven surface."""
    across = rng.uniform(-0.1, 0.1) * np.linspace(-1, 1, width, dtype=np.float32)
    down = rng.uniform(0, 0.08) * np.linspace(1, -1, height, dtype=np.float32)[:, None]
    return 1 + across + down + 0.045 * cut("patches", rng, width, height)


def _shade_ground(pixels: np.ndarray, thing: Placed) -> None:
    """Draws the shadow of a thing that stands on the ground."""
    if thing.kind not in STANDING or thing.bottom < GROUND[thing.z][0] - 4:
        return
    width = max(round(1.15 * ZOOM * thing.width), 4)
    height = max(round(0.16 * width), 4)
    left, top = round(ZOOM * thing.x - width / 2), round(ZOOM * (thing.bottom - 3) - height / 2)
    rows, columns = _inside(top, height, SIZE[1]), _inside(left, width, SIZE[0])
    shadow = np.asarray(_spot().resize((width, height), Image.BILINEAR))
    shadow = shadow[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    pixels[:, rows, columns] *= 1 - shadow


@cache
def _spot() -> Image.Image:
    """A round shadow, darkest in the middle."""
    line = np.linspace(-1, 1, 64, dtype=np.float32)
    return Image.fromarray(0.45 * np.clip(1 - line**2 - line[:, None] ** 2, 0, 1))


@cache
def _vignette() -> np.ndarray:
    """The vignetting of a lens, a factor (H, W)."""
    x, y = (np.linspace(-1, 1, side, dtype=np.float32) for side in SIZE)
    return 1 - 0.06 * (x**2 + y[:, None] ** 2)
