"""The animals of the park, facing right. Points are pixels from the top left of the picture."""

from seq2scene.data.park.drawing.pen import (
    BLACK,
    BROWN,
    DARK_BROWN,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PINK,
    RED,
    TAN,
    WHITE,
    YELLOW,
    Colour,
    Pen,
    Point,
    arc,
    curve,
    ellipse,
    mix,
    smooth,
)


def bear(pen: Pen) -> None:
    """Standing on its hind legs, paws raised, mouth open."""
    pen.fill(BROWN, ellipse(30, 20, 11), ellipse(84, 20, 11))
    pen.paint(TAN, ellipse(30, 20, 5.5), ellipse(84, 20, 5.5))
    pen.limb(curve((34, 80), (18, 72), (12, 54)), 19, BROWN)
    pen.fill(BROWN, ellipse(38, 146, 19, 11), ellipse(84, 146, 20, 11))
    pen.fill(
        BROWN, smooth((58, 56), (84, 66), (96, 104), (88, 140), (60, 148), (30, 140), (22, 104), (34, 66))
    )
    pen.paint(TAN, ellipse(63, 106, 24, 31))
    pen.limb(curve((84, 80), (100, 70), (107, 52)), 19, BROWN)
    for x, y in ((12, 50), (107, 48)):
        pen.line([(x - 5, y - 6), (x - 6, y - 2)], 2, INK)
        pen.line([(x, y - 8), (x, y - 3)], 2, INK)
        pen.line([(x + 5, y - 6), (x + 6, y - 2)], 2, INK)
    pen.fill(BROWN, ellipse(58, 40, 35, 31))
    pen.fill(TAN, ellipse(66, 51, 20, 15))
    pen.paint(INK, ellipse(68, 42, 6.5, 4.6))
    pen.fill((140, 36, 48), [*arc(67, 51, 10, 10, 0, 180)], shade=0, outline=1.4)
    pen.paint(WHITE, [(59, 51.5), (63, 51.5), (61, 56)], [(71, 51.5), (75, 51.5), (73, 56)])
    _eyes(pen, (48, 32), (76, 32), 4)
    pen.line([(42, 24), (52, 27)], 2.6)
    pen.line([(82, 24), (72, 27)], 2.6)


def cat(pen: Pen) -> None:
    """Sitting, tail up."""
    dark = mix(GREY, INK, 0.35)
    pen.limb(curve((22, 64), (8, 60), (7, 42), (14, 30)), 7, GREY)
    pen.fill(GREY, smooth((40, 32), (56, 44), (62, 72), (22, 73), (16, 60), (26, 44)))
    pen.paint(WHITE, ellipse(50, 58, 7, 12))
    for x in (46, 59):
        pen.fill(GREY, ellipse(x, 70, 7, 4), shade=0)
    pen.fill(GREY, [(36, 24), (36, 4), (51, 13)], [(78, 24), (78, 4), (63, 13)], ellipse(57, 27, 23, 19))
    pen.paint(PINK, [(39, 17), (39.5, 9), (46, 13)], [(75, 17), (74.5, 9), (68, 13)])
    for y in (34, 42, 50):
        pen.line(curve((24 + (50 - y) / 4, y + 10), (30, y + 9), (34, y + 11)), 2.4, dark)
    for x in (52, 57, 62):
        pen.line([(x, 10.5), (x, 16)], 2.4, dark)
    for x in (48, 66):
        pen.fill((170, 216, 90), ellipse(x, 25, 5, 5.6), shade=0, outline=1)
        pen.paint(INK, ellipse(x + 0.8, 25, 1.7, 4.4))
    pen.paint(PINK, [(54, 31), (61, 31), (57.5, 35)])
    pen.line(curve((52, 37), (55, 39), (57.5, 35.5), (60, 39), (63, 37)), 1.5)
    for side in (-1, 1):
        for dy in (0, 4):
            pen.line([(57 + side * 14, 34 + dy / 2), (57 + side * 24, 32 + dy)], 1)


