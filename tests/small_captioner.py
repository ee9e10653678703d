"""An untrained captioner of photos of 64 pixels, with random but reproducible weights."""

from pathlib import Path
from typing import Any

import torch

from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import Whitespace
from seq2scene.sequences.vocabulary import Vocabulary
from seq2scene.tasks.captioning import Captioning

SMALL = [
    "task=captioning",
    "data=coco_captions",
    "image_encoder.trunk=squeezenet1_1",
    "image_encoder.layer=features.3",
    "image_encoder.weights=none",
    "image_encoder.size=64",
    "model.annotations.size=5",
    "model.decoder.embedding_size=6",
    "model.decoder.hidden_size=8",
]
LANGUAGE = Language(Whitespace(), Vocabulary.count([["a", "red", "green", "blue", "square"]]))


def small_captioner(config: dict[str, Any]) -> Captioning:
    """From a config composed with ``SMALL``; its captions are arbitrary, of three words and no <unk>."""
    torch.manual_seed(0)
    task = Captioning(config, {"language": LANGUAGE.state()}).eval()
    with torch.no_grad():
        task.model.decoder.output.bias[:4] = torch.tensor([0.0, -20.0, 0.0, -20.0])  # pad, unk, bos, eos
    return task


def save(task: Captioning, path: Path) -> Path:
    torch.save({"state_dict": task.state_dict(), "hyper_parameters": dict(task.hparams)}, path)
    return path
