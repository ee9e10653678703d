"""Scenes as captioners read them."""

import torch

from seq2scene.scenes.grid import Grid
from seq2scene.scenes.layouts import layouts_of
from seq2scene.scenes.objects import EOS, Objects
from seq2scene.scenes.schema import LEAST, MOST, Head, Schema

SCHEMA = Schema(
    ("person", "dog"), Grid(4, 4, LEAST, LEAST, MOST, MOST), {"size": Head(17)}, 9, 1, canvas=(1.0, 1.0)
)
CLASSES = torch.tensor([[3, 4, 3, EOS, 0, 0], [EOS, 0, 0, 0, 0, 0]])
PLACES = torch.rand(2, 6, 2, generator=torch.Generator().manual_seed(0))
OBJECTS = Objects(CLASSES, PLACES, {"size": torch.full((2, 6), 5)})


def test_a_layout_is_its_objects_and_the_end_of_a_scene_is_none() -> None:
    found = layouts_of(OBJECTS, SCHEMA, most=9)
    assert found.classes.tolist() == [[3, 4, 3], [0, 0, 0]]
    assert found.mask.tolist() == [[True] * 3, [False] * 3]
    assert torch.equal(found.boxes[0, :, :2], PLACES[0, :3]) and (found.boxes[0, :, 2:] > 0).all()
    assert (found.boxes[1] == 0).all()
    assert layouts_of(OBJECTS, SCHEMA, most=2).classes.tolist() == [[3, 4], [0, 0]]


def test_an_empty_layout_still_has_a_place() -> None:
    assert layouts_of(OBJECTS[torch.tensor([1])], SCHEMA, most=9).classes.shape == (1, 1)


def test_boxes_are_shares_of_the_longer_side_of_the_canvas() -> None:
    wide = Schema(SCHEMA.names, SCHEMA.grid, SCHEMA.heads, 9, 1, canvas=(500.0, 400.0))
    extents = torch.full((2, 6, 2), 50.0)
    pixels = Objects(CLASSES, 500 * PLACES, {}, extents)
    found = layouts_of(pixels, wide, most=9)
    torch.testing.assert_close(found.boxes[0, :, :2], PLACES[0, :3])
    torch.testing.assert_close(found.boxes[0, :, 2:], torch.full((3, 2), 0.1))
