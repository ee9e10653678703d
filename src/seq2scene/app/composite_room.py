"""The desk of composites: texts to scenes pasted from patches of photos, and photos made of these."""

from base64 import b64encode
from io import BytesIO
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from seq2scene.app.layout_room import describe_boxes
from seq2scene.app.model_table import Offer
from seq2scene.app.requests import OfModel, objects
from seq2scene.app.room import Action, File, Room
from seq2scene.app.scene_actions import actions
from seq2scene.compositing.compositor import as_pixels, empty_canvas
from seq2scene.compositing.inpainting import photos_of
from seq2scene.errors import UserError
from seq2scene.models.composite_writer import CompositeWriter
from seq2scene.models.inpainter import Inpainter
from seq2scene.models.loading import require_same_classes
from seq2scene.models.scene_records import read_records
from seq2scene.scenes.scene_json import PlainObject

SIDE = 400  # pixels of a composite on the page


def accepts(offer: Offer) -> bool:
    """Whether a model writes composites."""
    return issubclass(offer.kind, CompositeWriter)


def is_inpainter(offer: Offer) -> bool:
    return issubclass(offer.kind, Inpainter)


def describe_patches(model: CompositeWriter) -> dict[str, Any]:
    """As ``describe_boxes``, with which classes are stuff: what is placed later only fills what is free."""
    found, things = describe_boxes(model), model.schema.things
    for number, one in enumerate(found["classes"]):
        one["stuff"] = things is not None and number >= things
    return {**found, "side": SIDE}


def layers(model: CompositeWriter, objects: list[PlainObject]) -> dict[str, Any]:
    """For each object its patch as it is pasted on a canvas of SIDE pixels: an address with the picture in
    it, and where it is; None for an object without a patch.
    """
    model.read_given([objects], name="scene")
    placed = read_records([objects], ["scene"], model.schema, model.store)
    drawn = model.compositor().layers(placed, SIDE)
    return {"layers": [_layer(colours, mask) for colours, mask in drawn]}


def _layer(colours: Tensor, mask: Tensor) -> dict[str, Any] | None:
    rows, columns = (mask[0].amax(axis) > 0 for axis in (1, 0))
    if not bool(rows.any()):
        return None
    top, bottom = (int(at) for at in rows.nonzero()[[0, -1], 0])
    left, right = (int(at) for at in columns.nonzero()[[0, -1], 0])
    pixels = as_pixels(torch.cat([colours, 255 * mask]))[top : bottom + 1, left : right + 1]
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels), "RGBA").save(buffer, "PNG")
    return {
        "src": f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}",
        **{"x": left, "y": top, "width": right + 1 - left, "height": bottom + 1 - top},
    }


def inpaint(model: CompositeWriter, inpainter: Inpainter, objects: list[PlainObject]) -> File:
    """The photo that an inpainter makes of a composite."""
    require_same_classes(inpainter.names, model.schema.names, "inpainter")
    placed = model.read_given([objects], name="scene")
    with torch.inference_mode():
        (photo,) = photos_of(inpainter, placed, model.compositor(), SIDE, empty_canvas(SIDE))
    buffer = BytesIO()
    Image.fromarray(as_pixels(photo)).save(buffer, "PNG")
    return File(buffer.getvalue(), "image/png", "photo.png")


def without_folder(action: Action) -> Action:
    """The action with error messages that do not say where on this machine the model's patches are."""

    def run(model: CompositeWriter, **fields: Any) -> dict[str, Any] | File:
        try:
            return action.run(model=model, **fields)
        except UserError as error:
            if model.decoder.retrieval is None:
                raise
            raise UserError(str(error).replace(str(model.store.folder), "this model's patches")) from None

    return Action(run, action.fields)


ACTIONS = {
    **actions(accepts),
    "describe": Action(describe_patches, {"model": OfModel(accepts)}),
    "layers": Action(layers, {"model": OfModel(accepts), "objects": objects}),
    "inpaint": Action(
        inpaint, {"model": OfModel(accepts), "inpainter": OfModel(is_inpainter), "objects": objects}
    ),
}
COMPOSITE_ROOM = Room(
    name="composite",
    title="Composites",
    accepts=accepts,
    actions={name: without_folder(action) for name, action in ACTIONS.items()},
)
