"""Objects in any order are put in the one that models learn."""

from dataclasses import replace

import torch

from seq2scene.scenes.canonical_order import by_type, in_canonical_order
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Head, Schema
from small_clip_art import schema_of

CLIP_ART = schema_of(("s_0", "s_1", "hb0", "t_0"))
BOXES = Schema(("cat", "dog", "grass"), Grid(9, 9, 0, 0, 1, 1), {}, 9, 1, (1, 1))


def test_clip_art_has_the_sky_first_then_the_far_then_its_types_in_order() -> None:
    classes = torch.tensor([[6, 4, 6, 3, 5], [6, 5, 0, 0, 0]])
    sizes = torch.tensor([[0, 0, 2, 1, 0], [1, 2, 0, 0, 0]])
    objects = Objects(classes, torch.arange(20.0).view(2, 5, 2), {"size": sizes})
    ordered = in_canonical_order(objects, CLIP_ART)
    assert ordered.classes.tolist() == [[3, 4, 6, 5, 6], [5, 6, 0, 0, 0]]
    assert ordered.attributes["size"][0].tolist() == [1, 0, 2, 0, 0]
    assert ordered.places[0, :, 0].tolist() == [6, 2, 4, 8, 0]
    blind = replace(CLIP_ART, heads={"flip": Head(2)})
    assert in_canonical_order(objects, blind).classes[0].tolist() == [4, 3, 5, 6, 6]  # alike: as they were


def test_by_type_what_is_held_comes_after_who_holds_it_at_any_depth() -> None:
    classes = torch.tensor([[6, 5, 4, 3]])
    objects = Objects(classes, torch.zeros(1, 4, 2), {"size": torch.tensor([[2, 0, 1, 0]])})
    ordered = in_canonical_order(objects, replace(CLIP_ART, order="type"))
    assert ordered.classes.tolist() == [[4, 3, 5, 6]]  # both of the sky: as they were


def test_boxes_come_by_bottom_edge_then_from_the_left_then_by_class() -> None:
    classes = torch.tensor([[4, 4, 3, 5, 0]])
    places = torch.tensor([[[0.9, 0.5], [0.6, 0.7], [0.6, 0.7], [0.2, 0.7], [0, 0]]])
    extents = torch.tensor([[[0.1, 0.8], [0.1, 0.2], [0.1, 0.2], [0.1, 0.2], [0, 0]]])
    objects = Objects(classes, places, {}, extents)
    assert in_canonical_order(objects, BOXES).classes.tolist() == [[4, 5, 3, 4, 0]]
    with_stuff = replace(BOXES, things=2)
    assert in_canonical_order(objects, with_stuff).classes.tolist() == [[4, 3, 4, 5, 0]]


def test_by_type_boxes_come_by_class_then_stuff_and_both_from_the_lowest() -> None:
    classes = torch.tensor([[6, 4, 5, 4, 3, 0]])
    places = torch.tensor([[[0.5, 0.9], [0.5, 0.2], [0.5, 0.3], [0.5, 0.4], [0.5, 0.1], [0, 0]]])
    objects = Objects(classes, places, {}, torch.full((1, 6, 2), 0.1))
    schema = replace(BOXES, names=("cat", "dog", "sky", "grass"), things=2, order="type")
    ordered = in_canonical_order(objects, schema)
    assert ordered.classes.tolist() == [[3, 4, 4, 6, 5, 0]]
    assert ordered.places[0, :, 1].tolist() == objects.places[0, [4, 3, 1, 0, 2, 5], 1].tolist()
    by_bottom = in_canonical_order(objects, replace(schema, order="depth"))
    assert torch.equal(by_type(by_bottom, 2).places, ordered.places)
    whole = in_canonical_order(objects, replace(schema, things=None))
    assert whole.classes.tolist() == [[3, 4, 4, 5, 6, 0]]
    assert torch.equal(by_type(by_bottom).classes, whole.classes)
