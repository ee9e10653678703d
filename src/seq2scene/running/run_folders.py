"""Run folders: each run has its own, and an existing one is overwritten only with ``overwrite=true``."""

import os
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from seq2scene.errors import UserError

RESULTS = (
    "*.ckpt",
    "metrics.csv",
    "metrics.json",
)  # what a run writes, once all of its processes have started


def holds_run(folder: Path) -> bool:
    """Whether ``folder`` holds results of a run; a job requeued by Slurm may continue in its own."""
    if os.environ.get("SLURM_RESTART_COUNT", "0") != "0" and any(folder.glob("hpc_ckpt_*.ckpt")):
        return False
    return any(any(folder.glob(pattern)) for pattern in RESULTS)


def free_folder(path: str) -> str:
    """``path``, or the first of path-2, path-3, ... not used by a run or the jobs of a sweep.

    All processes of a run find the same one, as none writes results before all have started.
    """
    for number in count(1):
        folder = Path(path if number == 1 else f"{path}-{number}")
        if not any(map(holds_run, [folder, *(job for job in folder.glob("*") if job.is_dir())])):
            return str(folder)
    raise AssertionError


def claim(folder: Path, config: Mapping[str, Any], start: Path | None = None) -> None:
    """Raises UserError if ``folder`` holds results and ``overwrite`` is false.

    start: the checkpoint to resume from; a run may continue in its own folder.
    """
    own = start is not None and start.resolve().parent == folder.resolve()
    if holds_run(folder) and not own and not config["overwrite"]:
        raise UserError(
            f"{folder} already holds a run: choose another folder, or overwrite it: overwrite=true"
        )
