"""Where the patches of composites are: the stores they are numbers in and the photos they were cut out of,
which may have moved since training.
"""

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self, get_args

from seq2scene.compositing.pasting import Aspect, Edges
from seq2scene.compositing.patch_store import FACTS, PatchStore
from seq2scene.errors import UserError


@dataclass(frozen=True)
class PatchSource:
    """What composites are drawn from. A task here, or a model, has a description, a config and a store. photos: the folder of those that the patches were cut out of, None
    where they are not at hand. aspect, edges: how patches are pasted, see ``compositing.pasting``.
    """

    store: PatchStore
    photos: Path | None
    aspect: Aspect = "kept"
    edges: Edges = "hard"

    @classmethod
    def of_training(cls, task: Any, edges: Edges = "hard") -> Self | None:
        """Of the scenes that a task writes, which is stocked; None where these are no composites."""
        if "patches" not in task.description:
            return None
        photos = _at_hand(Path(task.description["photos"]), "photos=FOLDER says where they are now")
        return cls(task.store, photos, task.config["canvas"].get("aspect", "kept"), edges)

    @classmethod
    def of_split(cls, task: Any, data: Any, split: str) -> Self | None:
        """Of the true scenes of a split; None where these are no composites."""
        if "patches" not in task.description:
            return None
        photos = _at_hand(data.photo_folder(split), "data.root and data.photos say where they are")
        return cls(data.stores[split], photos)


def find_patches(
    task: Any,
    patches: str | None,
    photos: str | None,
    edges: Edges | str | None = None,
    **others: str | None,
) -> None:
    """Tells a task that what it writes composites from is in other folders now: the store of patches, and the
    photos that they were cut out of.

    others: by key, what else is asked for that has a meaning for composites alone.

    Raises:
        UserError: one of these is given for a task without patches; there is no such folder, no store, or no
            such choice of edges.
    """
    if "patches" not in task.description:
        for key, value in {"patches": patches, "photos": photos, "edges": edges, **others}.items():
            if value is not None:
                raise UserError(f"{key}: this model pastes no patches of photos; leave it out")
        return
    if edges is not None and edges not in get_args(Edges):
        raise UserError(f"edges={edges} is not a choice; choose one of {', '.join(get_args(Edges))}")
    given = {key: folder for key, folder in (("patches", patches), ("photos", photos)) if folder is not None}
    for key, folder in given.items():
        if not Path(folder).is_dir():
            raise UserError(f"{key}={folder}: there is no such folder")
    task.description = {**task.description, **given}
    if not (Path(task.description["patches"]) / FACTS).is_file():
        raise UserError(
            f"{task.description['patches']} holds no patches to write composites from: patches=FOLDER says "
            "where they are now; training cuts them anew where they are lost"
        )


def _at_hand(folder: Path, hint: str) -> Path | None:
    if folder.is_dir():
        return folder
    _tell_small(folder, hint)
    return None


@cache
def _tell_small(folder: Path, hint: str) -> None:
    """Once for each folder in a process."""
    print(f"{folder}: the photos are gone, so pictures are of their small copies; {hint}", file=sys.stderr)
