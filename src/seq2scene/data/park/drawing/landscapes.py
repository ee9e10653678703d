"""The landscapes of the park's photos: sky, clouds, ridges, water, ground and a path.

Every pixel belongs to one region, whose colour depends on the depth, the texture of the region, and the light
of the hour. Regions are categories of COCO-Stuff (Caesar et al. 2018), with their published numbers.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from PIL import Image

from seq2scene.data.park.world import CANVAS as WORLD
from seq2scene.data.park.world import HORIZON, Scene

SIZE = (320, 256)  # of a photo in pixels, width and height
ZOOM = SIZE[0] / WORLD[0]  # pixels of a photo per pixel of the canvas
FIELD = 1024  # side of the fields of noise from which textures are cropped

Colour = tuple[int, int, int]


class Region(NamedTuple):
    """A kind of stuff: COCO's number, name and supercategory; its colour far and near; its texture."""

    number: int
    name: str
    supercategory: str
    far: Colour
    near: Colour
    patches: float  # relative variation of brightness by each field of noise
    blades: float
    grit: float


REGIONS = (
    Region(157, "sky-other", "sky", (0, 0, 0), (0, 0, 0), 0.012, 0, 0),  # colours: those of the hour
    Region(106, "clouds", "sky", (0, 0, 0), (0, 0, 0), 0.012, 0, 0),
    Region(135, "mountain", "solid", (126, 142, 160), (110, 126, 134), 0.11, 0.01, 0.02),
    Region(127, "hill", "solid", (116, 152, 110), (92, 142, 76), 0.15, 0.04, 0.02),
    Region(148, "river", "water", (120, 166, 196), (84, 138, 178), 0.08, 0, 0.02),
    Region(97, "bush", "plant", (58, 104, 52), (50, 96, 44), 0.24, 0.1, 0.14),
    Region(124, "grass", "plant", (132, 174, 84), (84, 146, 54), 0.10, 0.15, 0),
    Region(154, "sand", "ground", (226, 206, 160), (208, 184, 132), 0.06, 0, 0.05),
    Region(111, "dirt", "ground", (176, 146, 108), (150, 116, 80), 0.10, 0, 0.09),
    Region(125, "gravel", "ground", (178, 174, 168), (150, 146, 142), 0.05, 0, 0.17),
)
GRAINS = ("patches", "blades", "grit")
PLACE = {region.name: place for place, region in enumerate(REGIONS)}


class Hour(NamedTuple):
    """The colours of the sky at the top and at the horizon, and of the light (1: white)."""

    top: Colour
    horizon: Colour
    light: tuple[float, float, float]


HOURS = {
    "noon": Hour((76, 142, 222), (190, 220, 244), (1.0, 1.0, 1.0)),
    "morning": Hour((120, 172, 226), (250, 228, 204), (1.02, 0.97, 0.88)),
    "evening": Hour((104, 120, 182), (252, 186, 132), (1.0, 0.87, 0.74)),
    "overcast": Hour((166, 178, 192), (218, 222, 226), (0.91, 0.93, 0.95)),
}
CLEAR = ("noon", "noon", "morning", "evening")


class Landscape(NamedTuple):
    """pixels: (3, H, W) float32, 0 to 255. regions: (H, W) int, rows of ``REGIONS``. light: (3, 1, 1)."""

    pixels: np.ndarray
    regions: np.ndarray
    light: np.ndarray


def landscape(scene: Scene, rng: np.random.Generator) -> Landscape:
    """A landscape for a scene: its sky is clear with the sun and overcast with rain."""
    names = {thing.name for thing in scene.things}
    hours = CLEAR if "s_3" in names else ("overcast",) if names & {"s_4", "s_5"} else (*CLEAR, "overcast")
    hour = HOURS[hours[rng.integers(len(hours))]]
    light = np.asarray(hour.light, dtype=np.float32)[:, None, None]
    regions, horizon = _lay_out(rng)
    cover = _clouds(rng)
    sky = regions == PLACE["sky-other"]
    regions[sky & (cover > 0.5)] = PLACE["clouds"]
    colours = _colours(rng, hour, horizon) * light
    rows = np.arange(SIZE[1])[:, None]
    pixels = colours.reshape(3, -1).take(regions * SIZE[1] + rows, axis=1)
    grains = (
        np.array([getattr(r, name) for r in REGIONS], np.float32).take(regions) * cut(name, rng)
        for name in GRAINS
    )
    pixels *= 1 + sum(grains)
    pixels += (250 * light - pixels) * (0.85 * cover * sky)
    return Landscape(pixels, regions, light)


