"""The layout desk: texts to labelled boxes."""

from typing import Any

from seq2scene.app.model_table import Offer
from seq2scene.app.requests import OfModel
from seq2scene.app.room import Action, Room
from seq2scene.app.scene_actions import actions, describe
from seq2scene.models.scene_writer import SceneWriter
from seq2scene.plotting.layout_picture import class_colour
from seq2scene.scenes.objects import FIRST_CLASS
from seq2scene.scenes.schema import aspects, sizes


def accepts(offer: Offer) -> bool:
    """Whether a model writes boxes."""
    return offer.kind is SceneWriter and offer.description["schema"]["sizes"] is None


def describe_boxes(model: SceneWriter) -> dict[str, Any]:
    """As ``describe``, with the colour of each class, and what the values of size (the square root of the
    area, as a share of the canvas) and aspect (width over height) stand for.
    """
    schema, found = model.schema, describe(model)
    for one, number in zip(found["classes"], range(FIRST_CLASS, schema.classes), strict=True):
        one["colour"] = "#{:02x}{:02x}{:02x}".format(*class_colour(number))
    tables = {
        name: table(schema.heads[name].classes).double().round(decimals=5).tolist()
        for name, table in (("size", sizes), ("aspect", aspects))
        if name in schema.heads
    }
    return {**found, "tables": tables}


LAYOUT_ROOM = Room(
    name="layout",
    title="Layouts",
    accepts=accepts,
    actions={**actions(accepts), "describe": Action(describe_boxes, {"model": OfModel(accepts)})},
)
