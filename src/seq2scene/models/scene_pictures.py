"""Pictures of generated scenes."""

import numpy as np

from seq2scene.compositing.compositor import Compositor
from seq2scene.models.scene_writer import HEIGHT, SceneWriter
from seq2scene.plotting.layout_picture import draw_layout_steps
from seq2scene.plotting.scene_picture import draw_steps
from seq2scene.scenes.objects import Objects


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
