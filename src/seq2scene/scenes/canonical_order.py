"""The order in which models learn to place the objects of a scene."""

import torch
from torch import Tensor

from seq2scene.scenes.boxes import edges
from seq2scene.scenes.objects import FIRST_CLASS, Objects
from seq2scene.scenes.schema import Schema


def is_sky(name: str) -> bool:
    """Whether a class of clip art is of the sky."""
    return name.startswith("s_")


def in_canonical_order(objects: Objects, schema: Schema) -> Objects:
    """The objects of each scene (B, T) in the order that data has them in; those that it does not tell apart
    stay as they are.

    Clip art: the sky before the rest, in each part the far before the near. Boxes: things before stuff, where
    these are told apart, then the lowest bottom edge first, from left to right by centres, and by class.
    """
    number = objects.classes - FIRST_CLASS
    if schema.sizes is not None:
        sky = torch.tensor([is_sky(name) for name in schema.names], device=number.device)
        keys = [~sky[number.clamp(min=0)]]
        keys += [-objects.attributes["size"]] if "size" in schema.heads else []
    else:
        boxes = schema.boxes(objects)
        keys = [-edges(boxes)[1][..., 1], boxes[..., 0], number]
        keys = keys if schema.things is None else [number >= schema.things, *keys]
    return objects.sorted_by(order_of([~objects.present, *keys]))


def order_of(keys: list[Tensor]) -> Tensor:
    """The order (B, T) that sorts each row by several keys (B, T), the first of which matters most."""
    order = torch.arange(keys[0].shape[1], device=keys[0].device).expand_as(keys[0])
    for key in reversed(keys):
        order = order.gather(1, key.gather(1, order).argsort(dim=1, stable=True))
    return order
