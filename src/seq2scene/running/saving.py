"""Atomic saving of checkpoints: written to a temporary file in the same folder, then renamed."""

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from seq2scene.caching import draft
from seq2scene.errors import UserError

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"  # of a run, the newest first


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoint plugin, with ``save_whole``; the last.ckpt before becomes previous.ckpt."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str, storage_options: Any = None) -> None:
        keep = Path(path).with_name(PREVIOUS) if Path(path).name == LAST else None
        save_whole(checkpoint, Path(path), keep)


def save_whole(checkpoint: dict[str, Any], path: Path, keep: Path | None = None) -> None:
    """Writes a temporary file and renames it to ``path``, so that an old file survives a failure. It has the
    CRC-32s by which ``load_checkpoint`` finds changed bytes.

    keep: where the file that was at ``path`` remains.

    Raises UserError if it cannot be written.
    """
    try:
        with draft(path) as part:
            with part.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            if keep is not None and path.exists():
                copy(path, keep)
        _synchronise(path.parent)
    except (OSError, RuntimeError) as error:
        cause = (
            error if isinstance(error, OSError) else error.__context__
        )  # the system's error is more specific than torch's
        if not isinstance(cause, OSError):
            raise
        before = "; the previous one is unchanged" if path.exists() else ""
        raise UserError(f"{path} cannot be written: {cause.strerror}{before}") from error


def copy(path: Path, target: Path) -> None:
    """Makes ``target`` a second name of a file that is only ever replaced, or a copy where the file system
    has no links. ``target`` appears complete or not at all.
    """
    with draft(target) as part:
        try:
            os.link(path, part)
        except OSError:
            shutil.copyfile(path, part)
            with part.open("rb") as file:
                os.fsync(file.fileno())
    _synchronise(target.parent)


def _synchronise(folder: Path) -> None:
    """Makes renamings in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
