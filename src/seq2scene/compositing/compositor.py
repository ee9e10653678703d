"""Pictures of composites: patches pasted from the photos themselves where these are available, otherwise from
the store's thumbnails; and the photos that composites are compared with.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from seq2scene.compositing.packed_store import holds_patches
from seq2scene.compositing.pasting import Aspect, Edges, Rendering, as_pasted, paste, render
from seq2scene.compositing.patch_cutting import MARGIN, full_patches
from seq2scene.compositing.patch_store import PatchStore
from seq2scene.errors import UserError
from seq2scene.scenes.boxes import normalised
from seq2scene.scenes.images import open_photo
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.photos import Patches
from seq2scene.scenes.schema import Schema

SQUARES = 32  # of the checkerboard, along a side
GREYS = (214, 232)


@dataclass(frozen=True)
class Compositor:
    """Renders composites as pictures.

    store: holds the ``patches`` of the objects; an object without a patch shows nothing. photos: the folder
    of the photos that the patches were cut out of, from which each is read at the resolution that it is shown
    at; None: the store's small patches are used. schema: of the objects. aspect, edges: see
    ``pasting.paste``.

    All methods raise UserError for a photo that is missing, damaged, or not of the size in the store.
    """

    store: PatchStore
    photos: Path | None
    schema: Schema
    aspect: Aspect = "kept"
    edges: Edges = "hard"

    @classmethod
    def of_training(
        cls,
        store: PatchStore,
        photos: Path | str | None,
        schema: Schema,
        aspect: Aspect = "kept",
        edges: Edges = "hard",
    ) -> Self:
        """For composites that a model writes. If the folder ``photos`` is gone, prints a warning and uses the
        store's small patches; None: uses these.
        """
        folder = None if photos is None else _if_there(Path(photos), "photos=FOLDER says where they are now")
        return cls(store, folder, schema, aspect, edges)

    @classmethod
    def of_split(cls, store: PatchStore, photos: Path | str, schema: Schema) -> Self:
        """For the true scenes of a split, pasted from the patches of their own photos. If the folder
        ``photos`` is gone, as ``of_training``.
        """
        folder = _if_there(Path(photos), "data.root and data.photos say where they are")
        return cls(store, folder, schema)

    def steps(self, objects: Objects, side: int) -> list[np.ndarray]:
        """The first composite of ``objects`` step by step: the empty canvas, a checkerboard of two greys, and
        a picture after each object, (side, side, 3) uint8. Things cover what is there, stuff only fills free
        pixels.
        """
        objects = objects[:1].to("cpu")
        stuff = objects.classes[0] >= self.store.first_stuff
        empty = picture = empty_canvas(side)
        filled = torch.zeros(1, side, side)
        pictures = [as_pixels(picture)]
        for step, (colours, mask) in enumerate(self.layers(objects, side)):
            share, behind = (mask * (1 - filled), empty) if stuff[step] else (mask, picture)
            picture = picture + share * (colours - behind)
            filled = filled + mask * (1 - filled)
            pictures.append(as_pixels(picture))
        return pictures

    def layers(self, objects: Objects, side: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Each object of the first composite of ``objects`` alone on the canvas: its colours (3, side, side)
        from 0 to 255, and its mask (1, side, side) from 0 to 1.
        """
        objects = objects[:1].to("cpu")
        boxes = normalised(self.schema.boxes(objects)[0], self.schema.canvas)
        numbers = objects.patch_numbers()[0]
        lengths = self._lengths(numbers, boxes, side)
        for step in range(int(objects.present.sum())):
            patch = self._patch(numbers[step], lengths[step])
            (colours,), (mask,) = paste(patch, boxes[step : step + 1], (side, side), self.aspect, self.edges)
            yield colours, mask

    def render(self, objects: Objects, side: int, device: torch.device | str = "cpu") -> Rendering:
        """B composites as networks see them, black where nothing is, side x side pixels; pasted all at once
        on the ``device``.
        """
        objects = self.schema.with_end(objects.to("cpu"))
        objects = objects.cut(max(int(objects.present.sum(1).max()), 1))
        boxes = normalised(self.schema.boxes(objects), self.schema.canvas)
        numbers = objects.patch_numbers().ravel()
        if self.photos is None:
            patches = self.store.patches(numbers)
        else:
            lengths = self._lengths(numbers, boxes.flatten(0, 1), side)
            patches = _stacked([self._patch(*each) for each in zip(numbers, lengths, strict=True)])
        patches = patches.map(lambda tensor: tensor.to(device).unflatten(0, objects.classes.shape))
        classes, boxes = objects.classes.to(device), boxes.to(device)
        first_stuff = self.store.first_stuff
        return render(classes, boxes, patches, (side, side), first_stuff, self.aspect, self.edges)

    def photo(self, row: int, side: int, ground: Tensor | None = None) -> np.ndarray:
        """Photo ``row`` of the store where a canvas has it, at the bottom left: (side, side, 3) uint8.

        ground: (3, side, side), what is shown beyond the photo; None: the empty canvas.
        """
        extent = self.store.sizes[row]
        width, height = np.maximum(np.round(side * extent / extent.max()), 1).astype(int).tolist()
        if self.photos is None:
            square = self.store.photos(np.array([row]), np.zeros((1, 0), dtype=np.int64)).pictures[0]
            photo = Image.fromarray(square.permute(1, 2, 0).numpy())
            photo = photo.resize((side, side), Image.Resampling.BICUBIC)
            photo = photo.crop((0, side - height, width, side))
        else:
            photo = open_photo(self.photos / str(self.store.files[row]))
            photo = photo.resize((width, height), Image.Resampling.LANCZOS)
        canvas = Image.fromarray(as_pixels(empty_canvas(side) if ground is None else ground))
        canvas.paste(photo, (0, side - height))
        return np.array(canvas)

    def _patch(self, number: int, longest: int) -> Patches:
        """One patch; from a photo at most ``longest`` pixels long, as pasting it smaller would alias."""
        one = np.array([number])
        if self.photos is None:
            return self.store.patches(one)
        return full_patches(self.store, one, self.photos, longest)

    def _lengths(self, numbers: np.ndarray, boxes: Tensor, side: int) -> list[int]:
        """Pixels along the longer side of each patch (N,) as it is shown, margins included."""
        if self.aspect == "kept":
            boxes = as_pasted(boxes, torch.from_numpy(self.store.ratios[np.maximum(numbers, 0)]))
        pixels = (boxes[:, 2:] * side).amax(1).ceil().clamp(1, side)
        return (pixels.long() + 2 * (MARGIN + 1)).tolist()


