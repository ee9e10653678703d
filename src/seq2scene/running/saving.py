"""Atomic saving of checkpoints: written to a temporary file, then renamed."""

import os
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from seq2scene.caching import draft
from seq2scene.errors import UserError


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoint plugin, with ``save_whole``."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str, storage_options: Any = None) -> None:
        save_whole(checkpoint, Path(path))


def save_whole(checkpoint: dict[str, Any], path: Path) -> None:
    """Writes a temporary file and renames it to ``path``, so that an old file survives a failure.

    Raises UserError if it cannot be written.
    """
    try:
        with draft(path) as part, part.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        cause = (
            error if isinstance(error, OSError) else error.__context__
        )  # the system's error is more specific than torch's
        if not isinstance(cause, OSError):
            raise
        before = "; the previous one is unchanged" if path.exists() else ""
        raise UserError(f"{path} cannot be written: {cause.strerror}{before}") from error
