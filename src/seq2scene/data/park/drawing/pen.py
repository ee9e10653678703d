"""Pen, shapes and colours of the park's clip art.

A shape is a list of points in pixels of the finished picture. The pen draws at ``FINE`` times that size and
downsamples the result, so that edges are antialiased. Every shape is filled with a colour, shaded at its
lower right, and outlined in the same dark colour.
"""

import math
from collections.abc import Sequence

from PIL import Image, ImageChops, ImageDraw

FINE = 4  # supersampling factor
OUTLINE = 1.8  # pixels
SHADE = 0.16  # how much darker the shaded part is

Colour = tuple[int, int, int]
Point = tuple[float, float]
Shape = Sequence[Point]

INK: Colour = (58, 44, 52)
RED: Colour = (226, 64, 56)
DARK_RED: Colour = (170, 40, 44)
ORANGE: Colour = (244, 146, 54)
YELLOW: Colour = (253, 210, 66)
GREEN: Colour = (86, 176, 76)
DARK_GREEN: Colour = (46, 128, 74)
BLUE: Colour = (64, 124, 220)
LIGHT_BLUE: Colour = (176, 222, 248)
PURPLE: Colour = (128, 84, 184)
PINK: Colour = (244, 120, 168)
WHITE: Colour = (253, 252, 248)
GREY: Colour = (164, 170, 182)
DARK_GREY: Colour = (108, 112, 126)
BLACK: Colour = (72, 68, 80)
BROWN: Colour = (158, 104, 62)
DARK_BROWN: Colour = (110, 70, 44)
TAN: Colour = (232, 192, 134)
GOLD: Colour = (248, 190, 48)
SKIN: Colour = (252, 208, 170)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """A colour between two, at ``share`` of the way from the first."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def ellipse(x: float, y: float, across: float, down: float | None = None, turn: float = 0) -> list[Point]:
    """An ellipse around (x, y) with these radii (one: a circle), rotated clockwise by ``turn`` degrees."""
    down = across if down is None else down
    return rotated(
        [
            (x + across * math.cos(math.tau * k / 60), y + down * math.sin(math.tau * k / 60))
            for k in range(60)
        ],
        (x, y),
        turn,
    )


def box(left: float, top: float, right: float, bottom: float, corner: float = 0) -> list[Point]:
    """A rectangle, with round corners of radius ``corner``."""
    if corner == 0:
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    centres = [
        (right - corner, bottom - corner),
        (left + corner, bottom - corner),
        (left + corner, top + corner),
        (right - corner, top + corner),
    ]
    return [
        (x + corner * math.cos(math.radians(90 * k + a)), y + corner * math.sin(math.radians(90 * k + a)))
        for k, (x, y) in enumerate(centres)
        for a in range(0, 91, 10)
    ]


def smooth(*points: Point) -> list[Point]:
    """A closed curve through the points (Catmull-Rom)."""
    return _spline([points[-1], *points, points[0], points[1]])


def curve(*points: Point) -> list[Point]:
    """An open curve through the points (Catmull-Rom)."""
    return [*_spline([points[0], *points, points[-1]]), points[-1]]


def _spline(points: Sequence[Point], steps: int = 10) -> list[Point]:
    found = []
    for a, b, c, d in zip(points, points[1:], points[2:], points[3:], strict=False):
        for t in (k / steps for k in range(steps)):
            x, y = (
                b[i]
                + t * (c[i] - a[i]) / 2
                + t**2 * (a[i] - 2.5 * b[i] + 2 * c[i] - d[i] / 2)
                + t**3 * (1.5 * (b[i] - c[i]) + (d[i] - a[i]) / 2)
                for i in (0, 1)
            )
            found.append((x, y))
    return found


def star(x: float, y: float, outer: float, inner: float, tips: int, turn: float = -90) -> list[Point]:
    """A star with this number of tips, one of them pointing up."""
    corners = [(outer if k % 2 == 0 else inner, math.radians(turn + 180 * k / tips)) for k in range(2 * tips)]
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for radius, angle in corners]


def arc(x: float, y: float, across: float, down: float, start: float, end: float) -> list[Point]:
    """An arc of an ellipse between two angles, in degrees clockwise from the right."""
    angles = [math.radians(start + (end - start) * k / 24) for k in range(25)]
    return [(x + across * math.cos(angle), y + down * math.sin(angle)) for angle in angles]


def rotated(shape: Shape, centre: Point, degrees: float) -> list[Point]:
    """A shape rotated clockwise around a point."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    moved = [(x - centre[0], y - centre[1]) for x, y in shape]
    return [(centre[0] + cos * x - sin * y, centre[1] + sin * x + cos * y) for x, y in moved]


