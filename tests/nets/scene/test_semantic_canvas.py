"""The model's own drawing: ink lies where boxes lie, as much as they cover, and adds up object by object."""

from dataclasses import replace

import pytest
import torch

from seq2scene.nets.scene.semantic_canvas import SemanticCanvas
from seq2scene.scenes.objects import EOS, FIRST_CLASS, PAD, Objects
from seq2scene.scenes.schema import Schema
from small_clip_art import CANVAS, NAMES, random_objects, schema_of

COLUMNS, ROWS = 10, 8  # cells of 5 x 5 canvas units
BOX, CENTRE = 0, 1  # the two inks of a class
SIZES = torch.tensor([[12.5, 5.0], [20.0, 15.0], [2.5, 30.0]])  # of s_0, hb0, t_0 near, in canvas units


def schema() -> Schema:
    return replace(schema_of(), sizes=SIZES.view(3, 1, 1, 2).expand(3, 2, 3, 2))


def canvas(**settings) -> SemanticCanvas:
    torch.manual_seed(0)
    net = SemanticCanvas(schema(), (COLUMNS, ROWS), **{"ink": 3, "widths": (4, 5), **settings})
    return net.double()


def one_ink(which: int) -> SemanticCanvas:
    """A canvas of one feature on which every class draws with 1 over its box, or at its centre."""
    net = canvas(ink=1)
    for inks in (net.inks, *net.attribute_inks.values()):
        torch.nn.init.zeros_(inks.weight)
    net.inks.weight.data[:, which] = 1
    return net


def objects_of(*things: tuple[str, float, float, int]) -> Objects:
    """One scene of (name, x, y, size)."""
    classes = torch.tensor([[FIRST_CLASS + NAMES.index(name) for name, *_ in things]])
    places = torch.tensor([[(x, y) for _, x, y, _ in things]], dtype=torch.float64)
    zeros = torch.zeros_like(classes)
    sizes = torch.tensor([[size for *_, size in things]])
    return Objects(classes, places, {"size": sizes, "flip": zeros, "pose": zeros, "expression": zeros})


def at(objects: Objects, step: int) -> Objects:
    """What each scene places in one step."""
    one = slice(step, step + 1)
    attributes = {name: values[:, one] for name, values in objects.attributes.items()}
    return Objects(objects.classes[:, one], objects.places[:, one], attributes)


def drawn(net: SemanticCanvas, objects: Objects) -> torch.Tensor:
    """The single feature of a scene of one object, (rows, columns)."""
    return net.place(net.blank(torch.zeros(1, 1, dtype=torch.float64)), objects)[0, 0].detach()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [0, 1, 2])
@pytest.mark.parametrize("place", [(25.0, 20.0), (23.1, 18.7)])
def test_the_ink_of_a_box_adds_up_to_its_area(name: str, size: int, place: tuple[float, float]) -> None:
    cells = (SIZES[NAMES.index(name)] * (1.0, 0.7, 0.49)[size] / 5).prod().item()
    assert drawn(one_ink(BOX), objects_of((name, *place, size))).sum().item() == pytest.approx(
        cells, abs=1e-5
    )


def test_a_cell_holds_the_share_of_it_that_the_box_covers() -> None:
    found = drawn(one_ink(BOX), objects_of(("s_0", 13.75, 12.5, 0)))  # x 7.5 to 20, y 10 to 15
    expected = torch.zeros(ROWS, COLUMNS, dtype=torch.float64)
    expected[2, 1:4] = torch.tensor([0.5, 1, 1])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("place", "share"),
    [((0, 20), 0.5), ((50, 20), 0.5), ((25, 0), 0.5), ((0, 40), 0.25), ((-10, 20), 0), ((-40, 90), 0)],
    ids=["left", "right", "top", "corner", "just outside", "far outside"],
)
def test_of_a_box_beyond_the_edge_only_what_is_on_the_canvas_is_drawn(place, share: float) -> None:
    found = drawn(one_ink(BOX), objects_of(("hb0", *map(float, place), 0)))
    assert found.sum().item() == pytest.approx(share * 20 * 15 / 25, abs=1e-6)
    assert (found >= 0).all() and (found <= 1).all()


