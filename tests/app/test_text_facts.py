"""What the page says of a typed text, on boxes."""

import torch

from seq2scene.app.text_facts import CATEGORIES, checked_sentences
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import FIRST_CLASS, Objects
from seq2scene.scenes.schema import Schema

SCHEMA = Schema(tuple({*CATEGORIES.values()}), Grid(28, 28, 0.001, 0.001, 0.999, 0.999), {}, 9, 1, (1.0, 1.0))


def kicks(text: str) -> list[bool]:
    """Whether a kick of the text holds, where Mike kicks the football and Jenny stands behind him."""
    names = [CATEGORIES[name] for name in ("hb0", "t_4", "hb1")]
    classes = torch.tensor([[FIRST_CLASS + SCHEMA.names.index(name) for name in names]])
    places = torch.tensor([[[0.5, 0.5], [0.55, 0.55], [0.2, 0.5]]])
    objects = Objects(classes, places, {}, torch.full_like(places, 0.1))
    (sentence,) = checked_sentences(text, objects, SCHEMA)
    return [fact["holds"] for fact in sentence["facts"] if fact["kind"] == "kick"]


def test_boxes_do_not_show_to_whom_somebody_kicks() -> None:
    assert kicks("Mike kicks the football.") == [True]
    assert kicks("Mike kicks the football to Jenny.") == []
