"""What a checkpoint needs besides weights to recompose its config and resume exactly."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn

from seq2scene.running.metrics_file import state_of


class Provenance(pl.Callback):
    """Saves the overrides that compose the run's config, the project's revision, every rank's random state,
    the place in metrics.csv, and between micro-batches the gradients accumulated so far.

    A run resumed with the same number of ranks draws the same dropout masks as an uninterrupted one.
    """

    def __init__(self, overrides: list[str], revision: str | None) -> None:
        self.overrides, self.revision = overrides, revision
        self._max_steps: int | None = None  # hidden from Lightning while it restores the state of training
        self._accumulated: dict[str, Any] | None = None  # to go on from

    def on_save_checkpoint(
        self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["overrides"], checkpoint["git"] = self.overrides, self.revision
        checkpoint["random_states"] = _of_all_ranks(trainer, random_state())
        if (rows := state_of(trainer)) is not None:
            checkpoint["metrics_rows"] = rows
        if (accumulated := module.accumulated()) is not None:
            checkpoint["accumulated"] = _of_all_ranks(trainer, accumulated)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        states = checkpoint["random_states"]
        if len(states) == trainer.world_size:
            state = states[trainer.global_rank]
            torch.set_rng_state(state["cpu"])
            if "cuda" in state and torch.cuda.is_available():
                torch.cuda.set_rng_state(state["cuda"])
        if trainer.state.fn == TrainerFn.FITTING:
            accumulated = checkpoint.get("accumulated", [])
            if len(accumulated) == trainer.world_size:
                self._accumulated = accumulated[trainer.global_rank]
            # With max_steps, Lightning takes a finished epoch for an interrupted one and counts it twice.
            self._max_steps, trainer.fit_loop.epoch_loop.max_steps = trainer.max_steps, -1

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._max_steps is not None:
            trainer.fit_loop.epoch_loop.max_steps, self._max_steps = self._max_steps, None
        if self._accumulated is not None:
            module.accumulate(self._accumulated)
            self._accumulated = None


def _of_all_ranks(trainer: pl.Trainer, value: Any) -> list[Any]:
    if trainer.world_size == 1:
        return [value]
    values = [None] * trainer.world_size
    torch.distributed.all_gather_object(values, value)
    return values


def random_state() -> dict[str, torch.Tensor]:
    """PyTorch's random state on the CPU, and on the GPU if it is in use."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state()
    return state
