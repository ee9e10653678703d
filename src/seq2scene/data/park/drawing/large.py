"""The large things on the ground. Points are pixels from the top left of the picture.

Seats, table tops and the like are where ``SURFACES`` and ``INSIDES`` of ``world`` say.
"""

from seq2scene.data.park.drawing.pen import (
    BLACK,
    BLUE,
    BROWN,
    DARK_BROWN,
    DARK_GREEN,
    DARK_GREY,
    GREEN,
    GREY,
    INK,
    ORANGE,
    RED,
    TAN,
    WHITE,
    YELLOW,
    Colour,
    Pen,
    Shape,
    arc,
    box,
    curve,
    ellipse,
    mix,
    smooth,
)


def bench(pen: Pen) -> None:
    for x in (22, 138):
        pen.limb([(x, 8), (x, 90)], 6, DARK_GREY)
    for top in (8, 24):
        pen.fill(GREY, box(6, top, 154, top + 12, 3))
    for x in (34, 126):
        pen.limb([(x, 62), (x, 90)], 7, DARK_GREY)
    pen.fill(mix(GREY, WHITE, 0.25), [(12, 46), (148, 46), (157, 56), (3, 56)], shade=0)
    pen.fill(GREY, box(3, 56, 157, 65, 2))
    for x in (22, 138):
        pen.dots([(x, 14), (x, 30)], 1.8)


def slide(pen: Pen) -> None:
    """Ladder on the left, platform in the middle, chute on the right."""
    for x in (60, 84):
        pen.limb([(x + 12, 22), (x - 20, 175)], 5, BLUE)
    for y in (50, 76, 102, 128, 154):
        left = 60 + 12 - 32 * (y - 22) / 153
        pen.limb([(left, y), (left + 24, y)], 3.4, YELLOW)
    pen.limb([(130, 26), (138, 175)], 5, BLUE)
    chute = curve((126, 28), (148, 66), (166, 116), (184, 148), (205, 156))
    lower = [(x - 4, y + 19) for x, y in chute]
    pen.fill(RED, [*chute, *reversed(lower)], depth=0.06)
    pen.line([(x - 2, y + 9) for x, y in chute][2:-2], 5, mix(RED, WHITE, 0.35))
    pen.limb(curve((178, 162), (180, 175)), 5, BLUE)
    pen.fill(RED, box(66, 21, 136, 32, 4))
    pen.limb(curve((70, 22), (68, 8), (80, 8), (84, 20)), 3.4, YELLOW)
    pen.limb(curve((122, 20), (124, 8), (134, 8), (136, 24)), 3.4, YELLOW)


def sandbox(pen: Pen) -> None:
    pen.fill(BROWN, [(28, 8), (172, 8), (172, 20), (28, 20)])
    pen.fill(BROWN, [(28, 8), (38, 16), (14, 66), (3, 58)], [(172, 8), (162, 16), (186, 66), (197, 58)])
    sand = [(36, 20), (164, 20), (186, 62), (14, 62)]
    pen.fill((246, 218, 150), sand, shade=0)
    pen.paint(
        (228, 194, 122),
        smooth((40, 30), (70, 24), (96, 32), (70, 36)),
        smooth((112, 48), (140, 42), (162, 50), (140, 55)),
    )
    pen.dots([(60, 50), (84, 44), (130, 30), (146, 34), (104, 38), (40, 52)], 1.3, (206, 166, 98))
    pen.fill(mix(BROWN, TAN, 0.25), box(3, 58, 197, 81, 3))
    pen.line([(6, 69), (194, 69)], 1.6, DARK_BROWN)
    for x in (12, 188):
        pen.dots([(x, 64), (x, 75)], 1.8)


def grill(pen: Pen) -> None:
    for top, foot in ((28, 14), (52, 66)):
        pen.limb([(top, 62), (foot, 110)], 4, DARK_GREY)
    pen.line([(22, 92), (58, 92)], 3, DARK_GREY)
    pen.fill(DARK_GREY, ellipse(66, 107, 7))
    pen.fill(BLACK, [*arc(40, 44, 35, 27, 0, 180)], depth=0.16)
    pen.fill(BLACK, [*arc(40, 36, 35, 27, 180, 360)], depth=0.16)
    pen.fill(GREY, box(3, 36, 77, 43, 3), shade=0)
    pen.fill(RED, box(32, 3, 48, 9, 3))
    pen.line(arc(40, 38, 24, 19, 195, 255), 3, GREY)
    pen.paint(ORANGE, box(30, 52, 50, 56, 2))


def swing(pen: Pen) -> None:
    for x, foot in ((30, 6), (30, 50), (150, 130), (150, 174)):
        pen.limb([(x, 10), (foot, 194)], 6, DARK_GREEN if foot in (50, 130) else GREEN)
    pen.limb([(14, 10), (166, 10)], 8, GREEN)
    for x in (62, 118):
        pen.line([(x, 12), (x, 146)], 3.6)
        pen.line([(x, 12), (x, 146)], 1.6, TAN)
    pen.fill(BROWN, box(52, 143, 128, 153, 3))


