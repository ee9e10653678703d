"""Clip art for tests: small pictures of noise with soft edges, the schema they belong to, random scenes."""

from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import FIRST_CLASS, Objects
from seq2scene.scenes.schema import Head, Schema

NAMES = ("s_0", "hb0", "t_0")
POSES, EXPRESSIONS, SCALES = 2, 3, (1.0, 0.7, 0.49)
CANVAS = (50, 40)
SIZES = {"s_0": (14, 9), "t_0": (7, 60), **{f"hb0_{k}": (11 + k, 16) for k in range(POSES * EXPRESSIONS)}}


def schema_of(names=NAMES, canvas=CANVAS, poses=POSES, expressions=EXPRESSIONS) -> Schema:
    children = tuple(name for name in names if name.startswith("hb"))
    heads = {
        "size": Head(len(SCALES)),
        "flip": Head(2),
        "pose": Head(poses, only=children),
        "expression": Head(expressions, only=children),
    }
    width, height = canvas
    grid = Grid(28, 28, 1, 1, width - 1, height - 1)
    return Schema(names, grid, heads, 9, 3, canvas, torch.ones(len(names), poses, expressions, 2), SCALES)


def to_png(pixels: np.ndarray) -> Tensor:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="png")
    return torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8)


def noise_pixels() -> dict[str, np.ndarray]:
    """Non-premultiplied RGBA, any colour with any alpha; the background is RGB."""
    random = np.random.default_rng(7)
    pixels = {
        f"{name}s": random.integers(0, 256, (height, width, 4), dtype=np.uint8)
        for name, (width, height) in SIZES.items()
    }
    return {**pixels, "background": random.integers(0, 256, (CANVAS[1], CANVAS[0], 3), dtype=np.uint8)}


def random_objects(scenes: int, steps: int, seed: int = 0, canvas=CANVAS) -> Objects:
    """Every class, attribute and fraction of a pixel, some of it beyond the edges; a few empty steps."""
    random = torch.Generator().manual_seed(seed)

    def draw(high: int, low: int = 0) -> Tensor:
        return torch.randint(low, high, (scenes, steps), generator=random)

    classes = draw(FIRST_CLASS + len(NAMES), FIRST_CLASS - 1)  # EOS too: a step without an object
    places = torch.rand(scenes, steps, 2, generator=random) * 1.4 - 0.2
    attributes = {"size": draw(3), "flip": draw(2), "pose": draw(POSES), "expression": draw(EXPRESSIONS)}
    present = classes >= FIRST_CLASS
    return Objects(
        classes,
        places * torch.tensor(canvas) * present.unsqueeze(2),
        {name: values * present for name, values in attributes.items()},
    )
