"""Composites made into photos by an inpainting network (Text2Scene, Tan et al. 2019)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from seq2scene.compositing.compositor import Compositor
from seq2scene.compositing.pasting import Rendering, stretched
from seq2scene.compositing.simulated_composites import put_back
from seq2scene.scenes.objects import Objects

CHUNK = 16  # composites per batch of the network


class InpaintingModel(Protocol):
    """side: pixels of its input and output. photo_side: pixels of the photos whose composites it was trained
    on, before these were cropped and stretched.
    """

    side: int
    photo_side: int
    device: torch.device

    def inpaint(self, composite: Rendering) -> Any:
        """B composites of side x side pixels -> an object whose ``pictures`` are (B, 3, side, side)."""


@torch.no_grad()
def inpaint(
    inpainter: InpaintingModel, scenes: Rendering, side: int | None = None, ground: Tensor | None = None
) -> Tensor:
    """Photos (B, 3, y, x) from 0 to 255 of B composites of any size, on their device. Each composite is
    cropped to the box around everything in it, stretched to the network's size, inpainted and put back; an
    empty one is inpainted as a whole.

    side: pixels of the photos, which are then square; None: as large as the composites. ground: (3, y, x),
    what is shown outside that box; None: black.
    """
    made = []
    for first in range(0, len(scenes.pictures), CHUNK):
        some = slice(first, first + CHUNK)
        scene = Rendering(scenes.pictures[some].float(), scenes.labels[some], scenes.masks[some].float())
        seen = stretched(scene, inpainter.side)
        seen = Rendering(*(each.to(inpainter.device) for each in (seen.pictures, seen.labels, seen.masks)))
        pictures = inpainter.inpaint(seen).pictures.to(scene.pictures.device)
        masks = scene.masks if side is None else F.interpolate(scene.masks, (side, side))
        photos = put_back(pictures, masks)
        if ground is not None:
            photos = photos.where(put_back(torch.ones_like(pictures), masks) > 0.5, ground.to(photos))
        made.append(photos)
    return torch.cat(made) if made else scenes.pictures


def photos_of(
    inpainter: InpaintingModel,
    objects: Objects,
    compositor: Compositor,
    side: int,
    ground: Tensor | None = None,
) -> Iterator[Tensor]:
    """The inpainted photo of each of B composites in turn: (3, side, side) from 0 to 255, on the inpainter's
    device.

    Composites are rendered as in the inpainter's training: as large as its photos, with hard edges. ground:
    see ``inpaint``.
    """
    compositor = replace(compositor, edges="hard")
    for first in range(0, len(objects), CHUNK):
        some = objects[first : first + CHUNK]
        scenes = compositor.render(some, inpainter.photo_side, inpainter.device)
        yield from inpaint(inpainter, scenes, side, ground)
