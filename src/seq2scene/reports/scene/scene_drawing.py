"""Pictures of what is true of a test set of scenes."""

from typing import Any

import numpy as np

from seq2scene.models.scene_pictures import scene_steps
from seq2scene.models.scene_writer import HEIGHT
from seq2scene.tasks.scenes import SceneTask


def true_pictures(task: SceneTask, data: Any, split: str, row: int) -> dict[str, np.ndarray]:
    """What a sample of a split really shows: ``true``, its scene drawn as the model's own are, and of
    composites ``photo``, the photo it was cut out of.
    """
    compositor = data.compositor(split)
    pictures = {"true": scene_steps(task.model, data.truth(split)[row : row + 1], compositor=compositor)[-1]}
    if compositor is not None:
        photo = int(np.searchsorted(compositor.store.image_ids, data.scene_ids(split)[row]))
        pictures["photo"] = compositor.photo(photo, HEIGHT)
    return pictures
