"""Photos for a captioner, and pictures of where it looked at them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from seq2scene.data.images import read_photo
from seq2scene.painting.image_attention import draw_image_attention
from seq2scene.search.hypotheses import Hypotheses
from seq2scene.sequences.caption_batch import CaptionBatch
from seq2scene.tasks.captioning import Captioning


def photo_batch(task: Captioning, photos: Sequence[Path]) -> CaptionBatch:
    """Files as a batch on the task's device, without captions: each target is empty but for EOS.

    Raises UserError for files that are no pictures.
    """
    encoder = task.net.encoder
    images = torch.stack([read_photo(photo, encoder.size, encoder.resize) for photo in photos])
    target = task.language.batch([""] * len(photos), eos=True)
    return CaptionBatch(images, target, torch.arange(len(photos))).to(task.device)


def draw_caption(task: Captioning, batch: CaptionBatch, found: Hypotheses, row: int) -> np.ndarray | None:
    """The best caption of image ``row``, (height, width, 3) uint8: the square that the encoder saw, then
    where each word looked. None without weights.

    found: of the search with ``keep_weights``.
    """
    if found.weights is None:
        return None
    words = task.language.tokens(found.tokens[row, 0])
    weights = found.weights[row, 0, : len(words)].unflatten(1, task.net.encoder.map_size)
    return draw_image_attention(batch.images[row].permute(1, 2, 0).cpu().numpy(), weights, words)
