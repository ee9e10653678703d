"""Strips that show a generated scene object by object, with the attention over the words."""

from collections.abc import Sequence

import numpy as np

from seq2scene.compositing.compositor import Compositor
from seq2scene.models.scene import Written
from seq2scene.models.scene_pictures import scene_steps
from seq2scene.models.scene_writer import SceneWriter
from seq2scene.plotting.scene_strip import Step, draw_strip
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Schema

EXPRESSIONS = ("angry", "laughing", "smiling", "sad", "surprised")
POSES = ("arms out", "arms up", "kicking", "running", "kneeling", "sitting", "waving")
SIZES = ("near", "middle", "far")


def strip_of(
    model: SceneWriter,
    written: Written,
    row: int,
    words: Sequence[str],
    truth: np.ndarray | None = None,
    heading: str = "",
    compositor: Compositor | None = None,
) -> np.ndarray:
    """One generated scene step by step, with the object decoder's attention over the words (the attribute
    decoder's if only that has one), and the true scene next to it.

    words: those of the text as the model reads them, EOS last. truth: a picture of the true scene.
    compositor: renders composites; None: the model's own.
    """
    objects = written.objects[row : row + 1].to("cpu")
    empty, *pictures = scene_steps(model, objects, compositor=compositor or model.compositor())
    chosen, placed = written.object_attention, written.attribute_attention
    weights = placed if chosen is None else chosen
    steps = [
        Step(
            picture,
            describe(model.schema, objects, step),
            None if weights is None else weights[row, step, : len(words)].tolist(),
        )
        for step, picture in enumerate(pictures)
    ]
    if not steps:
        steps = [Step(empty, "nothing")]
    return draw_strip(steps, words, truth, heading=heading)


def describe(schema: Schema, objects: Objects, step: int) -> str:
    """An object and its attributes in words: "Mike, near, to the left, running, sad"."""
    number = int(objects.classes[0, step])
    parts = [schema.title(number)]
    names = {"size": SIZES, "flip": ("facing right", "facing left"), "pose": POSES, "expression": EXPRESSIONS}
    for name, head in schema.heads.items():
        if bool(schema.has(name)[number]):
            value = int(objects.attributes[name][0, step])
            known = head.values or (names.get(name, ()) if schema.sizes is not None else ())
            parts.append(known[value] if len(known) == head.classes else f"{name} {value}")
    return ", ".join(parts)
