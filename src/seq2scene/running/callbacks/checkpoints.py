"""A run's checkpoints: the best state by validation, and the last one, to resume from.

States are saved where training can resume exactly: after an epoch, after a validation within one, or after a
batch with no validation due.
"""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.trainer.states import TrainerFn

from seq2scene.errors import UserError
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.running.callbacks.endings import require_finite
from seq2scene.running.messages import say


class Kept(ModelCheckpoint):
    """A checkpoint in one file, ``dirpath/NAME.ckpt``; ``_keep`` of subclasses decides whether to save a
    state.
    """

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *batch: Any) -> None:
        pass

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if is_part_of_training(trainer) and not trainer.is_last_batch:
            self._keep(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.is_last_batch:
            self._keep(trainer)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Does nothing: the paths are those of the saved run."""

    def _keep(self, trainer: pl.Trainer) -> None:
        raise NotImplementedError


class Best(Kept):
    """Saves in ``best.ckpt`` the state with the best ``monitor``; a non-finite value is never best.

    A resumed run starts with the best.ckpt next to its checkpoint, and so has the same best state as an
    uninterrupted one.
    """

    def __init__(self, dirpath: str, monitor: str, mode: str = "min") -> None:
        super().__init__(dirpath, "best", monitor, mode=mode, enable_version_counter=False)
        self._validated = False  # since the last comparison with the best

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._validated = is_part_of_training(trainer)
        super().on_validation_end(trainer, module)

    def _keep(self, trainer: pl.Trainer) -> None:
        if self._validated:
            self._validated = False
            self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))

    def check_monitor_top_k(self, trainer: pl.Trainer, current: torch.Tensor | None = None) -> bool:
        finite = current is not None and bool(torch.isfinite(current))
        return finite and super().check_monitor_top_k(trainer, current)

    def consider(self, trainer: pl.Trainer, score: float, last: Path | None) -> None:
        """Compares the final state of training with the best, by its ``score`` in a later validation. last:
        the checkpoint of that state, from which training can resume exactly, or None.
        """
        current = torch.tensor(score)
        if self.check_monitor_top_k(trainer, current):
            self._take(trainer, current, last and load_checkpoint(last))

    def on_load_checkpoint(
        self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn != TrainerFn.FITTING:
            return
        start = Path(trainer.ckpt_path)
        beside = start.with_name("best.ckpt")
        if not beside.is_file():
            known = checkpoint["callbacks"].get(self.state_key, {}).get("best_model_path")
            self._say_forgotten(f"there is no best.ckpt next to {start}" if known else None)
            return
        try:
            best = load_checkpoint(beside)
        except UserError as error:
            self._say_forgotten(str(error))
            return
        state = best.get("callbacks", {}).get(self.state_key)
        if state is None or state["current_score"] is None:
            self._say_forgotten(f"{beside} was not chosen by {self.monitor}")
        elif best["global_step"] > checkpoint["global_step"]:
            self._say_forgotten(f"{beside} is from a later step than {start}")
        else:
            self._take(trainer, state["current_score"], best)

    def _say_forgotten(self, why: str | None) -> None:
        if why is not None:
            say(f"{why}: the best checkpoint is chosen from now on")

    def _take(self, trainer: pl.Trainer, score: torch.Tensor, checkpoint: dict[str, Any] | None) -> None:
        """Makes a checkpoint, or if None the trainer's state, the best one."""
        path = self.format_checkpoint_name({})
        self.current_score = self.best_model_score = self.kth_value = score
        self.best_k_models = {path: score}
        self.best_model_path = self.kth_best_model_path = path
        if checkpoint is None:
            return trainer.save_checkpoint(path, weights_only=False)
        checkpoint["callbacks"][self.state_key] = self.state_dict()
        trainer.strategy.save_checkpoint(checkpoint, path)
        trainer.strategy.barrier("best.ckpt")


class Last(Kept):
    """Saves the state of training in ``last.ckpt``: after each epoch, after validations within it, every
    ``every_n_train_steps`` steps, and when training ends. A state with non-finite weights is not saved.
    """

    def __init__(self, dirpath: str, every_n_train_steps: int | None = None) -> None:
        super().__init__(dirpath, "last", enable_version_counter=False)
        self.every_n_train_steps = every_n_train_steps

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *batch: Any) -> None:
        if trainer.is_last_batch or validation_due(trainer):
            return  # saved after the validation
        ends = trainer.should_stop or 0 < trainer.max_steps <= trainer.global_step
        if ends or (self.every_n_train_steps and trainer.global_step % self.every_n_train_steps == 0):
            self._keep(trainer)

    def take(self, trainer: pl.Trainer, checkpoint: Path) -> None:
        """Saves another run's checkpoint as the last one, if resuming left nothing to do."""
        self.best_model_path = self.format_checkpoint_name({})
        trainer.strategy.save_checkpoint(load_checkpoint(checkpoint), self.best_model_path)
        trainer.strategy.barrier("last.ckpt")

    def _keep(self, trainer: pl.Trainer) -> None:
        if self._last_global_step_saved != trainer.global_step:
            require_finite(trainer)
            self._save_none_monitor_checkpoint(trainer, {})


def is_part_of_training(trainer: pl.Trainer) -> bool:
    """Whether a validation belongs to training: neither Lightning's sanity check nor one afterwards."""
    return trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking


def validation_due(trainer: pl.Trainer) -> bool:
    """Whether the trainer will validate after the batch it has just trained on."""
    every, batches = trainer.check_val_every_n_epoch, trainer.val_check_batch
    if not trainer.enable_validation or batches is None:
        return False
    if every is not None and (trainer.current_epoch + 1) % every:
        return False
    place = trainer.fit_loop.total_batch_idx if every is None else trainer.fit_loop.batch_idx
    return (place + 1) % batches == 0
