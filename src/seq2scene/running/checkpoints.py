"""Checkpoints: tensors and plain containers, loaded without executing anything they hold."""

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.tasks.task import Task


def find_checkpoint(path: str | Path, name: str) -> Path:
    """The checkpoint at ``path``, or the one called ``name`` if it is the folder of a run.

    Raises:
        UserError: if there is none.
    """
    path = Path(path)
    found = path / name if path.is_dir() else path
    if not found.is_file():
        here = sorted(str(p) for p in path.glob("*.ckpt")) if path.is_dir() else []
        hint = f"it holds {', '.join(here)}" if here else "give the .ckpt file or the folder of a run"
        raise UserError(f"no checkpoint at {found}: {hint}")
    return found


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The contents of a checkpoint of this project, on the CPU.

    Raises:
        UserError: if the file is damaged, foreign, or holds anything that would have to be executed.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # of a file that is refused anyway
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is no checkpoint of this project: it holds objects, and loading them could run foreign "
            "code; nothing of it was run"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is damaged or no checkpoint: {_first_line(error)}") from error
    parts = checkpoint.get("hyper_parameters", {}) if isinstance(checkpoint, dict) else {}
    if not {"config", "description"} <= parts.keys():
        raise UserError(f"{path} is no checkpoint of this project: it has no config and description")
    return checkpoint


def task_of(checkpoint: dict[str, Any], **changes: Any) -> Task:
    """The task that a checkpoint was saved by, with its weights; ``changes`` replace parts of its config."""
    parts = checkpoint["hyper_parameters"]
    task = build_task({**parts["config"], **changes}, parts["description"])
    task.load_state_dict(checkpoint["state_dict"])
    return task.eval()


def build_task(config: dict[str, Any], description: dict[str, Any]) -> Task:
    """The LightningModule that ``config.task`` names."""
    return build({"_target_": config["task"]["_target_"]}, "task", config=config, description=description)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
