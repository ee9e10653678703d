"""The clip art: as large as the world says, hands and heads where the world has them, colours as told."""

from functools import cache

import numpy
import pytest
from PIL import Image, ImageOps

from seq2scene.data.park import scenes_writing
from seq2scene.data.park.drawing.clip_art import DRAWINGS, clip_art, draw, draw_background, picture_names
from seq2scene.data.park.drawing.pen import (
    BLACK,
    BLUE,
    BROWN,
    GREEN,
    GREY,
    INK,
    RED,
    SKIN,
    WHITE,
    YELLOW,
    Pen,
    box,
    ellipse,
    rotated,
)
from seq2scene.data.park.language.lexicon import NOUNS
from seq2scene.data.park.world import (
    CANVAS,
    CHILDREN,
    EXPRESSIONS,
    FOOT,
    HANDS,
    HEADS,
    HORIZON,
    INSIDES,
    POSES,
    SURFACES,
    THINGS,
    Placed,
)

THINGS_ALONE = [name for name in THINGS if name not in CHILDREN]
EVERY_POSE = [(name, pose) for name in CHILDREN for pose in range(len(POSES))]
NAMED = {
    **{"red": RED, "blue": BLUE, "green": GREEN, "yellow": YELLOW, "white": WHITE},
    **{"black": BLACK, "brown": BROWN, "grey": GREY},
}


@cache
def pixels(picture: str) -> numpy.ndarray:
    """(height, width, 4) int64."""
    return numpy.asarray(draw(picture)).astype(int)


def child(name: str, pose: int, expression: int = 2) -> numpy.ndarray:
    return pixels(Placed(name, 0, 0, 0, 0, pose, expression).picture)


def at(picture: numpy.ndarray, offset: tuple[float, float]) -> tuple[int, int]:
    """Row and column of an offset from the centre."""
    height, width, _ = picture.shape
    return round(height / 2 + offset[1]), round(width / 2 + offset[0])


def is_near(picture: numpy.ndarray, colour: tuple[int, int, int], within: int = 24) -> numpy.ndarray:
    return (abs(picture[..., :3] - colour).max(-1) <= within) & (picture[..., 3] == 255)


@pytest.mark.parametrize("picture", picture_names())
def test_a_picture_has_its_size_and_fills_it_without_running_over(picture):
    thing = THINGS[
        next(name for name in THINGS if picture in (f"{name}s",) or picture.startswith(f"{name}_"))
    ]
    image = draw(picture)
    assert image.size == (thing.width, thing.height) and image.mode == "RGBA"
    opaque = pixels(picture)[..., 3] > 50
    assert opaque.mean() > 0.12
    rows, columns = numpy.flatnonzero(opaque.any(1)), numpy.flatnonzero(opaque.any(0))
    assert rows[-1] >= thing.height - 6 and columns[-1] - columns[0] >= 0.6 * thing.width
    inside = (pixels(picture)[..., :3].sum(-1) > 330) & (pixels(picture)[..., 3] == 255)
    for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
        assert edge.sum() <= 5  # the outline may lie on the edge, what it encloses may not


def test_every_class_of_things_has_a_drawing():
    assert set(DRAWINGS) | set(CHILDREN) == set(THINGS)
    assert len(picture_names()) == len(set(picture_names())) == 126


@pytest.mark.parametrize(("name", "pose"), EVERY_POSE)
def test_the_hand_is_where_things_are_held(name, pose):
    for expression in range(len(EXPRESSIONS)):
        picture = child(name, pose, expression)
        row, column = at(picture, HANDS[pose])
        assert is_near(picture, SKIN)[row - 1 : row + 2, column - 1 : column + 2].all()


@pytest.mark.parametrize(("name", "pose"), EVERY_POSE)
def test_the_head_is_where_hats_are_worn(name, pose):
    picture = child(name, pose)
    row, column = at(picture, HEADS[pose])
    face = picture[row - 24 : row + 22, column - 22 : column + 22]
    assert (face[..., 3] > 50).mean() > 0.9 and is_near(face, SKIN).mean() > 0.3
    above = picture[: max(row - 34, 0), column - 15 : column + 15, 3]
    assert not above.any()


@pytest.mark.parametrize("name", CHILDREN)
def test_the_foot_that_kicks_is_where_the_ball_is(name):
    picture = child(name, POSES.index("kick"))
    row, column = at(picture, FOOT)
    assert (picture[row - 3 : row + 1, column - 5 : column, 3] == 255).all()
    assert not (child(name, POSES.index("wave"))[row - 3 : row + 1, column - 5 : column, 3]).any()


