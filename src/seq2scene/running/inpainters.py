"""Inpainters of other runs, asked for photos of composites."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from seq2scene.compositing.pasting import Rendering, stretched
from seq2scene.compositing.simulated_composites import put_back
from seq2scene.running.composite_drawing import render_composites
from seq2scene.running.patch_sources import PatchSource
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Schema
from seq2scene.tasks.inpainting import InpaintingTask
from seq2scene.tasks.loading import load_beside, require_same_classes

CHUNK = 16  # composites that the net is given together


def load_inpainter(path: str | Path, names: Sequence[str] | None = None) -> InpaintingTask:
    """The inpainter of a checkpoint, or of a run's best one, ready to be asked.

    names: of the object classes of the composites that it shall make photos of.

    Raises:
        UserError: there is no such checkpoint, it is of another task, or it learnt other classes.
    """
    task = load_beside("inpainter", path, "inpainting")
    assert isinstance(task, InpaintingTask)
    if names is not None:
        require_same_classes(task.names, names, f"inpainter={path}")
    return task


@torch.no_grad()
def inpaint(
    task: InpaintingTask, scenes: Rendering, side: int | None = None, ground: Tensor | None = None
) -> Tensor:
    """Photos (B, 3, y, x) from 0 to 255 of B composites of any size, on their device: each one is cut to the
    box around all that is in it, stretched to the size that was learnt, made anew and put back. Where nothing
    is in a scene, the box is the whole canvas.

    side: pixels of the photos, which are square then; None: they are as large as the composites. ground:
    (3, y, x), what is shown outside that box; None: black.
    """
    made = []
    for first in range(0, len(scenes.pictures), CHUNK):
        some = slice(first, first + CHUNK)
        scene = Rendering(scenes.pictures[some].float(), scenes.labels[some], scenes.masks[some].float())
        seen = stretched(scene, task.side)
        seen = Rendering(*(part.to(task.device) for part in (seen.pictures, seen.labels, seen.masks)))
        pictures = task.inpaint(seen).pictures.to(scene.pictures.device)
        masks = scene.masks if side is None else F.interpolate(scene.masks, (side, side))
        photos = put_back(pictures, masks)
        if ground is not None:
            photos = photos.where(put_back(torch.ones_like(pictures), masks) > 0.5, ground.to(photos))
        made.append(photos)
    return torch.cat(made) if made else scenes.pictures


def photos_of(
    task: InpaintingTask,
    objects: Objects,
    schema: Schema,
    source: PatchSource,
    side: int,
    ground: Tensor | None = None,
) -> Iterator[Tensor]:
    """What is made of B composites, one after the other: (3, side, side) from 0 to 255, on the inpainter's
    device.

    The inpainter is given the composites as it has learnt from them: as large as its own photos were, with
    hard edges. source: where the patches of ``objects`` are. ground: see ``inpaint``.
    """
    learnt = task.config["data"]["composites"]["photo_side"]
    for first in range(0, len(objects), CHUNK):
        scenes = render_composites(
            source.store,
            source.photos,
            objects[first : first + CHUNK],
            schema,
            learnt,
            source.aspect,
            device=task.device,
        )
        yield from inpaint(task, scenes, side, ground)
