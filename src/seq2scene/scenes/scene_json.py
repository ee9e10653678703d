"""Scenes as plain lists and dictionaries, for JSON."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from seq2scene.errors import UserError
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Schema
from seq2scene.sequences.lines import read_json

PlainObject = dict[str, Any]  # class, x, y, and the value of each head
FAR = 1e6  # canvas units, beyond any object


def to_plain(objects: Objects, schema: Schema) -> list[list[PlainObject]]:
    """The objects of each scene in order: ``{"class": "hb0", "x": 93.2, "y": 251.6, "size": 0, ...}``, places
    in canvas units. An object has only the attributes of its class.
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
    """The inverse of ``to_plain``; raises UserError for anything that is not a scene of this schema."""
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
            except (KeyError, ValueError, TypeError, OverflowError) as error:
                raise UserError(
                    f"scene {row + 1}, object {step + 1}: {one} is not an object of this model: {error}"
                ) from error
    return Objects(classes, places, attributes)


# Input from users


def read_scene(path: Path | str, hint: str = "") -> Any:
    """The objects in a JSON file, unchecked: a list, or a saved scene with its sentences.

    Raises UserError if the file cannot be read, is not JSON, or is a scene without ``objects``.
    """
    found = read_json(path, hint)
    if not isinstance(found, dict):
        return found
    if "objects" not in found:
        raise UserError(f'{path}: a scene needs "objects"; it has {", ".join(found) or "no keys"}')
    return found["objects"]


def require_scene(objects: Any, schema: Schema, where: str) -> None:
    """Raises UserError, its message starting with ``where`` and naming object and key, unless ``objects`` are
    a list of complete objects of this schema. The additional keys of records (``width``, ``height``,
    ``patch``) are allowed.
    """
    if not isinstance(objects, list | tuple):
        raise UserError(f"{where}: a scene is a list of objects, not {str(objects)[:60]}")
    for number, one in enumerate(objects, start=1):
        for fault in _faults(one, schema):
            raise UserError(f"{where}, object {number}: {fault}")


def _faults(one: Any, schema: Schema) -> Iterator[str]:
    """What is wrong with an object, in words."""
    if not isinstance(one, dict):
        yield f"an object is a dictionary, not {str(one)[:60]}"
        return
    kind = one.get("class")
    if kind not in schema.names:
        yield f"class={kind}: this model has no such class; it has {', '.join(schema.names)}"
        return
    heads = [name for name in schema.heads if schema.has(name)[schema.number(kind)]]
    known = ["class", "x", "y", *heads]
    known += ["width", "height"] if schema.sizes is None else []
    known += ["patch"] if schema.things is not None else []
    for key in one:
        if key not in known:
            yield f"{key}: objects of class {kind} have no such key; they have {', '.join(known)}"
    for key in ("x", "y", *sorted(one.keys() & {"width", "height"})):
        value = one.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not -FAR < value < FAR:
            yield f"{key}={value}: it must be a number, in canvas units"
            return
        side = schema.canvas[key in ("y", "height")]
        least, above = (-side, f"{-side:g} or more") if key in ("x", "y") else (1e-9, "above 0")
        if not least <= value <= 2 * side:
            yield (
                f"{key}={value}: it must be {above} and at most {2 * side:g}, as the canvas is "
                f"{schema.canvas[0]:g} wide and {schema.canvas[1]:g} high"
            )
    for key in heads:
        value, most = one.get(key), schema.heads[key].classes - 1
        if type(value) is not int or not 0 <= value <= most:
            yield f"{key}={value}: it must be a whole number from 0 to {most}"
