"""Grid, heads and boxes: places and sizes as classes and back."""

from dataclasses import replace

import pytest
import torch

from seq2scene.errors import UserError
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import EOS, Objects
from seq2scene.scenes.scene_json import from_plain, to_plain
from seq2scene.scenes.schema import (
    Head,
    Schema,
    aspect_classes,
    choose_appearance,
    choose_heads,
    size_classes,
)

ABSTRACT = Grid(28, 28, 1, 1, 499, 399)
LAYOUT, COMPOSITE = (Grid(n, n, 0.001, 0.001, 0.999, 0.999) for n in (28, 32))
BOXES = Schema(
    ("cat", "dog"), LAYOUT, {"size": Head(17), "aspect": Head(17)}, max_objects=3, sentences=1, canvas=(1, 1)
)


def test_points_of_abstract_scenes_go_to_the_cells_of_the_authors():
    points = [(0, 0), (250, 200), (499, 399), (-40, 704), (469, 31), (100, 250), (391, 248), (88, 274)]
    cells = [0, 406, 783, 756, 81, 481, 497, 537]
    found = ABSTRACT.cell(torch.tensor(points, dtype=torch.float32))
    assert found.tolist() == cells
    expected = torch.tensor([[1, 1], [259.2222, 207.3704], [499, 399], [1, 399], [462.1111, 30.4815]])
    torch.testing.assert_close(ABSTRACT.point(found[:5]), expected, atol=1e-4, rtol=0)


def test_every_cell_is_the_nearest_to_its_own_point():
    cells = torch.arange(COMPOSITE.cells)
    assert torch.equal(COMPOSITE.cell(COMPOSITE.point(cells)), cells)


@pytest.mark.parametrize(
    ("box", "classes", "cell_32", "decoded"),
    [
        ((0.311719, 0.553906, 0.3125, 0.234375), (428, 4, 8), 554, (0.296704, 0.555444, 0.2505, 0.2505)),
        ((0.332812, 0.499219, 0.667188, 1), (373, 13, 7), 490, (0.333667, 0.481519, 0.574082, 1)),
        ((0.483594, 0.847656, 0.9375, 0.09375), (657, 5, 16), 847, (0.481519, 0.851148, 0.938625, 0.104292)),
        ((0.529, 0.649, 0.06, 0.4), (518, 2, 2), 656, (0.518481, 0.666333, 0.047529, 0.332703)),
    ],
    ids=["wide", "tall", "strip", "pole"],
)
def test_boxes_become_the_classes_of_the_authors_and_come_back(box, classes, cell_32, decoded):
    x, y, w, h = torch.tensor(box)
    place = torch.stack([x, y])
    cell, size, aspect = LAYOUT.cell(place), size_classes(w, h, 17), aspect_classes(w, h, 17)
    assert (cell.item(), size.item(), aspect.item()) == classes
    assert COMPOSITE.cell(place).item() == cell_32
    attributes = {"size": size.view(1, 1), "aspect": aspect.view(1, 1)}
    objects = Objects(torch.tensor([[3]]), LAYOUT.point(cell).view(1, 1, 2), attributes)
    torch.testing.assert_close(BOXES.boxes(objects)[0, 0], torch.tensor(decoded), atol=1e-5, rtol=0)


def objects_of(*counts: int) -> Objects:
    width = max(counts)
    present = (torch.arange(width) < torch.tensor(counts).unsqueeze(1)).long()
    places = torch.rand(len(counts), width, 2) * present.unsqueeze(2)
    attributes = dict.fromkeys(BOXES.heads, present * 5)
    return Objects(present * 3, places, attributes, extents=places / 2)


def test_a_scene_is_cut_and_ended():
    ended = BOXES.with_end(objects_of(2, 5, 0))
    assert ended.classes.tolist() == [[3, 3, EOS, 0], [3, 3, 3, EOS], [EOS, 0, 0, 0]]
    assert ended.extents.shape == (3, 4, 2)
    for values in (ended.places, ended.extents, *ended.attributes.values()):
        assert not values[~ended.present].any()
    assert ended.previous().tolist() == [[1, 3, 3, 2], [1, 3, 3, 3], [1, 2, 0, 0]]


def test_exact_extents_go_before_classes():
    objects = objects_of(1)
    assert torch.equal(BOXES.boxes(objects)[..., 2:], objects.extents)


def test_a_schema_survives_its_state():
    again = Schema.from_state(BOXES.state())
    assert again == BOXES


