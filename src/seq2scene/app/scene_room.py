"""The scene desk: texts to scenes of clip art."""

from math import prod
from typing import Any

from seq2scene.app.model_table import Offer
from seq2scene.app.requests import OfModel
from seq2scene.app.room import Action, File, Room
from seq2scene.app.scene_actions import actions, describe
from seq2scene.errors import UserError
from seq2scene.models.scene_writer import SceneWriter
from seq2scene.scenes.canonical_order import class_types
from seq2scene.scenes.sprites import BACKGROUND, open_picture, picture_name


def accepts(offer: Offer) -> bool:
    """Whether a model writes scenes of clip art."""
    return offer.kind is SceneWriter and offer.description["schema"]["sizes"] is not None


def describe_clip_art(model: SceneWriter) -> dict[str, Any]:
    """As ``describe``, with the name and the size in pixels of each class's pictures, by variant, the
    attributes that make variants (``Schema.variant``), each with the number of its values, and what the order
    of painting depends on (``painting_ranks``).
    """
    schema, pictures = model.schema, model.description["pictures"]
    assert schema.sizes is not None, "a writer of clip art"
    counts = schema.sizes.shape[1:-1]
    found = describe(model)
    for one, name, kind in zip(found["classes"], schema.names, class_types(schema), strict=True):
        varies = bool({*schema.variants} & {*one["heads"]})
        numbers = range(prod(counts) if varies else 1)
        one["pictures"] = [picture_name(pictures, name, number) for number in numbers]
        one["sky"] = kind == 0
        one["sizes"] = [list(open_picture(pictures, picture).size) for picture in one["pictures"]]
    variants = dict(zip(schema.variants, counts, strict=True))
    return {**found, "background": BACKGROUND, "variants": variants, "depths": schema.depths}


def sprite(model: SceneWriter, name: str) -> File | None:
    """A picture of the model's clip art. Names are looked up among the model's own, never on the disk."""
    pictures = model.description["pictures"]
    if name not in pictures:
        return None
    try:
        open_picture(pictures, name)
    except UserError:
        return None  # a checkpoint may hold anything
    return File(pictures[name].numpy().tobytes(), "image/png")


SCENE_ROOM = Room(
    name="scene",
    title="Scenes",
    accepts=accepts,
    actions={
        **actions(accepts),
        "describe": Action(describe_clip_art, {"model": OfModel(accepts)}),
    },
    picture=sprite,
)
