"""Scenes as plain lists and dictionaries, for JSON."""

from typing import Any

import torch

from seq2scene.errors import UserError
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Schema

PlainObject = dict[str, Any]  # class, x, y, and of each head its value


def to_plain(objects: Objects, schema: Schema) -> list[list[PlainObject]]:
    """The objects of each scene in their order: ``{"class": "hb0", "x": 93.2, "y": 251.6, "size": 0, ...}``,
    places in canvas units. An object has the attributes that its class has.
    """
    has = {name: schema.has(name) for name in schema.heads if name in objects.attributes}
    digits = 2 if min(schema.canvas) > 10 else 5
    classes = objects.classes.tolist()
    places = objects.places.double().round(decimals=digits).tolist()
    attributes = {name: objects.attributes[name].tolist() for name in has}
    scenes = []
    for row, present in enumerate(objects.present.tolist()):
        scenes.append(
            [
                {
                    "class": schema.name(classes[row][step]),
                    **dict(zip(("x", "y"), places[row][step], strict=True)),
                    **{name: attributes[name][row][step] for name in has if has[name][classes[row][step]]},
                }
                for step, there in enumerate(present)
                if there
            ]
        )
    return scenes


def from_plain(scenes: list[list[PlainObject]], schema: Schema) -> Objects:
    """The inverse of ``to_plain``; raises UserError for what is no scene of this schema."""
    width = max([len(scene) for scene in scenes] + [1])
    classes = torch.zeros(len(scenes), width, dtype=torch.int64)
    places = torch.zeros(len(scenes), width, 2)
    attributes = {name: torch.zeros_like(classes) for name in schema.heads}
    for row, scene in enumerate(scenes):
        for step, one in enumerate(scene):
            try:
                classes[row, step] = schema.number(one["class"])
                places[row, step] = torch.tensor([float(one["x"]), float(one["y"])])
                for name, head in schema.heads.items():
                    value = int(one.get(name, 0))
                    if not 0 <= value < head.classes:
                        raise ValueError(name)
                    attributes[name][row, step] = value
            except (KeyError, ValueError, TypeError) as error:
                raise UserError(
                    f"scene {row + 1}, object {step + 1}: {one} is none of this model: {error}"
                ) from error
    return Objects(classes, places, attributes)