def _stacked(patches: list[Patches]) -> Patches:
    """Batches of one patch each as one batch, padded to the largest; pictures repeat their border."""
    sizes = np.array([one.pictures.shape[2:] for one in patches])
    room = sizes.max(0) - sizes
    paddings = [((0, 0), (0, 0), (0, rows), (0, columns)) for rows, columns in room.tolist()]
    pairs = list(zip(patches, paddings, strict=True))
    pictures = [np.pad(one.pictures.numpy(), padding, mode="edge") for one, padding in pairs]
    masks = [np.pad(one.masks.numpy(), padding) for one, padding in pairs]
    return Patches(
        *(torch.from_numpy(np.concatenate(padded)) for padded in (pictures, masks)),
        *(torch.cat([getattr(one, name) for one in patches]) for name in ("boxes", "ratios")),
    )


def empty_canvas(side: int) -> Tensor:
    """A checkerboard, (3, side, side) from 0 to 255."""
    square = torch.arange(side) * SQUARES // side
    odd = (square.unsqueeze(1) + square) % 2
    return torch.tensor(GREYS, dtype=torch.float32)[odd].expand(3, -1, -1)


def as_pixels(picture: Tensor) -> np.ndarray:
    """(3, y, x) from 0 to 255 -> (y, x, 3) uint8, on the CPU."""
    return picture.to("cpu").round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


# Stores and photos that have moved since training


def relocated(
    description: Mapping[str, Any],
    patches: str | None,
    photos: str | None,
    edges: Edges | str | None = None,
    **others: str | None,
) -> dict[str, Any]:
    """A model's description with new folders of the store of patches and of the training photos, where they
    are given.

    edges, others: options, by their keys, that only composites have; checked here, but no part of it.

    Raises:
        UserError: any of these is given for a model that pastes no patches; a folder does not exist or holds
            no store; ``edges`` is unknown.
    """
    given = {"patches": patches, "photos": photos}
    if "patches" not in description:
        for key, value in {**given, "edges": edges, **others}.items():
            if value is not None:
                raise UserError(f"{key}: this model pastes no patches of photos; leave it out")
        return dict(description)
    if edges is not None and edges not in get_args(Edges):
        raise UserError(f"edges={edges} is not a choice; choose one of {', '.join(get_args(Edges))}")
    moved = {key: folder for key, folder in given.items() if folder is not None}
    for key, folder in moved.items():
        if not Path(folder).is_dir():
            raise UserError(f"{key}={folder}: there is no such folder")
    found = {**description, **moved}
    if not holds_patches(Path(found["patches"])):
        raise UserError(
            f"{found['patches']} holds no patches to write composites from: patches=FOLDER says where they "
            "are now; training cuts them anew where they are lost"
        )
    return found


def _if_there(folder: Path, hint: str) -> Path | None:
    if folder.is_dir():
        return folder
    _warn_small(folder, hint)
    return None


@cache
def _warn_small(folder: Path, hint: str) -> None:
    """Once per folder and process."""
    print(f"{folder}: the photos are gone, so pictures are of their small copies; {hint}", file=sys.stderr)