def dog(pen: Pen) -> None:
    """Sitting, tongue out."""
    pen.limb(curve((26, 76), (12, 70), (7, 54)), 8, BLACK)
    pen.fill(BLACK, smooth((50, 40), (66, 54), (70, 84), (24, 85), (20, 68), (32, 50)))
    pen.paint(WHITE, ellipse(58, 66, 8.5, 14))
    for x in (34, 58, 70):
        pen.fill(BLACK if x == 34 else WHITE, ellipse(x, 82, 9, 4.4), shade=0)
    pen.fill(BLACK, ellipse(58, 28, 24, 22))
    pen.fill(WHITE, smooth((62, 24), (78, 26), (95, 30), (95, 41), (80, 47), (62, 44), (56, 34)))
    pen.fill(RED, smooth((74, 44), (84, 44), (84, 56), (79, 59), (75, 55)), shade=0)
    pen.line(curve((66, 42), (76, 46), (92, 41)), 1.8)
    pen.paint(INK, ellipse(93, 31, 5, 4.2))
    pen.fill(mix(BLACK, INK, 0.5), smooth((40, 10), (48, 14), (46, 36), (38, 50), (28, 46), (30, 22)))
    pen.fill(WHITE, ellipse(66, 21, 5.4, 6), shade=0, outline=1)
    pen.dots([(67.4, 21.6)], 2.9)
    pen.line([(44, 48), (72, 52)], 5, RED)
    pen.fill(YELLOW, ellipse(66, 57, 4), shade=0, outline=1)


def duck(pen: Pen) -> None:
    for x in (26, 36):
        pen.line([(x, 48), (x, 55), (x + 7, 56)], 3, ORANGE)
    pen.fill(YELLOW, smooth((4, 26), (14, 32), (30, 30), (46, 32), (48, 44), (36, 52), (18, 51), (8, 42)))
    pen.fill(YELLOW, ellipse(42, 18, 14.5))
    pen.paint(YELLOW, ellipse(40, 32, 8))
    pen.fill(mix(YELLOW, ORANGE, 0.35), smooth((14, 36), (30, 34), (34, 42), (24, 47), (15, 43)))
    pen.fill(ORANGE, smooth((53, 17), (61, 19), (62, 22), (58, 25), (53, 24)))
    pen.line([(54, 21), (61, 21.5)], 1)
    pen.dots([(46, 14)], 2.6)


def owl(pen: Pen) -> None:
    pen.fill(BROWN, [(10, 20), (8, 3), (24, 10)], [(46, 20), (48, 3), (32, 10)], ellipse(28, 38, 23, 29))
    pen.paint(mix(BROWN, TAN, 0.45), ellipse(28, 47, 14, 16))
    for row, xs in enumerate(((22, 28, 34), (19, 25, 31, 37), (22, 28, 34))):
        for x in xs:
            pen.line(arc(x, 42 + 6 * row, 2.4, 2.4, 20, 160), 1.3, DARK_BROWN)
    for side in (-1, 1):
        wing = smooth((28 + side * 18, 28), (28 + side * 25, 42), (28 + side * 17, 58), (28 + side * 14, 42))
        pen.fill(DARK_BROWN, wing)
    for x in (18, 38):
        pen.fill(WHITE, ellipse(x, 24, 9.5), shade=0, outline=1.4)
        pen.paint(ORANGE, ellipse(x + 1, 24, 6))
        pen.dots([(x + 1.4, 24)], 3.6)
    pen.fill(ORANGE, [(24.5, 28), (32, 28), (28.2, 36)], shade=0, outline=1.2)
    for x in (20, 36):
        pen.fill(
            ORANGE, ellipse(x - 3, 67, 2.6, 3), ellipse(x, 67.4, 2.6, 3), ellipse(x + 3, 67, 2.6, 3), shade=0
        )


def snake(pen: Pen) -> None:
    whole = curve((7, 36), (18, 30), (30, 37), (42, 38), (54, 32), (66, 36), (76, 34), (78, 22), (84, 14))
    pen.limb(whole, 9, GREEN)
    for k in range(6, len(whole) - 14, 9):
        pen.dots([whole[k]], 2.6, YELLOW)
    pen.fill(GREEN, smooth((76, 6), (88, 4), (95, 12), (90, 19), (78, 19), (73, 13)))
    pen.line(curve((94, 15), (97, 16), (98, 14)), 1.4, RED)
    pen.fill(WHITE, ellipse(84, 9.5, 3.6), shade=0, outline=0.9)
    pen.dots([(85, 9.7)], 1.9)
    pen.line(curve((84, 16), (88, 16.5), (92, 15)), 1.2)


def _eyes(pen: Pen, left: Point, right: Point, radius: float, colour: Colour = INK) -> None:
    """Round eyes with a highlight."""
    pen.dots([left, right], radius, colour)
    pen.dots([(x + radius * 0.35, y - radius * 0.35) for x, y in (left, right)], radius * 0.34, WHITE)


ANIMALS = {"a_0": bear, "a_1": cat, "a_2": dog, "a_3": duck, "a_4": owl, "a_5": snake}