class Pen:
    """Draws on a transparent picture of width x height pixels; ``origin`` is where its point (0, 0) lies."""

    def __init__(self, width: int, height: int, origin: Point = (0, 0)) -> None:
        self.image = Image.new("RGBA", (width * FINE, height * FINE), (*INK, 0))
        self.origin = origin

    def finished(self) -> Image.Image:
        """The picture, downsampled to its final size."""
        return self.image.reduce(FINE)

    def fill(
        self,
        colour: Colour,
        *shapes: Shape,
        shade: float = SHADE,
        outline: float = OUTLINE,
        depth: float = 0.1,
    ) -> None:
        """Fills the union of shapes, outlined, with a share ``depth`` of it shaded at the lower right."""
        fine = [self._fine(shape) for shape in shapes]
        if outline:
            for shape in fine:
                self._line([*shape, shape[0], shape[1]], 2 * outline, INK)
        left, top = (math.floor(min(point[i] for shape in fine for point in shape)) for i in (0, 1))
        right, bottom = (math.ceil(max(point[i] for shape in fine for point in shape)) for i in (0, 1))
        size = (right - left + 1, bottom - top + 1)
        mask = _mask(fine, size, (left, top))
        self.image.paste((*colour, 255), (left, top), mask)
        if shade:
            lower = min(depth * min(size), 7 * FINE)
            lit = _mask(fine, size, (left + lower, top + lower))
            self.image.paste((*mix(colour, INK, shade), 255), (left, top), ImageChops.subtract(mask, lit))

    def paint(self, colour: Colour, *shapes: Shape) -> None:
        """Fills shapes without outline and shade, on top of what is already drawn."""
        self.fill(colour, *shapes, shade=0, outline=0)

    def line(self, points: Shape, width: float = OUTLINE, colour: Colour = INK) -> None:
        """Draws a line with round ends."""
        self._line(self._fine(points), width, colour)

    def limb(self, points: Shape, width: float, colour: Colour) -> None:
        """Draws a thick line with an outline."""
        fine = self._fine(points)
        self._line(fine, width + 2 * OUTLINE, INK)
        self._line(fine, width, colour)

    def dots(self, points: Shape, radius: float, colour: Colour = INK) -> None:
        """Draws a small disc at each point."""
        self.paint(colour, *[ellipse(x, y, radius) for x, y in points])

    def _fine(self, shape: Shape) -> list[Point]:
        return [((x + self.origin[0]) * FINE, (y + self.origin[1]) * FINE) for x, y in shape]

    def _line(self, fine: Shape, width: float, colour: Colour) -> None:
        draw, thick = ImageDraw.Draw(self.image), round(width * FINE)
        draw.line([tuple(point) for point in fine], (*colour, 255), thick)
        for x, y in fine:  # round joints and ends; Pillow's leave gaps between close points
            draw.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), (*colour, 255))


def _mask(fine: Sequence[Shape], size: tuple[int, int], corner: Point) -> Image.Image:
    """The mask of the union of shapes, in a window of this size at this corner of the picture."""
    mask = Image.new("L", size)
    draw = ImageDraw.Draw(mask)
    for shape in fine:
        draw.polygon([(x - corner[0], y - corner[1]) for x, y in shape], 255)
    return mask
