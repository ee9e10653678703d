"""Toys and food. Points are pixels from the top left of the picture."""

from seq2scene.data.park.drawing.pen import (
    BLUE,
    BROWN,
    DARK_BROWN,
    GREEN,
    GREY,
    INK,
    LIGHT_BLUE,
    ORANGE,
    PURPLE,
    RED,
    SKIN,
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
    rotated,
    smooth,
    star,
)


def pie(pen: Pen) -> None:
    pen.fill(GREY, [(8, 24), (48, 24), (42, 33), (14, 33)])
    pen.fill(TAN, smooth((4, 24), (10, 15), (28, 9), (46, 15), (52, 24), (28, 27)))
    for x in (18, 28, 38):
        pen.line([(x - 2, 19), (x + 2, 15)], 2.2, BROWN)
    for x in range(8, 50, 8):
        pen.fill(TAN, ellipse(x, 25, 4, 3), shade=0, outline=1)
    for x in (22, 32):
        pen.line(curve((x, 7), (x + 2, 5), (x - 1, 3)), 1.4, GREY)


def pizza(pen: Pen) -> None:
    pen.fill((250, 206, 92), [(6, 10), (54, 10), (34, 33), (28, 33)], shade=0)
    pen.fill(BROWN, smooth((3, 9), (14, 4), (30, 3), (46, 4), (57, 9), (52, 13), (30, 9), (8, 13)))
    for x, y in ((18, 16), (40, 16), (29, 25)):
        pen.fill(RED, ellipse(x, y, 4, 3.2), shade=0, outline=1)
    pen.paint(GREEN, ellipse(30, 15, 2.4, 1.4), ellipse(37, 23, 2, 1.2), ellipse(24, 21, 1.6, 1))


def hotdog(pen: Pen) -> None:
    pen.fill(TAN, smooth((4, 14), (14, 7), (38, 7), (48, 14), (44, 24), (26, 27), (8, 24)))
    pen.fill((196, 78, 52), box(2.4, 9, 49.6, 19, 5), depth=0.2)
    pen.line(curve((8, 13), (14, 16), (20, 12), (26, 16), (32, 12), (38, 16), (44, 13)), 2.6, YELLOW)
    pen.fill(TAN, smooth((4, 20), (14, 17), (38, 17), (48, 20), (40, 27.5), (12, 27.5)))


def ketchup(pen: Pen) -> None:
    _bottle(pen, RED, GREEN)


def mustard(pen: Pen) -> None:
    _bottle(pen, YELLOW, BROWN)


def _bottle(pen: Pen, colour: Colour, label: Colour) -> None:
    pen.fill(WHITE, [(8, 12), (9.6, 3), (12.4, 3), (14, 12)], shade=0)
    pen.fill(
        colour, smooth((5, 14), (17, 14), (19.6, 22), (19.6, 44), (11, 45.6), (2.4, 44), (2.4, 22)), depth=0.2
    )
    pen.paint(WHITE, box(3, 24, 19, 38))
    pen.paint(label, ellipse(11, 31, 4.4))


def hamburger(pen: Pen) -> None:
    pen.fill(TAN, box(4, 25, 42, 33.6, 4))
    pen.fill(DARK_BROWN, box(3, 20, 43, 27, 3), shade=0)
    pen.fill(YELLOW, [(5, 19), (41, 19), (34, 24), (26, 20), (18, 25)], shade=0, outline=1)
    pen.fill(
        GREEN,
        smooth((3, 18), (10, 17), (36, 17), (43, 18), (38, 22), (30, 19), (22, 22), (14, 19), (8, 22)),
        shade=0,
        outline=1.2,
    )
    pen.fill(TAN, [*arc(23, 17, 19.6, 14, 180, 360)], depth=0.14)
    pen.dots([(16, 9), (23, 6.6), (30, 9), (20, 13), (28, 13)], 1.2, WHITE)


def drink(pen: Pen) -> None:
    pen.line([(15, 12), (18, 3), (23, 2.6)], 3.4)
    pen.line([(15, 12), (18, 3), (23, 2.6)], 1.6, WHITE)
    pen.fill(ORANGE, [(3, 12), (23, 12), (20, 43), (6, 43)], depth=0.14)
    pen.paint(WHITE, [(4, 21), (22, 21), (21, 32), (5, 32)])
    pen.paint(ORANGE, ellipse(13, 26.5, 4))
    pen.fill(WHITE, box(2.4, 9, 23.6, 14, 2), shade=0)


def red_ball(pen: Pen) -> None:
    _ball(pen, RED)


def blue_ball(pen: Pen) -> None:
    _ball(pen, BLUE)


def green_ball(pen: Pen) -> None:
    _ball(pen, GREEN)