@pytest.mark.parametrize(("name", "pose"), EVERY_POSE)
def test_only_the_face_changes_with_the_expression(name, pose):
    pictures = [child(name, pose, expression) for expression in range(len(EXPRESSIONS))]
    row, column = at(pictures[0], HEADS[pose])
    for one in range(len(EXPRESSIONS)):
        for other in range(one):
            changed = (pictures[one] != pictures[other]).any(-1)
            rows, columns = changed.nonzero()
            assert changed.sum() > 60
            assert abs(rows - row).max() <= 27 and abs(columns - column).max() <= 27


@pytest.mark.parametrize("name", CHILDREN)
def test_poses_differ_in_outline(name):
    outlines = [child(name, pose)[..., 3] > 50 for pose in range(len(POSES))]
    for one in range(len(POSES)):
        assert all((outlines[one] != outlines[other]).mean() > 0.04 for other in range(one))


def test_mike_and_jenny_are_not_dressed_alike():
    assert is_near(child("hb0", 0), BLUE).any() and not is_near(child("hb1", 0), BLUE).any()


@pytest.mark.parametrize(
    "picture", ["hb0_2s", "hb1_17s", "a_0s", "a_1s", "a_2s", "a_3s", "a_5s", "s_0s", "s_7s"]
)
def test_what_looks_right_looks_left_when_it_is_flipped(picture):
    flipped = numpy.asarray(ImageOps.mirror(draw(picture))).astype(int)
    assert (abs(flipped - pixels(picture)).max(-1) > 40).mean() > 0.03


@pytest.mark.parametrize("name", [name for name in THINGS_ALONE if NOUNS[name].colour])
def test_things_have_the_colours_that_sentences_give_them(name):
    picture = pixels(f"{name}s")
    shown = picture[picture[..., 3] == 255][:, :3]
    palette = numpy.array([*NAMED.values(), INK])
    nearest = ((shown[:, None] - palette) ** 2).sum(-1).argmin(1)
    shares = dict(zip((*NAMED, "ink"), numpy.bincount(nearest, minlength=len(palette)), strict=True))
    told = NOUNS[name].colour
    assert shares.pop(told) >= max(share for colour, share in shares.items() if colour != "ink")


@pytest.mark.parametrize(("name", "share"), [*SURFACES.items(), *INSIDES.items()])
def test_what_is_sat_on_is_there(name, share):
    thing = THINGS[name]
    below = pixels(f"{name}s")[
        round(share * thing.height) + 1 : round(share * thing.height) + 8, thing.width // 2
    ]
    assert (below[:, 3] == 255).sum() >= 4


def test_there_is_room_under_a_table_and_light_through_glasses():
    table, glasses, sunglasses = pixels("p_6s"), pixels("c_8s"), pixels("c_9s")
    assert not table[40:, 62:118, 3].any()
    assert not glasses[9:12, 11:14, 3].any() and (sunglasses[9:11, 11:14, 3] == 255).all()


def test_edges_are_soft_and_the_ground_is_transparent():
    alpha = pixels("t_0s")[..., 3]
    assert alpha[0, 0] == 0 and alpha[20, 20] == 255
    assert 20 < ((alpha > 0) & (alpha < 255)).sum() < 200


def test_the_background_is_sky_above_and_grass_below_the_horizon():
    image = numpy.asarray(draw_background()).astype(int)
    assert image.shape == (CANVAS[1], CANVAS[0], 3)
    sky, grass = image[:160].mean((0, 1)), image[HORIZON + 5 :].mean((0, 1))
    assert sky.argmax() == 2 and grass.argmax() == 1


@pytest.mark.slow
def test_the_same_code_draws_the_same_bytes():
    assert clip_art() == scenes_writing.clip_art()  # drawn once for all tests: conftest.py


def test_shapes_filled_together_have_one_outline():
    together, apart = Pen(60, 30), Pen(60, 30)
    shapes = ellipse(22, 15, 10), ellipse(38, 15, 10)
    together.fill(RED, *shapes, shade=0)
    for shape in shapes:
        apart.fill(RED, shape, shade=0)
    ink = [is_near(numpy.asarray(pen.finished()).astype(int), INK)[15, 25:35] for pen in (together, apart)]
    assert not ink[0].any() and ink[1].any()


def test_a_box_turned_by_a_right_angle_is_as_wide_as_it_was_high():
    turned = numpy.array(rotated(box(0, 0, 40, 10), (20, 5), 90))
    assert numpy.ptp(turned, axis=0) == pytest.approx([10, 40])
    corner = numpy.array(box(0, 0, 40, 10, 4))
    assert numpy.ptp(corner, axis=0) == pytest.approx([40, 10]) and len(corner) == 40


def test_a_shape_is_darker_at_its_lower_right():
    pen = Pen(40, 40)
    pen.fill(RED, box(5, 5, 35, 35))
    image = pen.finished()
    assert isinstance(image, Image.Image)
    assert image.getpixel((10, 10))[:3] == RED and sum(image.getpixel((33, 33))[:3]) < sum(RED)
