"""Weights & Biases runs that write only to their run folder."""

import os
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import WandbLogger
from wandb import env


def wandb_logger(save_dir: str, offline: bool = True, **arguments: Any) -> WandbLogger:
    """Lightning's logger; ``arguments`` are passed to it and to ``wandb.init``.

    offline: unless the environment variable WANDB_MODE is set. W&B's files in the home directory go to
    ``save_dir`` if that is not writable.
    """
    for variable, folder in ((env.DATA_DIR, env.get_data_dir()), (env.CACHE_DIR, env.get_cache_dir())):
        if not _writable(Path(folder)):
            os.environ[variable] = str(Path(save_dir) / "wandb")
    if env.MODE not in os.environ:
        arguments["mode"] = "offline" if offline else "online"
    return WandbLogger(save_dir=save_dir, **arguments)


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