def _ball(pen: Pen, colour: Colour) -> None:
    pen.fill(colour, ellipse(20, 20, 17.6), depth=0.14)
    pen.paint(WHITE, rotated([*arc(20, 20, 17.4, 7, 0, 180), *arc(20, 20, 17.4, 2.5, 180, 0)], (20, 20), -28))
    pen.paint(mix(colour, WHITE, 0.7), ellipse(13.5, 11, 4, 2.6, -35))
    pen.line(ellipse(20, 20, 18.2), 1.2)


def football(pen: Pen) -> None:
    pen.fill(WHITE, ellipse(20, 20, 17.6), depth=0.12)
    pen.paint(INK, star(20, 20, 6.4, 5.4, 5))
    for k in range(5):
        tip = rotated([(20, 13.8), (20, 8.4)], (20, 20), 72 * k)
        pen.line(tip, 1.4)
        pen.paint(INK, rotated([(15.8, 6.4), (20, 8.6), (24.2, 6.4), (22.6, 3), (17.4, 3)], (20, 20), 72 * k))


def bucket(pen: Pen) -> None:
    pen.line(arc(22, 17, 17, 14, 180, 360), 2.6)
    pen.fill(YELLOW, [(4, 17), (40, 17), (34, 45), (10, 45)], depth=0.14)
    pen.paint(RED, [(6, 26), (38, 26), (36.6, 32), (7.4, 32)])
    pen.fill(mix(YELLOW, INK, 0.3), ellipse(22, 17, 18, 4.4), shade=0)


def boat(pen: Pen) -> None:
    pen.line([(32, 4), (32, 36)], 3)
    pen.fill(WHITE, [(35, 5), (35, 31), (57, 31)])
    pen.fill(mix(WHITE, BLUE, 0.18), [(29, 9), (29, 31), (10, 31)], shade=0)
    pen.fill(RED, [(32, 3), (43, 5.6), (32, 9)], shade=0, outline=1)
    pen.fill(WHITE, [(3, 34), (61, 34), (52, 45.6), (13, 45.6)], depth=0.16)
    pen.paint(BLUE, [(6, 38), (58, 38), (56, 41), (8, 41)])


def doll(pen: Pen) -> None:
    for x in (14, 22):
        pen.limb([(x, 50), (x, 60)], 4, SKIN)
    for side in (-1, 1):
        pen.limb([(18 + side * 7, 33), (18 + side * 13, 42)], 3.6, SKIN)
    pen.fill(PURPLE, smooth((14, 28), (22, 28), (26, 42), (30, 52), (18, 54), (6, 52), (10, 42)))
    pen.paint(YELLOW, star(18, 43, 5, 2.2, 5))
    pen.fill(RED, ellipse(6, 18, 4.6, 6), ellipse(30, 18, 4.6, 6), ellipse(18, 14, 13, 11.6), shade=0)
    pen.fill(SKIN, ellipse(18, 18, 11, 10.4))
    pen.fill(RED, smooth((7, 15), (12, 7), (18, 6), (24, 7), (29, 15), (18, 11)), shade=0, outline=1)
    pen.dots([(14, 18), (22, 18)], 1.9)
    pen.line(arc(18, 21, 4, 3, 20, 160), 1.4)


def frisbee(pen: Pen) -> None:
    pen.fill(YELLOW, ellipse(24, 10, 21.6, 7.6), depth=0.18)
    pen.paint(mix(YELLOW, ORANGE, 0.6), ellipse(24, 8.6, 13, 4))
    pen.paint(YELLOW, ellipse(24, 8.8, 9.6, 2.6))


def toy_car(pen: Pen) -> None:
    pen.fill(RED, smooth((14, 17), (20, 5), (36, 4), (45, 16)), box(3, 15, 57, 31, 6), depth=0.14)
    pen.fill(
        LIGHT_BLUE,
        smooth((19, 15), (22, 8), (28, 7), (28, 15)),
        smooth((32, 15), (32, 7), (37, 8), (41, 15)),
        shade=0,
        outline=1.2,
    )
    pen.fill(YELLOW, ellipse(55, 21, 2.6, 3), shade=0, outline=1)
    for x in (16, 44):
        pen.fill(INK, ellipse(x, 31, 6.6), shade=0, outline=0.6)
        pen.paint(GREY, ellipse(x, 31, 3))


