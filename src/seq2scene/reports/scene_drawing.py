"""Pictures of what a scene model writes: scenes, and strips of how they were built up."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from seq2scene.compositing.compositor import Compositor
from seq2scene.data.scene_texts import SceneTexts
from seq2scene.plotting.layout_picture import draw_layout_steps
from seq2scene.plotting.scene_picture import draw_steps
from seq2scene.plotting.scene_strip import Step, draw_strip
from seq2scene.scenes.objects import Objects
from seq2scene.tasks.scenes import SceneTask, Written

EXPRESSIONS = ("angry", "laughing", "smiling", "sad", "surprised")
POSES = ("arms out", "arms up", "kicking", "running", "kneeling", "sitting", "waving")
SIZES = ("near", "middle", "far")
HEIGHT = 400  # pixels of a picture at scale 1


def scene_steps(
    task: SceneTask, objects: Objects, scale: float = 1.0, compositor: Compositor | None = None
) -> list[np.ndarray]:
    """Pictures of the first scene of ``objects`` after each step, beginning with the empty canvas, 400 pixels
    high at scale 1.

    compositor: of composites; without it their boxes are drawn, as those of a layout.
    """
    schema, side = task.schema, round(HEIGHT * scale)
    if schema.sizes is not None:
        return draw_steps(objects, schema, task.description["pictures"], scale)
    if compositor is None:
        return draw_layout_steps(objects, schema, side)
    return compositor.steps(objects, side)


def true_pictures(task: SceneTask, data: Any, split: str, row: int) -> dict[str, np.ndarray]:
    """What a sample of a split really shows: ``true``, its scene drawn as the model's own are, and of
    composites ``photo``, the photo it was cut out of.
    """
    compositor = data.compositor(split)
    pictures = {"true": scene_steps(task, data.truth(split)[row : row + 1], compositor=compositor)[-1]}
    if compositor is not None:
        photo = int(np.searchsorted(compositor.store.image_ids, data.scene_ids(split)[row]))
        pictures["photo"] = compositor.photo(photo, HEIGHT)
    return pictures


def strip_of(
    task: SceneTask,
    written: Written,
    row: int,
    words: Sequence[str],
    truth: np.ndarray | None = None,
    heading: str = "",
    compositor: Compositor | None = None,
) -> np.ndarray:
    """One written scene step by step, over the words weighted by the attention of the object decoder (of the
    attribute decoder where only that has one), with the true scene beside it.

    words: those of the text as the model read them, EOS last. truth: a picture of the true scene.
    compositor: of composites; None: the task's own.
    """
    objects = written.objects[row : row + 1].to("cpu")
    empty, *pictures = scene_steps(task, objects, compositor=compositor or task.compositor())
    decoder = task.net.decoder
    weights = None
    if decoder.object_decoder.attention is not None:
        weights = written.object_attention[row]
    elif decoder.attribute_decoder.attention is not None:
        weights = written.attribute_attention[row]
    steps = [
        Step(
            picture,
            describe(task, objects, step),
            None if weights is None else weights[step, : len(words)].tolist(),
        )
        for step, picture in enumerate(pictures)
    ]
    if not steps:
        steps = [Step(empty, "nothing")]
    return draw_strip(steps, words, truth, heading=heading)


def describe(task: SceneTask, objects: Objects, step: int) -> str:
    """An object and its attributes in words: "Mike, near, to the left, running, sad"."""
    schema = task.schema
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


def words_of(texts: SceneTexts, sentences: Sequence[str]) -> list[str]:
    """The words of a scene's text as the model reads them, without those it does not know, EOS last."""
    vocabulary = texts.language.vocabulary
    ids = [number for row in texts.rows(sentences) for number in row]
    return ["(end)" if number == vocabulary.eos else vocabulary.tokens([number])[0] for number in ids]
