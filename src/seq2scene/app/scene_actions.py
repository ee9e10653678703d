"""What all rooms of scenes do: describe a model, write, arrange and check scenes, draw and read them."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import torch
from PIL import Image

from seq2scene.app import requests
from seq2scene.app.model_table import Offer
from seq2scene.app.room import Action, File
from seq2scene.app.text_facts import checked_sentences, is_checkable
from seq2scene.errors import UserError
from seq2scene.models.scene_pictures import scene_steps
from seq2scene.models.scene_records import read_records
from seq2scene.models.scene_writer import Scene, SceneWriter
from seq2scene.scenes.canonical_order import ranks
from seq2scene.scenes.objects import FIRST_CLASS
from seq2scene.scenes.scene_json import PlainObject
from seq2scene.scenes.scene_texts import denials
from seq2scene.search.stepwise import Sample

FRAME, LAST_FRAME = 700, 2500  # of an animation, in milliseconds
SCALES = {"png": 2.0, "gif": 1.0}  # pixels for each unit of the canvas of clip art
MOST_SAMPLES = 4
HEADS = {  # names of the values of clip art's attributes
    "size": ("near", "middle", "far"),
    "flip": ("facing right", "facing left"),
    "pose": ("arms out", "arms up", "kicking", "running", "kneeling", "sitting", "waving"),
    "expression": ("angry", "laughing", "smiling", "sad", "surprised"),
}


def describe(model: SceneWriter) -> dict[str, Any]:
    """What the page must know of a model: classes, attributes, canvas, limits."""
    schema, limits = model.schema, model.schema.limits()
    return {
        "canvas": list(schema.canvas),
        "scales": list(schema.scales),
        "sentences": schema.sentences,
        "max_objects": schema.max_objects,
        "heads": {name: _values(model, name) for name in schema.heads},
        "classes": [
            {
                "name": schema.name(number),
                "title": schema.title(number),
                "heads": [name for name in schema.heads if bool(schema.has(name)[number])],
                "most": None if limits is None else int(limits[number]),
            }
            for number in range(FIRST_CLASS, schema.classes)
        ],
    }


def _values(model: SceneWriter, head: str) -> list[str]:
    count, names = model.schema.heads[head].classes, HEADS.get(head, ())
    if values := model.schema.heads[head].values:
        return list(values)
    clip_art = model.schema.sizes is not None
    return list(names) if clip_art and len(names) == count else [str(number) for number in range(count)]


def write(
    model: SceneWriter, text: str, given: list[PlainObject], samples: int, seed: int, temperature: float
) -> dict[str, Any]:
    """Scenes of a text that go on from given objects: the best one, or several samples."""
    read = sentences(model, text)
    if samples == 1:
        (scenes,) = model.scenes([text], given=[given])
    else:
        search = _sampling(model, samples, temperature)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            (scenes,) = model.scenes([text], search, given=[given])
    return {
        "sentences": read,
        "words": model.words(read),
        "unknown": model.unknown(text),
        "denials": denials(text),
        "scenes": [_plain(model, scene) for scene in scenes],
    }


def sentences(model: SceneWriter, text: str) -> list[str]:
    """A text as the model reads it. Raises UserError if it has too many sentences."""
    read, most = model.sentences(text), model.schema.sentences
    if len(read) > most:
        raise UserError(f"this model reads at most {most} sentences, but there are {len(read)}: remove some")
    return read


def _sampling(model: SceneWriter, samples: int, temperature: float) -> Sample:
    own = model.search
    limits = {name: getattr(own, name) for name in ("max_ratio", "max_extra", "max_length", "min_length")}
    return Sample(
        **limits, num_samples=samples, temperature=temperature, place_temperature=temperature, top_p=0.95
    )


def _plain(model: SceneWriter, scene: Scene) -> dict[str, Any]:
    """A scene's objects, and for each the attention over the words when it was chosen and placed."""
    words = len(model.words(scene.sentences))
    written = scene.written

    def rows(weights: torch.Tensor | None) -> list[list[float]] | None:
        if weights is None or not words:
            return None
        return weights[0, : len(scene.objects), :words].double().round(decimals=4).tolist()

    return {
        "objects": list(scene.objects),
        "log_prob": round(scene.log_prob, 4),
        "chosen": rows(written.object_attention),
        "placed": rows(written.attribute_attention),
    }


def check(model: SceneWriter, text: str, objects: list[PlainObject]) -> dict[str, Any]:
    """``order``: the numbers of edited objects in the order in which the model would have placed them.
    ``sentences``: what the text states and whether it holds, see ``text_facts``; ``checkable``: whether this
    can be said of the model's scenes. Raises UserError unless all objects are of the model.
    """
    model.read_given([objects], name="scene")
    schema = model.schema
    placed = read_records([objects], ["scene"], schema, model.store)
    (rank,), checkable = ranks(placed, schema), is_checkable(schema)
    return {
        "order": sorted(range(len(objects)), key=rank.__getitem__),
        "checkable": checkable,
        "sentences": checked_sentences(" ".join(model.sentences(text)), placed, schema) if checkable else [],
    }


def draw(model: SceneWriter, objects: list[PlainObject], form: str) -> File:
    """A scene as a picture, or as an animation that adds object after object."""
    standing = model.read_given([objects], name="scene").to("cpu")
    steps = scene_steps(model, standing, SCALES[form], model.compositor())
    frames, buffer = [Image.fromarray(step) for step in steps], BytesIO()
    if form == "png":
        frames[-1].save(buffer, "PNG")
    else:
        durations = [FRAME] * (len(frames) - 1) + [LAST_FRAME]
        frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return File(buffer.getvalue(), f"image/{form}", f"scene.{form}")


def actions(accepts: Callable[[Offer], bool]) -> dict[str, Action]:
    """The actions of a room whose models are those that it ``accepts``."""
    model, objects = requests.OfModel(accepts), requests.objects
    asked = {
        "text": requests.text(),
        "given": objects,
        "samples": requests.whole(1, MOST_SAMPLES, 1),
        "seed": requests.whole(0, 2**31 - 1, 1),
        "temperature": requests.number(0.1, 3, 1.0),
    }
    return {
        "describe": Action(describe, {"model": model}),
        "write": Action(write, {"model": model, **asked}),
        "check": Action(check, {"model": model, "text": requests.text(), "objects": objects}),
        "draw": Action(draw, {"model": model, "objects": objects, "form": requests.choice("png", "gif")}),
    }
