"""Clothes of the children, brims to the right. Points are pixels from the top left of the picture."""

from seq2scene.data.park.drawing.pen import (
    BLACK,
    BLUE,
    DARK_GREY,
    GOLD,
    GREEN,
    GREY,
    INK,
    LIGHT_BLUE,
    PURPLE,
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


def blue_cap(pen: Pen) -> None:
    _cap(pen, BLUE, YELLOW)


def red_cap(pen: Pen) -> None:
    _cap(pen, RED, WHITE)


def _cap(pen: Pen, colour: Colour, badge: Colour) -> None:
    pen.fill(colour, [*arc(27, 33, 24, 27, 180, 360)], depth=0.16)
    pen.fill(
        mix(colour, INK, 0.25), smooth((22, 31), (42, 28), (60, 32), (61, 37), (44, 36), (26, 37)), shade=0
    )
    pen.fill(badge, ellipse(34, 20, 6), shade=0, outline=1.2)
    pen.line(curve((20, 8), (16, 18), (15, 31)), 1.4)
    pen.fill(colour, ellipse(27, 6, 3.4), shade=0)


def crown(pen: Pen) -> None:
    pen.fill(GOLD, [(5, 37), (3, 9), (16, 22), (28, 4), (40, 22), (53, 9), (51, 37)], depth=0.14)
    pen.line([(6, 30), (50, 30)], 1.4)
    for x, colour in ((14, BLUE), (28, RED), (42, GREEN)):
        pen.fill(colour, ellipse(x, 33, 2.6), shade=0, outline=0.8)
    for across, down in ((3.8, 8), (28, 4.4), (52.2, 8)):
        pen.fill(YELLOW, ellipse(across, down, 2.4), shade=0, outline=1)


def chefs_hat(pen: Pen) -> None:
    pen.fill(
        WHITE,
        ellipse(15, 19, 12.5),
        ellipse(45, 19, 12.5),
        ellipse(30, 15, 12.6),
        box(11, 18, 49, 40),
        depth=0.12,
    )
    pen.fill(WHITE, box(10, 37, 50, 53, 3))
    for x in (20, 30, 40):
        pen.line([(x, 27), (x, 36)], 1.4, GREY)


def pirate_hat(pen: Pen) -> None:
    pen.fill(
        BLACK,
        smooth(
            (3, 34), (14, 26), (22, 9), (40, 3), (58, 9), (66, 26), (77, 34), (58, 37), (40, 41), (22, 37)
        ),
    )
    pen.line(curve((4, 35), (22, 36), (40, 39.5), (58, 36), (76, 35)), 2.4, GOLD)
    for ends in (((29, 28), (51, 36)), ((51, 28), (29, 36))):
        pen.line(ends, 2.6, WHITE)
    pen.paint(WHITE, ellipse(40, 19, 8.4, 7.6), box(35.5, 22, 44.5, 29.5, 2))
    pen.dots([(36.6, 19.5), (43.4, 19.5)], 2.3)
    pen.dots([(40, 24)], 1)


def straw_hat(pen: Pen) -> None:
    straw = mix(TAN, YELLOW, 0.45)
    pen.fill(straw, ellipse(42, 29, 39.5, 8.4), shade=0.12)
    pen.fill(straw, smooth((20, 28), (23, 10), (42, 3), (61, 10), (64, 28), (42, 31)))
    pen.paint(RED, smooth((20.4, 21), (42, 25), (63.6, 21), (64, 28.4), (42, 31), (20, 28.4)))
    for y in (10, 15):
        pen.line(arc(42, y - 8, 19, 10, 40, 140), 1, mix(straw, INK, 0.35))


def wizards_hat(pen: Pen) -> None:
    pen.fill(PURPLE, ellipse(30, 62, 27.5, 7.4))
    pen.fill(PURPLE, smooth((13, 61), (22, 34), (30, 10), (42, 3), (40, 16), (40, 34), (47, 61), (30, 65)))
    pen.paint(GOLD, smooth((14.4, 54), (30, 59), (45.4, 54), (46.6, 60), (30, 64.5), (13.4, 60)))
    for x, y, size in ((30, 42, 6), (35, 24, 4), (22, 50, 2.6)):
        pen.paint(YELLOW, star(x, y, size, size * 0.42, 5))


def helmet(pen: Pen) -> None:
    """A Viking helmet, with horns."""
    for side in (-1, 1):
        horn = smooth(
            (34 + side * 18, 32),
            (34 + side * 28, 22),
            (34 + side * 30, 4),
            (34 + side * 31.5, 20),
            (34 + side * 25, 37),
        )
        pen.fill(mix(TAN, WHITE, 0.55), horn)
    pen.fill(GREY, [*arc(34, 40, 23, 33, 180, 360)], depth=0.16)
    pen.fill(DARK_GREY, box(9, 37, 59, 45, 3), shade=0)
    pen.fill(DARK_GREY, box(31, 8, 37, 38, 2), shade=0, outline=1.2)
    pen.dots([(16, 41), (28, 41), (40, 41), (52, 41)], 1.6, YELLOW)


def glasses(pen: Pen) -> None:
    _glasses(pen)


def sunglasses(pen: Pen) -> None:
    for x in (12.5, 36):
        pen.paint(INK, smooth((x - 10, 4), (x + 9.5, 4), (x + 8, 14), (x, 17.5), (x - 8, 14)))
        pen.line([(x - 4, 12), (x + 1, 7)], 1.8, GREY)
    pen.line([(3, 4.5), (45, 4.5)], 3)


def _glasses(pen: Pen) -> None:
    """Round rims with transparent lenses."""
    for x in (13, 36):
        pen.line(arc(x, 10, 8.6, 7.6, 0, 360), 2.6)
        pen.line([(x - 4, 8), (x - 1, 5)], 1.4, LIGHT_BLUE)
    pen.line(arc(24.5, 10, 3.4, 3.4, 190, 350), 2)
    pen.line([(4.6, 8), (2, 7)], 2)
    pen.line([(44.6, 8), (46, 7)], 2)


CLOTHES = {
    **{"c_0": blue_cap, "c_1": crown, "c_2": chefs_hat, "c_3": pirate_hat, "c_4": straw_hat},
    **{"c_5": red_cap, "c_6": wizards_hat, "c_7": helmet, "c_8": glasses, "c_9": sunglasses},
}
