"""Mike and Jenny in seven poses with five expressions each.

Points are offsets from the centre of the picture, like the anchors in ``world``, which give the positions of
the hand, the head and the kicking foot.
"""

from typing import NamedTuple

from PIL import Image

from seq2scene.data.park.drawing.pen import (
    BLUE,
    DARK_BROWN,
    GOLD,
    INK,
    ORANGE,
    PINK,
    PURPLE,
    RED,
    SKIN,
    WHITE,
    YELLOW,
    Colour,
    Pen,
    Point,
    arc,
    curve,
    ellipse,
    mix,
    rotated,
    smooth,
)
from seq2scene.data.park.world import EXPRESSIONS, EYES, HANDS, HEADS, POSES, THINGS

MOUTH: Colour = (140, 36, 48)
TEAR: Colour = (110, 190, 250)


class Body(NamedTuple):
    """The body in a pose: shoulders and hips, then each limb from its joint outwards.

    far_arm ends in the empty hand; legs end in the heel, from which the shoe points.
    """

    neck: Point
    hips: Point
    far_arm: tuple[Point, ...]
    near_arm: tuple[Point, ...]  # from the elbow; the hand's position is in ``world``
    far_leg: tuple[Point, ...]
    near_leg: tuple[Point, ...]
    shoes: tuple[float, float]  # clockwise rotation of each shoe; 0 points to the right


BODIES = {
    "arms_out": Body(
        (0, -25),
        (0, 22),
        ((-14, -18), (-32, -17), (-47, -18)),
        ((32, -17),),
        ((-9, 24), (-12, 50), (-14, 74)),
        ((9, 24), (12, 50), (13, 74)),
        (0, 0),
    ),
    "arms_up": Body(
        (0, -25),
        (0, 22),
        ((-13, -18), (-29, -40), (-35, -72)),
        ((29, -42),),
        ((-9, 24), (-12, 50), (-14, 74)),
        ((9, 24), (12, 50), (13, 74)),
        (0, 0),
    ),
    "kick": Body(
        (-5, -25),
        (-6, 20),
        ((-17, -18), (-34, -14), (-42, 4)),
        ((26, -8),),
        ((-12, 24), (-16, 50), (-18, 74)),
        ((0, 22), (20, 42), (36.5, 60)),
        (0, -10),
    ),
    "run": Body(
        (5, -24),
        (-3, 20),
        ((-8, -17), (-26, -4), (-34, 14)),
        ((24, 2),),
        ((-7, 22), (-18, 46), (-44, 50)),
        ((2, 22), (24, 40), (25, 70)),
        (75, -8),
    ),
    "kneel": Body(
        (0, 12),
        (-2, 56),
        ((-13, 20), (-24, 38), (-18, 54)),
        ((24, 34),),
        ((-8, 60), (4, 75), (-28, 76)),
        ((6, 60), (22, 74), (-18, 77)),
        (175, 175),
    ),
    "sit": Body(
        (0, 14),
        (-6, 62),
        ((-13, 22), (-26, 42), (-32, 66)),
        ((24, 32),),
        ((-4, 68), (20, 62), (38, 70)),
        ((0, 72), (24, 72), (42, 75)),
        (-65, -65),
    ),
    "wave": Body(
        (0, -25),
        (0, 22),
        ((-13, -18), (-32, -28), (-40, -56)),
        ((24, 2),),
        ((-9, 24), (-12, 50), (-14, 74)),
        ((9, 24), (12, 50), (13, 74)),
        (0, 0),
    ),
}


class Looks(NamedTuple):
    """The colours of a child."""

    hair: Colour
    top: Colour
    trim: Colour
    bottom: Colour
    shoes: Colour


LOOKS = {
    "hb0": Looks(DARK_BROWN, ORANGE, YELLOW, BLUE, RED),
    "hb1": Looks(GOLD, PINK, WHITE, PINK, PURPLE),
}


