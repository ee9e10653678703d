"""Drawings of layouts: outlined and labelled boxes on a white canvas (Tan et al. 2019)."""

from collections.abc import Sequence
from colorsys import hsv_to_rgb

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from seq2scene.scenes.boxes import edges
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Schema

Colour = tuple[int, int, int]
GOLDEN = 0.618034  # of a turn from one hue to the next, so that consecutive classes differ most


def draw_layout_steps(objects: Objects, schema: Schema, side: int = 1000) -> list[np.ndarray]:
    """One layout (the first of ``objects``) step by step: the empty canvas, then a picture after each box,
    (side, side, 3) uint8. Later boxes cover earlier ones, and names lie above all boxes.
    """
    extent = np.array([*schema.canvas, *schema.canvas])
    drawn = objects.present[0].nonzero().flatten()
    boxes = schema.boxes(objects)[0, drawn].cpu().numpy() / extent * side
    numbers = objects.classes[0, drawn].tolist()
    names = [_Name(schema.title(number), class_colour(number), side) for number in numbers]
    rectangles = [_rectangle(box, side) for box in boxes]
    corners = _corners(rectangles, [name.size for name in names], side)

    canvas = Image.new("RGB", (side, side), "white")
    steps = [np.array(canvas)]
    for count, (rectangle, name) in enumerate(zip(rectangles, names, strict=True), start=1):
        ImageDraw.Draw(canvas).rectangle([*rectangle], outline=name.colour, width=_line(side))
        named = canvas.copy()
        for other, corner in zip(names[:count], corners, strict=False):
            other.draw(named, corner)
        steps.append(np.array(named))
    return steps


def draw_layout(objects: Objects, schema: Schema, side: int = 1000) -> np.ndarray:
    """One complete layout, (side, side, 3) uint8."""
    return draw_layout_steps(objects, schema, side)[-1]


def class_colour(number: int) -> Colour:
    """The fixed colour of an object class, dark enough to be seen on white."""
    red, green, blue = hsv_to_rgb(
        number * GOLDEN % 1, 0.9 - 0.25 * (number % 3 == 1), 0.85 - 0.2 * (number % 2)
    )
    return round(255 * red), round(255 * green), round(255 * blue)


def _line(side: int) -> int:
    """The width of outlines."""
    return max(1, round(side / 100))


def _rectangle(box: np.ndarray, side: int) -> np.ndarray:
    """Left, top, right and bottom pixel of a box (centre x, y, width and height in pixels) on the canvas."""
    low, high = (np.clip(edge, 0, side - 1).round() for edge in edges(box))
    return np.concatenate([low, np.maximum(high, low)])


class _Name:
    """The name of a box, on a ground of its colour. size: width and height in pixels."""

    def __init__(self, title: str, colour: Colour, side: int) -> None:
        self.title, self.colour, self._line = title, colour, _line(side)
        self._font = ImageFont.load_default(max(10, round(side / 40)))
        left, top, right, bottom = ImageDraw.Draw(Image.new("RGB", (1, 1))).textbbox(
            (0, 0), title, self._font
        )
        self._origin = np.array([left, top])
        self.size = np.array([right - left, bottom - top]) + 2 * self._line

    def draw(self, canvas: Image.Image, corner: np.ndarray) -> None:
        draw = ImageDraw.Draw(canvas)
        draw.rectangle([*corner, *(corner + self.size - 1)], fill=self.colour)
        draw.text(corner + self._line - self._origin, self.title, _ink_on(self.colour), self._font)


def _corners(rectangles: list[np.ndarray], sizes: list[np.ndarray], side: int) -> list[np.ndarray]:
    """The upper left corner of each name: where it covers no name before it, at a corner of its box, inside
    of a box with room for it and outside of others, or else in the nearest free row; always on the canvas.
    """
    placed: list[np.ndarray] = []
    for (left, top, right, bottom), (width, height) in zip(rectangles, sizes, strict=True):
        far, below = right + 1 - width, bottom + 1
        inside = [(left, top), (far, top), (left, below - height), (far, below - height)]
        outside = [(left, top - height), (left, below), (far, top - height), (far, below)]
        has_room = right - left > width and bottom - top > 2 * height
        rows = [row for _, row in sorted((abs(row - top), row) for row in range(0, side, int(height)))]
        wanted = [*inside, *outside] if has_room else [*outside, *inside]
        wanted += [(left, row) for row in rows]
        limit = np.maximum((side - width, side - height), 0)
        choices = [np.clip(corner, 0, limit) for corner in wanted]
        others = list(zip(placed, sizes, strict=False))
        free = (one for one in choices if not any(_overlap(one, (width, height), *other) for other in others))
        placed.append(next(free, choices[0]))
    return placed


def _overlap(one: np.ndarray, size: Sequence[float], other: np.ndarray, other_size: np.ndarray) -> bool:
    return bool((one < other + other_size).all() and (other < one + size).all())


def _ink_on(ground: Colour) -> str:
    """Black or white, whichever is more legible."""
    return "black" if np.dot(ground, (0.299, 0.587, 0.114)) > 150 else "white"
