"""Pictures of what a scene model writes: scenes, and strips of how they came about."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from seq2scene.data.scene_texts import SceneTexts
from seq2scene.plotting.layout_picture import draw_layout_steps
from seq2scene.plotting.scene_picture import draw_steps
from seq2scene.plotting.scene_strip import Step, draw_strip
from seq2scene.running.composite_drawing import composite_steps, photo_picture
from seq2scene.running.patch_sources import PatchSource
from seq2scene.scenes.objects import Objects
from seq2scene.tasks.scenes import SceneTask, Written

EXPRESSIONS = ("angry", "laughing", "smiling", "sad", "surprised")
POSES = ("arms out", "arms up", "kicking", "running", "kneeling", "sitting", "waving")
SIZES = ("near", "middle", "far")


HEIGHT = 400  # pixels of a picture at scale 1


def scene_steps(
    task: SceneTask, objects: Objects, scale: float = 1.0, source: PatchSource | None = None
) -> list[np.ndarray]:
    """The pictures of the first scene of ``objects``, the empty canvas first, 400 pixels high at scale 1.

    source: where the patches of composites are; without it their boxes are drawn, as of a layout.
    """
    schema, side = task.schema, round(HEIGHT * scale)
    if schema.sizes is not None:
        return draw_steps(objects, schema, task.description["pictures"], scale)
    if source is None:
        return draw_layout_steps(objects, schema, side)
    return composite_steps(source.store, source.photos, objects, schema, side, source.aspect, source.edges)


def true_pictures(task: SceneTask, data: Any, split: str, row: int) -> dict[str, np.ndarray]:
    """What a sample of a split truly shows, by what to call it: ``true``, the true scene as the model's own
    are drawn, and of a composite ``photo``, what it was cut out of.
    """
    source = PatchSource.of_split(task, data, split)
    pictures = {"true": scene_steps(task, data.truth(split)[row : row + 1], source=source)[-1]}
    if source is not None:
        photo = int(np.searchsorted(source.store.image_ids, data.scene_ids(split)[row]))
        pictures["photo"] = photo_picture(source.store, source.photos, photo, HEIGHT)
    return pictures


def strip_of(
    task: SceneTask,
    written: Written,
    row: int,
    words: Sequence[str],
    truth: np.ndarray | None = None,
    heading: str = "",
    source: PatchSource | None = None,
) -> np.ndarray:
    """One written scene step by step, with the words as the object decoder looked at them (as the attribute
    decoder did where only that has an attention), and the true scene beside it.

    words: those of the text as the model read them, EOS last. truth: a picture of the true scene.
    source: where the patches of composites are; None: where they were in training.
    """
    objects = written.objects[row : row + 1].to("cpu")
    empty, *pictures = scene_steps(task, objects, source=source or PatchSource.of_training(task))
    chosen, placed = written.object_attention, written.attribute_attention
    weights = placed if chosen is None else chosen
    steps = [
        Step(
            picture,
            describe(task, objects, step),
            None if weights is None else weights[row, step, : len(words)].tolist(),
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
    """The words of a scene's text as the model reads them: those it does not know left out, and EOS."""
    vocabulary = texts.language.vocabulary
    ids = [number for row in texts.rows(sentences) for number in row]
    return ["(end)" if number == vocabulary.eos else vocabulary.tokens([number])[0] for number in ids]
