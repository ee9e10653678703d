"""The order in which models learn to place the objects of a scene, and that in which clip art is painted."""

import torch
from torch import Tensor

from seq2scene.scenes.boxes import edges
from seq2scene.scenes.clip_art import type_of
from seq2scene.scenes.objects import FIRST_CLASS, Objects
from seq2scene.scenes.schema import Schema

Rank = tuple[float, ...]


def ranks(objects: Objects, schema: Schema) -> list[list[Rank]]:
    """The sort key of each object of each scene: lower ranks come first, equal ones in any order.

    Clip art, order ``depth``: sky before the rest, each from far to near, at the same depth by type; order
    ``type``: sky, large things, children, animals, clothing, food, toys, so that what is held or worn comes
    after who holds it. Boxes: things before stuff, if distinguished; in order ``type`` things by class, in
    the order of the data's categories, which for the park is that of the types; then by bottom edge, the
    lowest first; then by centre from left to right; then by class.
    """
    number = objects.classes - FIRST_CLASS
    if schema.sizes is not None:
        kind = _types(objects, schema)
        depth = [-objects.attributes["size"]] if schema.depths and "size" in schema.heads else []
        keys = [kind] if schema.order == "type" else [kind > 0, *depth, kind]
    else:
        boxes = schema.boxes(objects)
        keys = [-edges(boxes)[1][..., 1], boxes[..., 0], number]
        if schema.things is not None:
            number = number.clamp(max=schema.things)
        if schema.order == "type":
            keys = [number, *keys]
        elif schema.things is not None:
            keys = [number == schema.things, *keys]
    return [list(zip(*rows, strict=True)) for rows in zip(*(key.tolist() for key in keys), strict=True)]


def painting_ranks(objects: Objects, schema: Schema) -> Tensor:
    """When each object (B, T) of clip art is painted: lower ranks are covered by higher ones, and of equal
    ranks what is placed first by what is placed later. Where scenes have depths, the sky lies behind the
    rest, and in each part the far behind the near, as in Abstract Scenes (Zitnick and Parikh 2013), whatever
    order objects are placed in.
    """
    if not schema.depths or "size" not in objects.attributes:
        return torch.zeros_like(objects.classes)
    return (_types(objects, schema) > 0) * len(schema.scales) - objects.attributes["size"]


def class_types(schema: Schema) -> tuple[int, ...]:
    """The type of each class of clip art, 0 for the sky."""
    return schema.types or tuple(map(type_of, schema.names))


def _types(objects: Objects, schema: Schema) -> Tensor:
    """The type of each object of clip art (B, T)."""
    types = torch.tensor(class_types(schema), device=objects.classes.device)
    return types[(objects.classes - FIRST_CLASS).clamp(min=0)]


def by_type(objects: Objects, things: int | None = None) -> Objects:
    """Boxes in the order ``depth``, re-sorted into the order ``type``. things: see ``Schema``."""
    number = objects.classes if things is None else objects.classes.clamp(max=FIRST_CLASS + things)
    number = number.masked_fill(~objects.present, torch.iinfo(number.dtype).max)
    return objects.take(number.argsort(dim=1, stable=True))


def in_canonical_order(objects: Objects, schema: Schema) -> Objects:
    """The objects of each scene (B, T) sorted by their ``ranks``; the sort is stable."""
    order = [
        [step for _, _, step in sorted(zip(absent, rank, range(len(absent)), strict=True))]
        for absent, rank in zip((~objects.present).tolist(), ranks(objects, schema), strict=True)
    ]
    shape = objects.classes.shape
    return objects.take(torch.tensor(order, dtype=torch.int64, device=objects.classes.device).view(shape))
