"""Pictures of layouts: boxes at their places, in the colour of their class, later over earlier."""

import numpy as np
import torch

from seq2scene.plotting.layout_picture import class_colour, draw_layout, draw_layout_steps
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import EOS, Objects
from seq2scene.scenes.schema import Head, Schema

SCHEMA = Schema(
    names=("cat", "hair drier with a very long name", "kite"),
    grid=Grid(28, 28, 0.001, 0.001, 0.999, 0.999),
    heads={"size": Head(17), "aspect": Head(17)},
    max_objects=9,
    sentences=1,
    canvas=(1.0, 1.0),
)
CAT, DRIER, KITE = 3, 4, 5


def layout(*rows: tuple[int, float, float, float, float]) -> Objects:
    """Objects of class, centre x, y, width and height, ended by EOS."""
    classes = torch.tensor([[row[0] for row in rows] + [EOS]])
    boxes = torch.tensor([[row[1:] for row in rows] + [(0.0, 0.0, 0.0, 0.0)]])
    return Objects(classes, boxes[..., :2], {}, boxes[..., 2:])


def is_colour(pixels: np.ndarray, number: int) -> np.ndarray:
    return (pixels == class_colour(number)).all(-1)


def test_a_box_is_outlined_where_it_is_by_a_line_of_a_hundredth_of_the_side() -> None:
    picture = draw_layout(layout((CAT, 0.5, 0.6, 0.4, 0.2)), SCHEMA)
    assert picture.shape == (1000, 1000, 3) and picture.dtype == np.uint8
    rows, columns = np.nonzero(is_colour(picture, CAT))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (500, 700, 300, 700)
    assert is_colour(picture[600], CAT).sum() == 2 * 10  # the two upright lines
    assert (picture[650:680, 400:650] == 255).all() and (picture[:500] == 255).all()


def test_a_name_stands_in_the_corner_of_its_box() -> None:
    picture = draw_layout(layout((CAT, 0.5, 0.6, 0.4, 0.2)), SCHEMA)
    tag = picture[510:525, 310:340]
    assert is_colour(tag, CAT).mean() > 0.4 and (~is_colour(tag, CAT)).any()  # letters on a background
    other = draw_layout(layout((KITE, 0.5, 0.6, 0.4, 0.2)), SCHEMA)
    assert (is_colour(tag, CAT) != is_colour(other[510:525, 310:340], KITE)).any()


def test_later_boxes_lie_over_earlier_ones() -> None:
    first, second = (CAT, 0.5, 0.5, 0.4, 0.4), (KITE, 0.6, 0.5, 0.4, 0.4)
    corner = slice(300, 310), slice(500, 600)  # both have their upper line here
    assert is_colour(draw_layout(layout(first, second), SCHEMA)[corner], KITE).any()
    assert not is_colour(draw_layout(layout(first, second), SCHEMA)[corner], CAT).any()
    assert is_colour(draw_layout(layout(second, first), SCHEMA)[corner], CAT).any()


def test_names_cover_no_other_name_and_no_box_that_is_smaller() -> None:
    pile = [(number, 0.5, 0.5, 0.06, 0.02) for number in (CAT, DRIER, KITE)]
    alone = {row[0]: is_colour(draw_layout(layout(row), SCHEMA), row[0]).sum() for row in pile}
    together = draw_layout(layout(*pile), SCHEMA)
    outline = 2 * (61 + 21) * 10  # which the last box draws over
    for number in (CAT, DRIER):
        assert is_colour(together, number).sum() >= alone[number] - outline
    assert is_colour(together, KITE).sum() == alone[KITE]


def test_steps_begin_empty_and_end_with_the_whole() -> None:
    boxes = layout((CAT, 0.5, 0.5, 0.4, 0.4), (KITE, 0.6, 0.5, 0.4, 0.4))
    steps = draw_layout_steps(boxes, SCHEMA, side=200)
    assert len(steps) == 3 and (steps[0] == 255).all() and (steps[1] != steps[2]).any()
    assert (steps[2] == draw_layout(boxes, SCHEMA, side=200)).all()


def test_boxes_and_names_at_the_edge_stay_on_the_canvas() -> None:
    picture = draw_layout(layout((DRIER, 0.99, 0.99, 0.5, 0.4)), SCHEMA, side=400)
    drawn = is_colour(picture, DRIER)
    assert drawn[-1].any() and drawn[:, -1].any()
    assert draw_layout(layout((CAT, 0.999, 0.001, 0.0, 0.0)), SCHEMA, side=60).shape == (60, 60, 3)


def test_generated_layouts_have_the_boxes_of_their_size_and_aspect() -> None:
    attributes = {"size": torch.tensor([[8, 0]]), "aspect": torch.tensor([[8, 0]])}
    said = Objects(torch.tensor([[CAT, EOS]]), torch.tensor([[[0.5, 0.5], [0, 0]]]), attributes)
    rows, columns = np.nonzero(is_colour(draw_layout(said, SCHEMA), CAT))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (250, 750, 250, 750)


def test_eighty_classes_have_eighty_colours_that_are_seen_on_white() -> None:
    colours = np.array([class_colour(number) for number in range(3, 83)])
    assert len(np.unique(colours, axis=0)) == 80
    assert (colours.min(axis=1) < 130).all()