@pytest.mark.parametrize(
    ("place", "cells"),
    [
        ((12.5, 17.5), {(3, 2): 1.0}),  # the middle of a cell
        ((15.0, 17.5), {(3, 2): 0.5, (3, 3): 0.5}),  # between two
        ((13.75, 18.75), {(3, 2): 0.5625, (3, 3): 0.1875, (4, 2): 0.1875, (4, 3): 0.0625}),
        ((-70.0, 90.0), {(7, 0): 1.0}),  # outside: the nearest cell at the edge
    ],
    ids=["middle", "between", "quarter", "outside"],
)
def test_one_ink_marks_the_centre_whatever_the_size(place, cells: dict) -> None:
    expected = torch.zeros(ROWS, COLUMNS, dtype=torch.float64)
    for (row, column), value in cells.items():
        expected[row, column] = value
    for size in (0, 2):
        found = drawn(one_ink(CENTRE), objects_of(("t_0", *place, size)))
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_what_is_seen_before_each_step_is_what_was_placed_one_by_one() -> None:
    net, objects = canvas(), random_objects(4, 6, seed=3)
    seen = net.prefixes(objects)
    now = net.blank(torch.zeros(4, 2, dtype=torch.float64))
    assert not seen[:, 0].any()
    for step in range(6):
        torch.testing.assert_close(seen[:, step], now)
        now = net.place(now, at(objects, step))
    assert now.abs().sum() > 0


@pytest.mark.parametrize("number", [PAD, EOS], ids=["PAD", "EOS"])
def test_padding_and_the_end_draw_nothing(number: int) -> None:
    net, objects = canvas(), objects_of(("hb0", 25, 20, 0))
    nothing = replace(objects, classes=torch.full_like(objects.classes, number))
    before = torch.rand(1, 3, ROWS, COLUMNS, dtype=torch.float64)
    assert torch.equal(net.place(before, nothing), before)
    assert not torch.equal(net.place(before, objects), before)


def test_an_attribute_colours_only_the_classes_that_have_it() -> None:
    """A pose that a toy's target may hold by chance leaves no trace; a child's does."""
    net = canvas()
    for name, changes in (("t_0", False), ("hb0", True)):
        still = objects_of((name, 25, 20, 0))
        posed = replace(still, attributes={**still.attributes, "pose": torch.ones_like(still.classes)})
        blank = net.blank(torch.zeros(1, 1, dtype=torch.float64))
        assert torch.equal(net.place(blank, still), net.place(blank, posed)) is not changes


def test_order_is_not_seen_but_number_is() -> None:
    """A sum of ink: what lies over what it cannot tell, how often something was drawn it can."""
    net = canvas()
    things = [("hb0", 20, 20, 0), ("t_0", 25, 22, 1), ("s_0", 40, 5, 2)]

    def scene(things):
        now = net.blank(torch.zeros(1, 1, dtype=torch.float64))
        for thing in things:
            now = net.place(now, objects_of(thing))
        return net(now)

    torch.testing.assert_close(scene(things), scene(things[::-1]))
    assert not torch.allclose(scene(things), scene([*things, things[0]]))


def test_features_have_the_size_asked_for_and_gradients_reach_every_ink_that_is_used() -> None:
    net, objects = canvas(), random_objects(6, 8, seed=1)
    features = net(net.prefixes(objects).flatten(0, 1))
    assert features.shape == (48, net.output_size, ROWS, COLUMNS) == (48, 5, 8, 10)
    features.sum().backward()
    used = net.inks.weight.grad.abs().sum(1) > 0
    assert used.tolist() == [False] * FIRST_CLASS + [True] * len(NAMES)
    assert all(inks.weight.grad.abs().sum(1).all() for inks in net.attribute_inks.values())
    assert CANVAS == (5 * COLUMNS, 5 * ROWS)  # else the areas above are in other units
