"""What a checkpoint needs besides weights to recompose its config and resume exactly."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn


class Provenance(pl.Callback):
    """Saves the overrides that compose the run's config, the project's revision, and every rank's random
    state.

    A run resumed with the same number of ranks draws the same dropout masks as an uninterrupted one.
    """

    def __init__(self, overrides: list[str], revision: str | None) -> None:
        self.overrides, self.revision = overrides, revision
        self._max_steps: int | None = None  # hidden from Lightning while it restores the state of training

    def on_save_checkpoint(
        self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["overrides"], checkpoint["git"] = self.overrides, self.revision
        states = [_random_state()]
        if trainer.world_size > 1:
            states = [None] * trainer.world_size
            torch.distributed.all_gather_object(states, _random_state())
        checkpoint["random_states"] = states

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
            # With max_steps, Lightning takes a finished epoch for an interrupted one and counts it twice.
            self._max_steps, trainer.fit_loop.epoch_loop.max_steps = trainer.max_steps, -1

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._max_steps is not None:
            trainer.fit_loop.epoch_loop.max_steps, self._max_steps = self._max_steps, None


def _random_state() -> dict[str, torch.Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state()
    return state
