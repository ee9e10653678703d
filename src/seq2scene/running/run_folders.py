"""Folders of runs: each run has its own, and none that stands is written over unless that is asked for."""

import os
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from seq2scene.errors import UserError

RESULTS = ("*.ckpt", "metrics.csv", "metrics.json")  # what a run leaves, once all of its processes have met


def holds_run(folder: Path) -> bool:
    """Whether a run has left anything in ``folder``; not one that Slurm requeued, which goes on there."""
    if os.environ.get("SLURM_RESTART_COUNT", "0") != "0" and any(folder.glob("hpc_ckpt_*.ckpt")):
        return False
    return any(any(folder.glob(pattern)) for pattern in RESULTS)


def free_folder(path: str) -> str:
    """``path``, or the first of path-2, path-3, ... where neither a run nor the jobs of a sweep have been.

    All processes of a run find the same: none leaves results before all have met.
    """
    for number in count(1):
        folder = Path(path if number == 1 else f"{path}-{number}")
        if not any(map(holds_run, [folder, *(job for job in folder.glob("*") if job.is_dir())])):
            return str(folder)
    raise AssertionError


def claim(folder: Path, config: Mapping[str, Any], start: Path | None = None) -> None:
    """Raises UserError if ``folder`` holds results that would be written over without ``overwrite=true``.

    start: the checkpoint to go on from; a run may go on in its own folder.
    """
    own = start is not None and start.resolve().parent == folder.resolve()
    if holds_run(folder) and not own and not config["overwrite"]:
        raise UserError(
            f"{folder} holds a run already: choose another folder, or write over it: overwrite=true"
        )