def tent(pen: Pen) -> None:
    pen.fill(mix(BLUE, WHITE, 0.25), [(74, 6), (142, 26), (187, 146), (116, 146)], shade=0.1)
    pen.fill(BLUE, [(74, 6), (132, 146), (4, 146)], depth=0.06)
    pen.fill(mix(BLUE, INK, 0.75), smooth((73, 44), (86, 90), (102, 142), (46, 142), (60, 90)), shade=0)
    pen.fill(YELLOW, smooth((72, 42), (64, 88), (38, 141), (52, 142), (68, 98)), shade=0)
    pen.fill(YELLOW, smooth((75, 42), (84, 88), (110, 141), (96, 142), (80, 98)), shade=0)
    pen.limb([(74, 6), (74, 3)], 3, BROWN)


def table(pen: Pen) -> None:
    """White, with free space below."""
    for x, foot in ((36, 22), (144, 158)):
        pen.limb([(x, 22), (foot, 99)], 8, mix(WHITE, GREY, 0.35))
    for x, foot in ((58, 54), (122, 126)):
        pen.limb([(x, 22), (foot, 84)], 6, mix(WHITE, GREY, 0.6))
    pen.fill(WHITE, [(16, 6), (164, 6), (177, 18), (3, 18)], shade=0)
    pen.fill(mix(WHITE, GREY, 0.25), box(3, 18, 177, 28, 3))


def fir_tree(pen: Pen) -> None:
    pen.fill(DARK_BROWN, box(64, 240, 86, 287, 3))
    for tip, low, half in ((150, 250, 72), (86, 192, 60), (36, 134, 47), (3, 78, 33)):
        pen.fill(DARK_GREEN, _skirt(75, tip, low, half), depth=0.08)
        pen.line(
            curve((75 - half * 0.35, low - 22), (75 - half * 0.1, low - 16), (75 + half * 0.12, low - 20)),
            3,
            GREEN,
        )


def _skirt(x: float, tip: float, low: float, half: float) -> Shape:
    """A tier of branches with a scalloped edge."""
    edge = curve(
        (x + half, low - 6),
        (x + half * 0.7, low + 4),
        (x + half * 0.4, low - 4),
        (x, low + 6),
        (x - half * 0.4, low - 4),
        (x - half * 0.7, low + 4),
        (x - half, low - 6),
    )
    return [
        *curve((x, tip), (x + half * 0.45, tip + (low - tip) * 0.6), (x + half, low - 6)),
        *edge,
        *curve((x - half, low - 6), (x - half * 0.45, tip + (low - tip) * 0.6), (x, tip)),
    ]


def tree(pen: Pen) -> None:
    _trunk(pen, 95, 160, 296)
    _crown(pen, GREEN, 95, 98, 1.0)
    for x, y in ((58, 66), (112, 46), (90, 108), (140, 112), (46, 126)):
        pen.line(arc(x, y, 12, 10, 195, 300), 3, mix(GREEN, YELLOW, 0.4))


def apple_tree(pen: Pen) -> None:
    leaves = mix(GREEN, DARK_GREEN, 0.55)
    _trunk(pen, 100, 150, 276)
    _crown(pen, leaves, 100, 98, 1.0)
    for x, y in ((60, 62), (118, 40), (96, 112), (150, 116)):
        pen.line(arc(x, y, 12, 10, 195, 300), 3, mix(leaves, YELLOW, 0.35))
    for x, y in ((48, 96), (84, 54), (134, 64), (70, 140), (120, 132), (160, 92), (106, 88)):
        pen.line([(x, y - 6), (x + 2, y - 11)], 2)
        pen.fill(RED, ellipse(x, y, 7.5), outline=1.4)
        pen.paint(WHITE, ellipse(x - 2.5, y - 2.5, 1.7))


def _trunk(pen: Pen, x: float, top: float, bottom: float) -> None:
    pen.fill(
        BROWN,
        smooth(
            (x - 11, top),
            (x + 11, top),
            (x + 12, bottom - 34),
            (x + 26, bottom),
            (x, bottom - 3),
            (x - 26, bottom),
            (x - 12, bottom - 34),
        ),
        depth=0.2,
    )
    pen.line(curve((x - 3, top + 60), (x - 5, bottom - 42), (x - 9, bottom - 22)), 2, DARK_BROWN)
    pen.line(curve((x + 5, bottom - 46), (x + 5, bottom - 30), (x + 9, bottom - 14)), 2, DARK_BROWN)


def _crown(pen: Pen, colour: Colour, x: float, y: float, size: float) -> None:
    heaps = (
        (0, -48, 46),
        (-44, -22, 42),
        (44, -22, 42),
        (-52, 28, 38),
        (52, 28, 38),
        (0, 40, 52),
        (0, 0, 52),
    )
    pen.fill(colour, *[ellipse(x + size * a, y + size * b, size * r) for a, b, r in heaps], depth=0.05)


LARGE = {
    **{"p_0": bench, "p_1": slide, "p_2": sandbox, "p_3": grill, "p_4": swing},
    **{"p_5": tent, "p_6": table, "p_7": fir_tree, "p_8": tree, "p_9": apple_tree},
}
