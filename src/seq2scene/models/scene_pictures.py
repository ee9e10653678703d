"""Pictures of generated scenes, and strips that show them object by object."""

from collections.abc import Sequence

import numpy as np

from seq2scene.compositing.compositor import Compositor
from seq2scene.models.scene_writer import HEIGHT, SceneWriter, Written
from seq2scene.plotting.layout_picture import draw_layout_steps
from seq2scene.plotting.scene_picture import draw_steps
from seq2scene.plotting.scene_strip import Step, draw_strip
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Schema

EXPRESSIONS = ("angry", "laughing", "smiling", "sad", "surprised")
POSES = ("arms out", "arms up", "kicking", "running", "kneeling", "sitting", "waving")
SIZES = ("near", "middle", "far")


def scene_steps(
    model: SceneWriter, objects: Objects, scale: float = 1.0, compositor: Compositor | None = None
) -> list[np.ndarray]:
    """Pictures of the first scene of ``objects`` after each object, starting with the empty canvas; 400
    pixels high at scale 1.

    compositor: renders composites; without it their boxes are drawn, as for a layout.
    """
    schema, side = model.schema, round(HEIGHT * scale)
    if schema.sizes is not None:
        return draw_steps(objects, schema, model.description["pictures"], scale)
    if compositor is None:
        return draw_layout_steps(objects, schema, side)
    return compositor.steps(objects, side)


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
    for head in schema.heads:
        if bool(schema.has(head)[number]):
            value = int(objects.attributes[head][0, step])
            parts.append(
                names[head][value] if head in names and schema.sizes is not None else f"{head} {value}"
            )
    return ", ".join(parts)
