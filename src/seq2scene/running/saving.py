"""Checkpoints written beside what stands, and put in its place once they are whole."""

import os
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from seq2scene.caching import draft
from seq2scene.errors import UserError


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoints, by ``save_whole``."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str, storage_options: Any = None) -> None:
        save_whole(checkpoint, Path(path))


def save_whole(checkpoint: dict[str, Any], path: Path) -> None:
    """Writes a file beside ``path`` and renames it, so that what stood there stays whole where that fails.

    Raises UserError if it cannot be written.
    """
    try:
        with draft(path) as part, part.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        cause = error if isinstance(error, OSError) else error.__context__  # torch says less than the system
        if not isinstance(cause, OSError):
            raise
        before = "; the one before it stands" if path.exists() else ""
        raise UserError(f"{path} cannot be written: {cause.strerror}{before}") from error