def draw_child(name: str, pose: int, expression: int) -> Image.Image:
    """``hb0`` or ``hb1``, facing right."""
    width, height = THINGS[name].width, THINGS[name].height
    pen, body, looks = Pen(width, height, (width / 2, height / 2)), BODIES[POSES[pose]], LOOKS[name]
    head, hand = HEADS[pose], HANDS[pose]
    girl = name == "hb1"
    if girl:
        _ponytail(pen, head, looks)
    _arm(pen, body.far_arm, looks, waving=POSES[pose] == "wave")
    _leg(pen, body.far_leg, body.shoes[0], looks, girl)
    _leg(pen, body.near_leg, body.shoes[1], looks, girl)
    _torso(pen, body, looks, girl)
    pen.limb([body.neck, ((body.neck[0] + head[0]) / 2, head[1] + 20)], 9, mix(SKIN, INK, 0.12))
    _head(pen, head, looks, girl)
    _face(pen, head, EXPRESSIONS[expression])
    shoulder = (body.neck[0] + 13, body.neck[1] + 7)
    _arm(pen, (shoulder, *body.near_arm, (hand[0], max(hand[1], -height / 2 + 6))), looks)
    return pen.finished()


def _arm(pen: Pen, points: tuple[Point, ...], looks: Looks, waving: bool = False) -> None:
    whole = curve(*points)
    pen.limb(whole, 8, SKIN)
    pen.limb(whole[: len(whole) * 2 // 5], 11, looks.top)
    x, y = points[-1]
    if waving:
        for dx, dy in ((-6, -7), (-1, -10), (4, -9)):
            pen.limb([(x, y), (x + dx, y + dy)], 2.6, SKIN)
    pen.fill(SKIN, ellipse(x, y, 5), shade=0)
    if waving:
        pen.line(arc(x, y, 15, 18, 140, 200), 1.5)
        pen.line(arc(x, y, 15, 18, -50, 5), 1.5)


def _leg(pen: Pen, points: tuple[Point, ...], turn: float, looks: Looks, girl: bool) -> None:
    whole = curve(*points)
    x, y = points[-1]
    pen.limb(whole, 9, SKIN)
    if girl:
        pen.limb(whole[-5:], 9, WHITE)
    else:
        pen.limb(whole[: len(whole) * 3 // 5], 13, looks.bottom)
    _shoe(pen, (x, y), turn, looks)


def _shoe(pen: Pen, heel: Point, turn: float, looks: Looks) -> None:
    x, y = heel
    shape = smooth((x - 6, y - 3), (x + 4, y - 4), (x + 14, y + 2), (x + 15, y + 7), (x - 6, y + 7))
    pen.fill(looks.shoes, rotated(shape, heel, turn))


def _torso(pen: Pen, body: Body, looks: Looks, girl: bool) -> None:
    (x, y), (hip_x, hip_y) = body.neck, body.hips
    if girl:
        flare = smooth(
            (x - 9, y),
            (x + 9, y),
            (x + 15, y + 8),
            (hip_x + 14, hip_y - 16),
            (hip_x + 24, hip_y + 10),
            (hip_x, hip_y + 13),
            (hip_x - 24, hip_y + 10),
            (hip_x - 14, hip_y - 16),
            (x - 15, y + 8),
        )
        pen.fill(looks.top, flare)
        pen.line(
            curve((hip_x - 13, hip_y - 15), (hip_x, hip_y - 13), (hip_x + 13, hip_y - 15)), 4, looks.trim
        )
        pen.dots([(hip_x - 13, hip_y + 4), (hip_x, hip_y + 7), (hip_x + 13, hip_y + 4)], 2.2, looks.trim)
        return
    pen.fill(
        looks.bottom,
        smooth(
            (hip_x - 15, hip_y - 6),
            (hip_x + 15, hip_y - 6),
            (hip_x + 15, hip_y + 8),
            (hip_x, hip_y + 10),
            (hip_x - 15, hip_y + 8),
        ),
    )
    shirt = smooth(
        (x - 9, y),
        (x + 9, y),
        (x + 16, y + 7),
        (hip_x + 15, hip_y - 12),
        (hip_x + 15, hip_y),
        (hip_x, hip_y + 2),
        (hip_x - 15, hip_y),
        (hip_x - 15, hip_y - 12),
        (x - 16, y + 7),
    )
    pen.fill(looks.top, shirt)
    middle = (x + (hip_x - x) * 0.55, y + (hip_y - y) * 0.55)
    pen.line([(middle[0] - 12, middle[1]), (middle[0] + 12, middle[1])], 5, looks.trim)


def _ponytail(pen: Pen, head: Point, looks: Looks) -> None:
    x, y = head
    tail = smooth(
        (x - 20, y - 12),
        (x - 34, y - 14),
        (x - 42, y + 2),
        (x - 40, y + 22),
        (x - 48, y + 32),
        (x - 34, y + 31),
        (x - 28, y + 16),
        (x - 20, y + 2),
    )
    pen.fill(looks.hair, tail)


def _head(pen: Pen, head: Point, looks: Looks, girl: bool) -> None:
    x, y = head
    pen.fill(looks.hair, ellipse(x - 3, y - 4, 26, 25))
    pen.fill(SKIN, ellipse(x - 21, y + 3, 5, 6), shade=0)
    pen.fill(SKIN, ellipse(x + 1, y + 2, 23, 22), depth=0.08)
    if girl:
        fringe = smooth(
            (x - 28, y + 4),
            (x - 27, y - 15),
            (x - 4, y - 29),
            (x + 18, y - 22),
            (x + 25, y - 6),
            (x + 10, y - 13),
            (x - 10, y - 12),
            (x - 18, y - 4),
        )
        pen.fill(looks.hair, fringe)
        pen.fill(RED, ellipse(x - 24, y - 13, 4.5), shade=0)
    else:
        fringe = smooth(
            (x - 28, y + 2),
            (x - 27, y - 15),
            (x - 8, y - 29),
            (x + 8, y - 30),
            (x + 22, y - 18),
            (x + 24, y - 8),
            (x + 16, y - 13),
            (x + 8, y - 9),
            (x, y - 14),
            (x - 10, y - 9),
            (x - 18, y - 6),
        )
        pen.fill(looks.hair, fringe)


def _face(pen: Pen, head: Point, expression: str) -> None:
    """Eyes at the position of glasses, brows and mouth; the face is turned slightly to the right."""
    x, y = head[0] + 2, head[1] + EYES
    eyes = [(x - 9, y), (x + 11, y)]
    pen.line(curve((x + 3, y + 4), (x + 6, y + 7), (x + 2, y + 8)), 1.4)
    if expression == "laugh":
        for eye in eyes:
            pen.line(arc(*eye, 5, 5, 190, 350), 2.2)
        pen.fill(MOUTH, [*arc(x + 1, y + 10, 11, 10, 0, 180)], shade=0, outline=1.4)
        pen.paint(WHITE, [(x - 8, y + 10.4), (x + 10, y + 10.4), (x + 8, y + 13), (x - 6, y + 13)])
        pen.paint(PINK, ellipse(x + 1, y + 17.5, 4.5, 2.2))
    elif expression == "smile":
        _open_eyes(pen, eyes, 4.6)
        pen.line(arc(x + 1, y + 8, 10, 8, 20, 160), 2.2)
    elif expression == "angry":
        _open_eyes(pen, eyes, 4.4)
        pen.line([(x - 15, y - 9), (x - 4, y - 4)], 3)
        pen.line([(x + 17, y - 9), (x + 6, y - 4)], 3)
        pen.line(arc(x + 1, y + 20, 9, 7, 205, 335), 2.4)
    elif expression == "sad":
        _open_eyes(pen, eyes, 4.4)
        pen.line([(x - 15, y - 5), (x - 5, y - 10)], 2)
        pen.line([(x + 17, y - 5), (x + 7, y - 10)], 2)
        pen.line(arc(x + 1, y + 20, 8, 6, 200, 340), 2.2)
        drop = smooth((x + 15, y + 5), (x + 18, y + 11), (x + 15, y + 14), (x + 12, y + 11))
        pen.fill(TEAR, drop, shade=0, outline=0.8)
    else:
        _open_eyes(pen, eyes, 6)
        pen.line(arc(x - 9, y - 6, 6, 5, 210, 330), 2)
        pen.line(arc(x + 11, y - 6, 6, 5, 210, 330), 2)
        pen.fill(MOUTH, ellipse(x + 1, y + 15, 4.6, 6), shade=0, outline=1.4)
    if expression in ("smile", "laugh"):
        pen.paint(mix(SKIN, RED, 0.3), ellipse(x - 14, y + 9, 4, 3), ellipse(x + 16, y + 9, 3.4, 3))
    if expression == "angry":
        pen.paint(mix(SKIN, RED, 0.45), ellipse(x - 14, y + 10, 4.4, 3.4), ellipse(x + 16, y + 10, 3.6, 3.4))


def _open_eyes(pen: Pen, eyes: list[Point], radius: float) -> None:
    pen.fill(WHITE, *[ellipse(x, y, radius * 0.9, radius) for x, y in eyes], shade=0, outline=1)
    pen.dots([(x + 1.2, y + 0.4) for x, y in eyes], radius * 0.52)
