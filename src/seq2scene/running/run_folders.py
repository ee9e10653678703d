"""Run folders: each run has its own, and an existing one is overwritten only with ``overwrite=true``."""

import sys
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from seq2scene.caching import remove_drafts
from seq2scene.errors import UserError
from seq2scene.running.processes.launchers import requeued

RESULTS = (
    "*.ckpt",
    "metrics.csv",
    "metrics.json",
)  # what a run writes, once all of its processes have started


def holds_run(folder: Path) -> bool:
    """Whether ``folder`` holds results of a run."""
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
    """Raises UserError if ``folder`` holds results and ``overwrite`` is false, or if a requeued job would
    overwrite its own checkpoint. Removes what a killed run has left half written.

    start: the checkpoint to resume from; a run may continue in its own folder.
    """
    remove_drafts(folder)
    own = start is not None and start.resolve().parent == folder.resolve()
    if start is not None and own and start.name == "previous.ckpt":
        (folder / "last.ckpt").unlink(missing_ok=True)  # damaged; it must not become previous.ckpt
    if requeued() and not own and (folder / "last.ckpt").is_file():
        raise UserError(
            f"{folder} holds a checkpoint of this requeued job, which would be overwritten: use resume=auto"
        )
    if holds_run(folder) and not own and not config["overwrite"]:
        raise UserError(
            f"{folder} already holds a run: choose another folder, or overwrite it: overwrite=true"
        )


class OutputFolder(Callback):
    """Makes a job's output folder before Hydra does, or ends the command with one line and status 2."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        try:
            Path(config.hydra.run.dir).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            print(f"error: {config.hydra.run.dir} cannot be written: {error.strerror}", file=sys.stderr)
            sys.exit(2)
        except OmegaConfBaseException:
            return  # Hydra meets it next, and reports it
