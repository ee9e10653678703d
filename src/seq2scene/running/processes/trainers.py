"""The Lightning Trainer of a config, and the processes it needs."""

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch

from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.running.callbacks.stoppable import Stoppable
from seq2scene.running.callbacks.summary import Summary
from seq2scene.running.processes.devices import local_devices
from seq2scene.running.processes.launchers import launched
from seq2scene.running.processes.ranks import ranks
from seq2scene.running.saving import WholeCheckpoints

log = logging.getLogger(__name__)


@contextmanager
def processes(trainer: dict[str, Any], program: Sequence[str]) -> Iterator[None]:
    """Runs the body in as many processes on this machine as the trainer's config needs; ``program`` starts
    the others.
    """
    if trainer.get("strategy") in ("ddp_spawn", "ddp_fork", "ddp_notebook"):
        raise UserError(
            f"trainer.strategy={trainer['strategy']} would start its own processes; use ddp, which also "
            "works in sweeps"
        )
    if trainer.get("num_nodes", 1) > 1 and not launched() and "NODE_RANK" not in os.environ:
        raise UserError(
            f"trainer.num_nodes={trainer['num_nodes']}: nothing would start the processes on other nodes; "
            "start all of them with srun or torchrun"
        )
    with ranks(program, local_devices(trainer.get("devices", 1), trainer.get("accelerator", "auto"))):
        yield


def make_trainer(
    config: dict[str, Any], callbacks: Sequence[pl.Callback] = (), **arguments: Any
) -> pl.Trainer:
    """The Trainer of the config group ``trainer``; ``arguments`` are its loggers and folder."""
    settings = dict(config)
    settings["accelerator"] = chosen_accelerator(settings.get("accelerator", "auto"))
    torch.set_float32_matmul_precision(settings.pop("float32_matmul", None) or "highest")
    if isinstance(settings.get("strategy"), dict):
        settings["strategy"] = build(settings["strategy"], "trainer.strategy")
    shown = settings.get("enable_progress_bar", True)
    idle = () if shown else (pl.callbacks.ProgressBar,)
    if not arguments.get("logger"):
        idle += (pl.callbacks.LearningRateMonitor,)
    callbacks = [callback for callback in callbacks if not isinstance(callback, idle)]
    settings["enable_progress_bar"] = any(isinstance(c, pl.callbacks.ProgressBar) for c in callbacks)
    if settings.pop("enable_model_summary", True):
        callbacks.append(Summary(max_depth=2))
    callbacks.append(Stoppable())
    own = {
        "callbacks": callbacks,
        "enable_checkpointing": any(isinstance(c, pl.callbacks.ModelCheckpoint) for c in callbacks),
        "enable_model_summary": False,
        "plugins": [WholeCheckpoints()],
    }
    own |= arguments
    for key in settings.keys() & own.keys():
        raise UserError(f"trainer.{key} is not an option: use the groups callbacks and logger")
    return build(settings, "trainer", **own)


def chosen_accelerator(wanted: str) -> str:
    """``auto`` as cuda if there is such a GPU, or else cpu. Raises UserError for an Apple GPU (mps): it has
    no float64, in which scores are added up.
    """
    cuda = torch.cuda.device_count() > 0
    if wanted == "mps" or (wanted == "gpu" and not cuda and torch.backends.mps.is_available()):
        raise UserError(
            f"trainer.accelerator={wanted}: training needs float64, which Apple GPUs do not have; use "
            "trainer.accelerator=cpu"
        )
    if wanted != "auto":
        return wanted
    if not cuda and torch.backends.mps.is_available():
        log.info("training on the CPU: it needs float64, which the Apple GPU does not have")
    return "cuda" if cuda else "cpu"


def filter_warnings() -> None:
    """Silences messages of Lightning that users cannot act on."""
    for name in ("utilities.rank_zero", "trainer.connectors.signal_connector"):
        logging.getLogger(f"pytorch_lightning.{name}").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*smaller than the logging interval.*")
    warnings.filterwarnings("ignore", ".*recommended to use .*sync_dist=True.*")  # metrics sync themselves
    warnings.filterwarnings("ignore", ".*was called before the ``update`` method.*")  # on a rank without data
    warnings.filterwarnings("ignore", "The `srun` command is available.*")  # not needed: see ``ranks``
    warnings.filterwarnings("ignore", ".*LeafSpec.*", FutureWarning)
    warnings.filterwarnings(
        "ignore", "Found .* in eval mode at the start of training.*"
    )  # frozen trunks are meant to be
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides.*")  # from 1 x 1 filters
    warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", ".*Experiment logs directory .* exists and is not empty.*")
