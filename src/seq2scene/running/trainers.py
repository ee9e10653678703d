"""The Lightning Trainer of a config, and the processes it needs."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.running.ranks import local_devices, ranks

MATMUL = ("highest", "high", "medium")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


@contextmanager
def processes(trainer: dict[str, Any], script: Path) -> Iterator[None]:
    """Runs the body in as many processes of this machine as the trainer's config asks for."""
    if trainer["strategy"] in ("ddp_spawn", "ddp_fork", "ddp_notebook"):
        raise UserError(
            f"trainer.strategy={trainer['strategy']} would start processes of its own; use ddp, which sweeps "
            "survive too"
        )
    with ranks(script, local_devices(trainer["devices"], trainer["accelerator"])):
        yield


def make_trainer(config: dict[str, Any], **arguments: Any) -> pl.Trainer:
    """The Trainer of the config group ``trainer``; ``arguments`` are its callbacks, loggers and folder."""
    settings = dict(config)
    matmul = settings.pop("float32_matmul")
    for key, value, good in (
        ("float32_matmul", matmul, MATMUL),
        ("precision", settings["precision"], PRECISIONS),
    ):
        if value not in good:
            raise UserError(f"trainer.{key}={value} is not a choice; choose one of {', '.join(good)}")
    torch.set_float32_matmul_precision(matmul)
    if isinstance(settings["strategy"], dict):
        settings["strategy"] = build(settings["strategy"], "trainer.strategy")
    return build(settings, "trainer", **arguments)


def quieten() -> None:
    """Silences what Lightning tells everybody and nobody here can act on."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*recommended to use .*sync_dist=True.*")  # metrics sync themselves
    warnings.filterwarnings("ignore", ".*was called before the ``update`` method.*")  # of a rank without data
    warnings.filterwarnings("ignore", ".*LeafSpec.*", FutureWarning)
    warnings.filterwarnings("ignore", "Found .* in eval mode at the start of training.*")  # frozen trunks are
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides.*")  # of 1 x 1 filters
    warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", ".*Experiment logs directory .* exists and is not empty.*")
