"""Drawings of clip-art scenes from the original pictures, in high resolution."""

from bisect import bisect_right
from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor

from seq2scene.scenes.canonical_order import painting_ranks
from seq2scene.scenes.objects import FIRST_CLASS, Objects
from seq2scene.scenes.schema import Schema
from seq2scene.scenes.sprites import BACKGROUND, open_picture, picture_name


def draw_steps(
    objects: Objects, schema: Schema, pictures: Mapping[str, Tensor], scale: float = 1.0
) -> list[np.ndarray]:
    """One scene (the first of ``objects``) step by step: the background, then a picture after each object,
    (height, width, 3) uint8 at ``scale`` pixels per unit of the canvas. What is far is painted behind what is
    near (``painting_ranks``), even if it is placed later.
    """
    width, height = schema.canvas
    size = (round(width * scale), round(height * scale))
    background = open_picture(pictures, BACKGROUND).resize(size, Image.Resampling.LANCZOS)
    canvas, steps = background.copy(), [np.asarray(background.convert("RGB"))]
    ranks = painting_ranks(objects, schema)[0].tolist()
    placed: list[
        tuple[int, tuple[Image.Image, tuple[int, int]]]
    ] = []  # from back to front, each with its rank
    for step in objects.present[0].nonzero().flatten().tolist():
        sprite = _inside(*_sprite(objects, step, schema, pictures, scale), size)
        at = bisect_right(placed, ranks[step], key=lambda one: one[0])
        placed.insert(at, (ranks[step], sprite))
        if at < len(placed) - 1:
            canvas, at = background.copy(), 0
        for _, (picture, corner) in placed[at:]:
            canvas.alpha_composite(picture, corner)
        steps.append(np.asarray(canvas.convert("RGB")))
    return steps


def draw_scene(
    objects: Objects, schema: Schema, pictures: Mapping[str, Tensor], scale: float = 1.0
) -> np.ndarray:
    """One complete scene, (height, width, 3) uint8."""
    return draw_steps(objects, schema, pictures, scale)[-1]


def _sprite(
    objects: Objects, step: int, schema: Schema, pictures: Mapping[str, Tensor], scale: float
) -> tuple[Image.Image, tuple[int, int]]:
    """An object's picture at its size, and its upper left corner in pixels."""
    assert schema.sizes is not None, "only clip art has pictures of its own"
    value = {name: int(values[0, step]) for name, values in objects.attributes.items()}
    name = schema.names[int(objects.classes[0, step]) - FIRST_CLASS]
    sprite = open_picture(pictures, picture_name(pictures, name, schema.variant(value, 0)))
    size = schema.scales[value.get("size", 0)] * scale
    sprite = sprite.resize(
        (max(1, round(sprite.width * size)), max(1, round(sprite.height * size))), Image.Resampling.LANCZOS
    )
    if value.get("flip", 0):
        sprite = ImageOps.mirror(sprite)
    x, y = (objects.places[0, step] * scale).tolist()
    return sprite, (round(x - sprite.width / 2), round(y - sprite.height / 2))


def _inside(
    sprite: Image.Image, corner: tuple[int, int], size: tuple[int, int]
) -> tuple[Image.Image, tuple[int, int]]:
    """The part of a sprite that lies on the canvas, and its corner there."""
    left, top = max(0, -corner[0]), max(0, -corner[1])
    right = max(left, min(sprite.width, size[0] - corner[0]))
    bottom = max(top, min(sprite.height, size[1] - corner[1]))
    if right == left or bottom == top:
        return Image.new("RGBA", (1, 1)), (0, 0)
    return sprite.crop((left, top, right, bottom)), (corner[0] + left, corner[1] + top)
