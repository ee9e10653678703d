"""Drawings of layouts: outlined and labelled boxes on a white canvas (Tan et al. 2019)."""

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
    (side, side, 3) uint8. Later boxes cover earlier ones.
    """
    canvas = Image.new("RGB", (side, side), "white")
    steps = [np.array(canvas)]
    extent = np.array([*schema.canvas, *schema.canvas])
    boxes = schema.boxes(objects)[0].cpu().numpy() / extent * side
    for step in objects.present[0].nonzero().flatten().tolist():
        number = int(objects.classes[0, step])
        _draw_box(canvas, boxes[step], schema.title(number), class_colour(number))
        steps.append(np.array(canvas))
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


def _draw_box(canvas: Image.Image, box: np.ndarray, title: str, colour: Colour) -> None:
    """Outlines a box (centre x, y, width and height in pixels) with its name in the upper left corner."""
    side, draw = canvas.width, ImageDraw.Draw(canvas)
    line = max(1, round(side / 100))
    low, high = (np.clip(edge, 0, side - 1).round() for edge in edges(box))
    high = np.maximum(high, low)
    draw.rectangle([*low, *high], outline=colour, width=line)

    font = ImageFont.load_default(max(10, round(side / 40)))
    left, top, right, bottom = draw.textbbox((0, 0), title, font)
    tag = np.array([right - left, bottom - top]) + 2 * line
    corner = np.clip(low, 0, np.maximum(side - tag, 0))  # keep names near the edge whole
    draw.rectangle([*corner, *(corner + tag - 1)], fill=colour)
    draw.text(corner + line - (left, top), title, _ink_on(colour), font)


def _ink_on(ground: Colour) -> str:
    """Black or white, whichever is more legible."""
    return "black" if np.dot(ground, (0.299, 0.587, 0.114)) > 150 else "white"
