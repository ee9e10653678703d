"""What a checkpoint must hold besides weights, to be composed and continued exactly."""

from typing import Any

import pytorch_lightning as pl
import torch


class Provenance(pl.Callback):
    """Keeps the overrides that compose the run's config, the project's revision, and every rank's random
    state.

    A run that goes on with as many ranks as before drops the elements that it would have dropped
    uninterrupted.
    """

    def __init__(self, overrides: list[str], revision: str | None) -> None:
        self.overrides, self.revision = overrides, revision

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


def _random_state() -> dict[str, torch.Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state()
    return state
