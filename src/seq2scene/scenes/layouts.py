"""Scenes as captioners read them: object classes and boxes."""

import torch

from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Schema
from seq2scene.sequences.caption_batch import Layouts


def layouts_of(objects: Objects, schema: Schema, most: int) -> Layouts:
    """The first ``most`` objects of each scene, in order, on the objects' device.

    schema: of the objects; boxes are divided by the longer side of its canvas, and clip art has attributes.
    """
    objects = objects.cut(most)
    boxes = schema.boxes(objects) / max(schema.canvas)
    classes = objects.classes * objects.present
    steps = max(int(objects.present.sum(1).max()), 1) if len(objects) else 1
    classes, boxes = classes[:, :steps], boxes[:, :steps] * objects.present[:, :steps].unsqueeze(2)
    attributes = {} if schema.sizes is None else objects.attributes
    attributes = {name: (values * objects.present)[:, :steps] for name, values in attributes.items()}
    return Layouts(classes, boxes.to(torch.float32), attributes)