def test_a_schema_counts_how_often_a_scene_has_a_class():
    classes = torch.tensor([[3, 3, 4], [4, 3, 2], [4, 2, 0]])
    objects = Objects(classes, torch.zeros(3, 3, 2), {})
    counted = Schema(("a", "b", "c"), Grid(2, 2, 0, 0, 1, 1), {}, 3, 1, (1, 1)).counted(objects)
    assert counted.most == (2, 1, 0) and counted.limits().tolist()[2:] == [1, 2, 1, 0]
    assert Schema.from_state(counted.state()).most == counted.most
    older = {name: value for name, value in counted.state().items() if name != "most"}
    assert Schema.from_state(older).limits() is None


def test_scenes_survive_json():
    objects = from_plain(to_plain(objects_of(2, 1), BOXES), BOXES)
    assert torch.equal(objects.classes, objects_of(2, 1).classes)
    assert torch.equal(objects.attributes["size"], objects_of(2, 1).attributes["size"])
    with pytest.raises(UserError, match="scene 1, object 1"):
        from_plain([[{"class": "whale", "x": 0, "y": 0}]], BOXES)


def test_heads_that_the_data_has_not_are_refused_by_name():
    with pytest.raises(UserError, match=r"heads\.colour.*size, flip"):
        choose_heads({"colour": {"classes": 3}}, {"size": 3, "flip": 2})
    with pytest.raises(UserError, match=r"heads\.size\.classes=5.*has 3"):
        choose_heads({"size": {"classes": 5}}, {"size": 3, "flip": 2})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (None, r"heads\.size=None is not a head; drop one with '~heads\.size'"),
        (
            {"classes": 3, "wieght": 1.0},
            r"heads\.size\.wieght is not an option; options are classes, weight, only",
        ),
        ({"weight": 1.0}, r"heads\.size\.classes=None must be a whole number of 1 or more"),
        ({"classes": "many"}, r"heads\.size\.classes=many must be a whole number"),
        ({"classes": 3, "weight": -1.0}, r"heads\.size\.weight=-1\.0 must be a number of 0 or more"),
        ({"classes": 3, "weight": float("nan")}, r"heads\.size\.weight=nan must be a number of 0 or more"),
        ({"classes": 3, "weight": "2"}, r"heads\.size\.weight=2 must be a number of 0 or more"),
        ({"classes": 3, "only": "cat"}, r"heads\.size\.only=cat must be a list of object classes"),
        ({"classes": 3, "only": []}, r"heads\.size\.only=\[\] must be a list of object classes"),
    ],
)
def test_what_is_no_head_is_refused_by_name(settings, message):
    with pytest.raises(UserError, match=message):
        choose_heads({"size": settings}, {"size": 3, "flip": 2})


def test_a_weight_of_0_is_a_weight():
    assert choose_heads({"size": {"classes": 3, "weight": 0}}, {"size": 3}) == {"size": Head(3, 0)}


@pytest.mark.parametrize("settings", [{"size": 0}, {"size": 8, "weight": -1.0}, {"size": 8, "width": 3}, 8])
def test_what_is_no_appearance_is_refused_by_name(settings):
    with pytest.raises(UserError, match=r"heads\.appearance"):
        choose_appearance(settings)


def test_classes_that_the_data_has_not_cannot_have_a_head_of_their_own():
    with pytest.raises(UserError, match=r"heads\.size\.only: this data has no object class whale"):
        replace(BOXES, heads={"size": Head(17, only=("cat", "whale"))})


@pytest.mark.parametrize("count", [1, 0, 2.5, "many", True])
def test_a_grid_has_whole_numbers_of_columns_and_rows(count):
    with pytest.raises(UserError, match=r"grid\.rows=.* must be a whole number of 2 or more"):
        Grid(28, count, 0, 0, 1, 1)


def test_what_no_head_is_about_is_neither_taught_nor_drawn():
    """A head for cats alone, one that is dropped."""
    schema = replace(BOXES, heads={"size": Head(17, only=("cat",))})
    classes = torch.tensor([[3, 4]])
    attributes = {"size": torch.tensor([[16, 16]]), "aspect": torch.tensor([[16, 16]])}
    whole = Objects(classes, torch.full((1, 2, 2), 0.5), attributes)
    taught = schema.with_end(whole)
    assert {name: values.tolist() for name, values in taught.attributes.items()} == {"size": [[16, 0, 0, 0]]}
    for objects in (whole, taught):
        sides = schema.boxes(objects)[0, :2, 2:]
        torch.testing.assert_close(sides, torch.tensor([[0.999, 0.999], [0.5, 0.5]]))


def test_boxes_of_a_schema_without_size_and_aspect_are_squares_of_the_middle_size() -> None:
    schema = Schema(("dog",), Grid(4, 4, 0.001, 0.001, 0.999, 0.999), {}, 2, 1, canvas=(1.0, 1.0))
    boxes = schema.boxes(Objects(torch.tensor([[3, 2]]), torch.full((1, 2, 2), 0.5), {}))
    torch.testing.assert_close(boxes[0], torch.tensor([[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.0, 0.0]]))
