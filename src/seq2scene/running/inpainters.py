"""Inpainters of other runs, for composites."""

from collections.abc import Sequence
from pathlib import Path

from seq2scene.running.checkpoints import load_beside, require_same_classes
from seq2scene.tasks.inpainting import InpaintingTask


def load_inpainter(path: str | Path, names: Sequence[str] | None = None) -> InpaintingTask:
    """The inpainter of a checkpoint, or of a run's best one, in evaluation mode.

    names: of the object classes of the composites that it will be given.

    Raises:
        UserError: there is no such checkpoint, it is of another task, or it was trained on other classes.
    """
    task = load_beside("inpainter", path, "inpainting")
    assert isinstance(task, InpaintingTask)
    if names is not None:
        require_same_classes(task.names, names, f"inpainter={path}")
    return task