def balloons(pen: Pen) -> None:
    knot = (36, 94)
    for x, y in ((18, 44), (54, 44), (36, 54)):
        pen.line(curve((x, y), ((x + knot[0]) / 2 + 2, 70), knot), 1.4)
    for x, y, colour in ((18, 26, mix(RED, INK, 0.12)), (54, 26, mix(RED, WHITE, 0.12)), (36, 34, RED)):
        pen.fill(colour, [(x - 4, y + 23), (x, y + 16), (x + 4, y + 23)], shade=0)
        pen.fill(
            colour,
            smooth(
                (x, y - 22), (x + 15, y - 8), (x + 11, y + 10), (x, y + 19), (x - 11, y + 10), (x - 15, y - 8)
            ),
        )
        pen.paint(mix(colour, WHITE, 0.7), ellipse(x - 6, y - 10, 2.6, 5, 25))


def flower(pen: Pen) -> None:
    pen.limb(curve((16, 20), (17, 38), (15, 52)), 2.6, GREEN)
    pen.fill(
        GREEN,
        smooth((16, 42), (22, 32), (29, 32), (25, 41)),
        smooth((16, 47), (10, 38), (4, 38), (7, 46)),
        shade=0,
    )
    pen.fill(YELLOW, *[ellipse(*rotated([(16, 7.6)], (16, 16), 60 * k)[0], 5.4) for k in range(6)], shade=0)
    pen.fill(ORANGE, ellipse(16, 16, 5), shade=0, outline=1.2)


def shovel(pen: Pen) -> None:
    pen.limb([(12, 14), (12, 42)], 4, BROWN)
    pen.limb(arc(12, 11, 5.6, 5.6, 0, 360), 3, GREEN)
    pen.fill(GREEN, smooth((4, 38), (12, 37), (20, 38), (20.6, 50), (12, 61), (3.4, 50)), depth=0.2)
    pen.line([(12, 42), (12, 52)], 1.6, mix(GREEN, INK, 0.4))


def book(pen: Pen) -> None:
    """Closed and slightly rotated, so that its pages can be seen."""
    pen.fill(mix(BLUE, INK, 0.3), [(4, 24), (34, 30), (45, 14), (45, 20), (34, 33.6), (4, 29)], shade=0)
    pen.paint(WHITE, [(6, 24.4), (34, 29.6), (44.4, 15), (44.4, 18.6), (34, 32.2), (6, 27.4)])
    pen.fill(BLUE, [(15, 3.4), (45, 9), (34, 29), (3.4, 23)], shade=0)
    pen.line([(7, 22), (18, 5)], 1.6, mix(BLUE, INK, 0.35))
    pen.paint(YELLOW, star(27.5, 16, 6.4, 2.8, 5, -70))


def kite(pen: Pen) -> None:
    """Green, with a string to the lower left, where it is held."""
    tail = curve((28, 54), (24, 62), (32, 68), (26, 77))
    pen.line(tail, 1.8)
    for x, y, colour in ((25.5, 61, RED), (31, 68, YELLOW), (27, 75, RED)):
        pen.fill(
            colour,
            [(x - 6, y - 3), (x, y), (x - 6, y + 3)],
            [(x + 6, y - 3), (x, y), (x + 6, y + 3)],
            shade=0,
            outline=1,
        )
    pen.fill(GREEN, [(32, 3), (57, 26), (28, 56), (4, 22)], shade=0)
    pen.paint(mix(GREEN, YELLOW, 0.5), [(32, 3), (57, 26), (30.4, 24)], [(30.4, 24), (28, 56), (4, 22)])
    pen.line([(32, 3), (28, 56)], 1.6)
    pen.line([(4, 22), (57, 26)], 1.6)


def campfire(pen: Pen) -> None:
    flame = smooth(
        (36, 4), (44, 20), (52, 18), (58, 38), (50, 56), (36, 60), (22, 56), (14, 38), (20, 24), (28, 26)
    )
    pen.fill(RED, flame, shade=0)
    pen.paint(
        ORANGE,
        smooth((36, 16), (42, 30), (49, 30), (51, 44), (44, 56), (28, 56), (21, 42), (25, 33), (31, 34)),
    )
    pen.paint(YELLOW, smooth((36, 30), (41, 42), (44, 50), (36, 58), (28, 50), (31, 42)))
    for one, other in (((10, 54), (62, 64)), ((62, 54), (10, 64))):
        pen.limb([one, other], 7, BROWN)
        pen.fill(TAN, ellipse(*one, 3.4), shade=0, outline=1)


FOOD = {
    **{"e_0": pie, "e_1": pizza, "e_2": hotdog, "e_3": ketchup},
    **{"e_4": mustard, "e_5": hamburger, "e_6": drink},
}
TOYS = {
    **{"t_0": red_ball, "t_1": bucket, "t_2": blue_ball, "t_3": boat, "t_4": football, "t_5": green_ball},
    **{"t_6": doll, "t_7": frisbee, "t_8": toy_car, "t_9": balloons, "t_10": flower, "t_11": shovel},
    **{"t_12": book, "t_13": kite, "t_14": campfire},
}
