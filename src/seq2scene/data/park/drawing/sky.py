"""The things in the sky, facing right. Points are pixels from the top left of the picture."""

from seq2scene.data.park.drawing.pen import (
    BLUE,
    BROWN,
    DARK_GREY,
    DARK_RED,
    GREY,
    INK,
    LIGHT_BLUE,
    ORANGE,
    RED,
    TAN,
    WHITE,
    YELLOW,
    Colour,
    Pen,
    arc,
    box,
    curve,
    ellipse,
    mix,
    smooth,
    star,
)


def helicopter(pen: Pen) -> None:
    pen.line([(70, 8), (70, 18)], 4)
    pen.fill(BLUE, [(52, 26), (12, 22), (10, 15), (3, 12), (8, 30), (52, 38)])
    pen.fill(GREY, ellipse(9, 21, 3, 9), shade=0, outline=1.2)
    pen.fill(BLUE, smooth((46, 26), (62, 16), (86, 16), (104, 26), (108, 38), (92, 46), (62, 46), (48, 38)))
    pen.fill(LIGHT_BLUE, smooth((82, 20), (94, 22), (103, 34), (82, 35)), shade=0, outline=1.4)
    pen.paint(WHITE, box(50, 38, 104, 41))
    pen.fill(LIGHT_BLUE, box(62, 22, 76, 33, 3), shade=0, outline=1.4)
    pen.fill(mix(GREY, WHITE, 0.3), ellipse(70, 6, 46, 2.6), shade=0, outline=1.4)
    pen.line([(64, 46), (62, 55)], 2.4)
    pen.line([(92, 46), (94, 55)], 2.4)
    pen.line(curve((52, 56), (90, 56), (104, 56), (108, 52)), 3)


def hot_air_balloon(pen: Pen) -> None:
    for x, end in ((26, 31), (40, 40), (54, 49)):
        pen.line([(x, 76), (end, 94)], 1.4)
    envelope = smooth((40, 3), (64, 12), (76, 38), (66, 62), (50, 80), (30, 80), (14, 62), (4, 38), (16, 12))
    pen.fill(RED, envelope)
    pen.paint(
        YELLOW,
        smooth((40, 3), (52, 18), (55, 40), (50, 62), (44, 80), (36, 80), (30, 62), (25, 40), (28, 18)),
    )
    pen.paint(RED, smooth((40, 3), (45, 20), (46, 42), (43, 66), (40, 80), (37, 66), (34, 42), (35, 20)))
    pen.line([*envelope, envelope[0]])
    pen.fill(TAN, box(30, 92, 50, 107, 3))
    for y in (97, 102):
        pen.line([(31, y), (49, y)], 1.2, BROWN)


def cloud(pen: Pen) -> None:
    _cloud(pen, WHITE, 60, 36)


def sun(pen: Pen) -> None:
    pen.fill(ORANGE, star(42, 42, 39, 27, 12), shade=0)
    pen.fill(YELLOW, ellipse(42, 42, 26), depth=0.08)
    pen.paint(mix(YELLOW, RED, 0.35), ellipse(28, 47, 4.4, 3.4), ellipse(57, 47, 4.4, 3.4))
    pen.paint(INK, ellipse(34, 38, 2.8, 4), ellipse(51, 38, 2.8, 4))
    pen.line(arc(42.5, 46, 10, 8, 15, 165), 2.2)


def storm_cloud(pen: Pen) -> None:
    bolt = [(62, 48), (46, 66), (58, 66), (48, 81), (76, 60), (64, 60), (74, 48)]
    pen.fill(YELLOW, bolt, shade=0)
    _cloud(pen, DARK_GREY, 60, 30)


def rain_cloud(pen: Pen) -> None:
    for x, y in ((24, 60), (44, 64), (66, 60), (88, 64), (34, 75), (56, 76), (78, 75)):
        drop = smooth((x + 3, y - 6), (x + 4, y + 2), (x, y + 5), (x - 4, y + 2), (x, y - 3))
        pen.fill(BLUE, drop, shade=0, outline=0.9)
    _cloud(pen, (168, 184, 208), 60, 30)


def rocket(pen: Pen) -> None:
    pen.fill(ORANGE, smooth((14, 78), (30, 78), (28, 86), (22, 93.5), (16, 86)), shade=0)
    pen.paint(YELLOW, smooth((18, 78), (26, 78), (22, 88)))
    for side in (-1, 1):
        pen.fill(
            DARK_RED,
            smooth((22 + side * 10, 54), (22 + side * 18, 66), (22 + side * 19, 81), (22 + side * 9, 73)),
        )
    pen.fill(
        RED, smooth((22, 3), (32, 18), (36, 42), (32, 70), (29, 78), (15, 78), (12, 70), (8, 42), (12, 18))
    )
    pen.paint(WHITE, smooth((22, 3.6), (28, 11), (31, 19), (22, 21), (13, 19), (16, 11)))
    pen.line(curve((12, 20), (22, 23), (32, 20)), 1.4)
    pen.fill(LIGHT_BLUE, ellipse(22, 38, 7), shade=0)
    pen.paint(WHITE, ellipse(19.6, 35.4, 2))
    pen.line([(22, 60), (22, 80)], 3)


def plane(pen: Pen) -> None:
    pen.fill(RED, [(12, 30), (4, 5), (18, 5), (34, 26)])
    pen.fill(GREY, [(66, 22), (52, 6), (62, 6), (86, 22)])
    body = smooth((8, 28), (30, 20), (80, 17), (110, 20), (126, 30), (112, 41), (80, 44), (36, 41), (14, 34))
    pen.fill(WHITE, body, depth=0.2)
    pen.paint(RED, curve((12, 32), (40, 35), (90, 36), (122, 33), (90, 38.5), (40, 38)))
    pen.fill(LIGHT_BLUE, smooth((104, 23), (112, 23), (119, 28), (104, 29)), shade=0, outline=1.2)
    for x in (42, 54, 66, 78, 90):
        pen.fill(LIGHT_BLUE, ellipse(x, 27, 3.4), shade=0, outline=1.1)
    pen.fill(GREY, [(62, 36), (86, 36), (58, 57), (46, 57)])
    pen.fill(mix(GREY, WHITE, 0.3), box(60, 45, 78, 53, 4))


def _cloud(pen: Pen, colour: Colour, x: float, y: float) -> None:
    """A cloud with a flat base, 112 wide and 54 high."""
    heaps = (
        ellipse(x - 36, y + 8, 19, 16),
        ellipse(x - 14, y - 6, 24, 22),
        ellipse(x + 16, y - 2, 22, 20),
        ellipse(x + 38, y + 9, 17, 15),
        box(x - 40, y, x + 42, y + 24, 11),
    )
    pen.fill(colour, *heaps, shade=0.12, depth=0.12)
    pen.line(
        arc(x - 14, y - 4, 15, 14, 200, 260), 2, mix(colour, WHITE, 0.7) if colour != WHITE else LIGHT_BLUE
    )


SKY = {
    **{"s_0": helicopter, "s_1": hot_air_balloon, "s_2": cloud, "s_3": sun},
    **{"s_4": storm_cloud, "s_5": rain_cloud, "s_6": rocket, "s_7": plane},
}