def _colours(rng: np.random.Generator, hour: Hour, horizon: float) -> np.ndarray:
    """The colour of each region in each row, (3, R, H), in white light, with a random tint per region."""
    rows = np.arange(SIZE[1], dtype=np.float32)
    depth = np.clip((rows - horizon) / (SIZE[1] - horizon), 0, 1)
    far, near = (
        np.array([getattr(r, name) for r in REGIONS], np.float32).T[..., None] for name in ("far", "near")
    )
    colours = (far + (near - far) * depth) * rng.normal(1, 0.035, (3, len(REGIONS), 1))
    light = np.array(hour.light, np.float32)[:, None]
    top, low = (np.array(colour, np.float32)[:, None] / light for colour in (hour.top, hour.horizon))
    for name in ("sky-other", "clouds"):
        colours[:, PLACE[name]] = top + (low - top) * np.clip(rows / horizon, 0, 1) ** 1.3
    return colours.astype(np.float32)


def _lay_out(rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """The region of each pixel, without clouds, and the row of the horizon."""
    width, height = SIZE
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    horizon = HORIZON * ZOOM + rng.uniform(-8, 0)
    regions = np.full((height, width), PLACE["sky-other"])

    def fill(name: str, where: np.ndarray) -> None:
        np.putmask(regions, np.broadcast_to(where, regions.shape), PLACE[name])

    for name, least, most in (("mountain", 24, 58), ("hill", 8, 30)):
        if rng.random() < 0.65:
            fill(name, rows >= horizon - _wave(rng, columns, least, most))
    if rng.random() < 0.3:
        fill("river", rows >= horizon - 3)
        horizon += 5
    elif rng.random() < 0.45:
        fill("bush", rows >= horizon - _wave(rng, columns, -3, 14))
    ground = ("grass", "sand", "dirt")[int(np.searchsorted((0.78, 0.92), rng.random()))]
    fill(ground, rows >= horizon + rng.uniform(0.5, 1.5) * np.sin(columns / 23 + rng.uniform(0, 6)))
    if ground == "grass" and rng.random() < 0.6:
        near = np.clip((rows - horizon) / (height - horizon), 0, 1)
        bend = rng.uniform(-70, 70) * np.sin(np.pi * near * rng.uniform(0.6, 1.2))
        middle = rng.uniform(40, 280) + rng.uniform(-120, 120) * near + bend
        half = 2 + rng.uniform(24, 52) * near**1.4
        path = ("dirt", "sand", "gravel")[rng.integers(3)]
        fill(path, (abs(columns - middle) < half) & (rows > horizon + 2))
    return regions, horizon


def _wave(rng: np.random.Generator, columns: np.ndarray, least: float, most: float) -> np.ndarray:
    """The height (W,) of a ridge, between two bounds."""
    total = np.zeros(len(columns))
    for length, share in ((190, 1.0), (83, 0.5), (31, 0.22), (9, 0.07)):
        total += share * np.sin(columns * (2 * np.pi / (length * rng.uniform(0.8, 1.25))) + rng.uniform(0, 6))
    return least + (most - least) * (total / 1.8 + 1) / 2


def _clouds(rng: np.random.Generator) -> np.ndarray:
    """The cloud cover (H, W), 0 to 1."""
    return np.clip((cut("clouds", rng) - rng.uniform(0.3, 1.9)) * 1.6, 0, 1)


def cut(field: str, rng: np.random.Generator, width: int = SIZE[0], height: int = SIZE[1]) -> np.ndarray:
    """A random crop (height, width) of one of the fields of noise."""
    left, top = rng.integers(FIELD - width), rng.integers(FIELD - height)
    return _fields()[field][top : top + height, left : left + width]


@cache
def _fields() -> dict[str, np.ndarray]:
    """Noise of mean 0 and standard deviation 1: soft patches, upright blades, grit, clouds, single pixels."""
    rng = np.random.default_rng(2014)

    def sum_of(*octaves: tuple[int, int, float]) -> np.ndarray:
        total = np.zeros((FIELD, FIELD), dtype=np.float32)
        for across, down, share in octaves:
            coarse = rng.standard_normal((FIELD // down, FIELD // across)).astype(np.float32)
            total += share * np.asarray(Image.fromarray(coarse).resize((FIELD, FIELD), Image.BICUBIC))
        return (total - total.mean()) / total.std()

    return {
        "patches": sum_of((64, 32, 1.0), (24, 12, 0.6), (9, 5, 0.35)),
        "blades": sum_of((1, 1, 0.6), (1, 3, 1.0), (2, 6, 0.8)),
        "grit": sum_of((3, 2, 0.8), (1, 1, 0.8)),
        "clouds": sum_of((128, 48, 1.0), (48, 20, 0.55), (18, 10, 0.25), (7, 5, 0.1)),
        "pixels": sum_of((1, 1, 1.0)),
    }
