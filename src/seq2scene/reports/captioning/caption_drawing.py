"""Batches of photos and layouts for a captioner, and pictures of where it looked at them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from seq2scene.data.captions.caption_module import CaptionModule
from seq2scene.plotting.image_attention import box_maps, draw_image_attention
from seq2scene.plotting.layout_picture import draw_layout
from seq2scene.scenes.images import read_photo
from seq2scene.scenes.objects import Objects
from seq2scene.search.hypotheses import Hypotheses
from seq2scene.sequences.caption_batch import CaptionBatch
from seq2scene.tasks.captioning import Captioning

SIDE = 400  # pixels of a layout's picture


def photo_batch(task: Captioning, photos: Sequence[Path]) -> CaptionBatch:
    """Files as a batch on the task's device, without captions: each target is EOS alone.

    Raises:
        UserError: a file is not a picture.
    """
    encoder = task.model.photo_encoder()
    images = torch.stack([read_photo(photo, encoder.size, encoder.resize) for photo in photos])
    target = task.language.batch([""] * len(photos), eos=True)
    return CaptionBatch(images, target, torch.arange(len(photos))).to(task.device)


def split_batch(task: Captioning, data: CaptionModule, split: str, rows: Sequence[int]) -> CaptionBatch:
    """Images of a split, by their numbers, as a batch like that of ``photo_batch``."""
    shown = {"images": None, **data.drawable(split, np.asarray(rows))}
    target = task.language.batch([""] * len(rows), eos=True)
    return CaptionBatch(**shown, target=target, rows=torch.tensor(rows)).to(task.device)


def draw_caption(task: Captioning, batch: CaptionBatch, found: Hypotheses, row: int) -> np.ndarray | None:
    """A picture (height, width, 3) uint8 of the best caption of image ``row`` of a batch: the square that the
    encoder saw, or the layout, then where each word looked. None without attention weights.

    found: the result of a search with ``keep_weights``.
    """
    if found.weights is None:
        return None
    words = task.language.tokens(found.tokens[row, 0])
    weights = found.weights[row, 0, : len(words)]
    if batch.layouts is not None and task.schema is not None:
        layout = batch.layouts.to("cpu")
        classes, boxes = layout.classes[row : row + 1], layout.boxes[row : row + 1]
        places, extents = boxes.split(2, dim=2)
        square = replace(task.schema, canvas=(1.0, 1.0))
        picture = draw_layout(Objects(classes, places, {}, extents), square, SIDE)
        return draw_image_attention(picture, box_maps(weights.cpu(), boxes[0]), words)
    assert batch.images is not None, "of photos, batches to draw have the images"
    weights = weights.unflatten(1, task.model.photo_encoder().map_size)
    return draw_image_attention(batch.images[row].permute(1, 2, 0).cpu().numpy(), weights, words)
