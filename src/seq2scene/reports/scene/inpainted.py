"""The inpainter that turns composites into photos, shared by the reports that show or score these."""

from functools import lru_cache

from seq2scene.errors import UserError
from seq2scene.models.inpainter import Inpainter
from seq2scene.models.loading import load_inpainter
from seq2scene.tasks.composites import CompositeTask
from seq2scene.tasks.task import Task


def inpainter_for(task: Task, path: str | None) -> Inpainter | None:
    """The inpainter of a checkpoint or run for the composites of ``task``; None without a path.

    Raises:
        UserError: the task writes no composites, or there is no such inpainter.
    """
    if path is None:
        return None
    if not isinstance(task, CompositeTask):
        raise UserError("inpainter: this model pastes no patches of photos; leave it out")
    return _loaded(path, tuple(task.schema.names))


@lru_cache(maxsize=1)
def _loaded(path: str, names: tuple[str, ...]) -> Inpainter:
    return load_inpainter(path, names)
